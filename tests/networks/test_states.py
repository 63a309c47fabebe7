"""Checkpoint formats: every round trip bit for bit, every damage one line that names the file."""

from __future__ import annotations

import errno
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from torch import Tensor

from wildsr.networks.states import read_state, some, write_state


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"conv.weight": torch.randn(4, 3, 3, 3), "conv.bias": torch.randn(4)}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return sorted(a) == sorted(b) and all(torch.equal(a[name], b[name]) for name in a)


def prefixed(state: dict[str, Tensor], prefix: str, scale: float = 1) -> dict[str, Tensor]:
    return {prefix + name: scale * tensor for name, tensor in state.items()}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".PTH"])
def test_what_is_written_is_read_back_bit_for_bit(suffix: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    write_state(state, tmp_path / f"a{suffix}")
    assert same(read_state(tmp_path / f"a{suffix}", "generator").state, state)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("wrap", ["params_ema", "params", None])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_released_form_is_read(wrap: str | None, prefix: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    content = prefixed(state, prefix)
    torch.save({wrap: content} if wrap else content, tmp_path / "a.pth")
    assert same(read_state(tmp_path / "a.pth", "generator").state, state)


def test_averaged_weights_come_before_raw_ones(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"params": prefixed(state, "", 2), "params_ema": state}, tmp_path / "a.pth")
    assert same(read_state(tmp_path / "a.pth", "generator").state, state)
    training = prefixed(state, "generator.", 2) | prefixed(state, "ema.module.") | {"ema.n_averaged": torch.ones(())}
    torch.save({"state_dict": training, "epoch": 1}, tmp_path / "a.ckpt")
    assert same(read_state(tmp_path / "a.ckpt", "generator").state, state)


def test_a_checkpoint_without_averages_gives_the_raw_weights(state: dict[str, Tensor], tmp_path: Path) -> None:
    training = prefixed(state, "generator.") | prefixed(state, "discriminator.", 2)
    torch.save({"state_dict": training}, tmp_path / "a.ckpt")
    assert same(read_state(tmp_path / "a.ckpt", "generator").state, state)


def test_metadata_travels_in_both_formats(state: dict[str, Tensor], tmp_path: Path) -> None:
    metadata = {"experiment": "quickstart", "iteration": "400"}
    write_state(state, tmp_path / "a.safetensors", metadata)
    write_state(state, tmp_path / "a.pth", metadata)
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata() == metadata
    assert torch.load(tmp_path / "a.pth", weights_only=True)["metadata"] == metadata
    assert same(read_state(tmp_path / "a.pth", "generator").state, state)


def test_metadata_that_is_no_text_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\{'iteration': 400\}: wanted names and values of type str"):
        write_state({}, tmp_path / "a.pth", {"iteration": 400})  # type: ignore[dict-item]
    assert not list(tmp_path.iterdir())


def test_a_view_does_not_drag_its_storage_into_the_file(tmp_path: Path) -> None:
    write_state({"a": torch.zeros(1_000_000)[:10]}, tmp_path / "a.pth")
    assert (tmp_path / "a.pth").stat().st_size < 10_000


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("older", [True, False])
def test_a_full_disk_leaves_the_older_file_and_nothing_half_written(
    suffix: str, older: bool, state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    if older:
        write_state(state, path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_state(prefixed(state, "", 2), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_unknown_suffix_is_refused_both_ways(state: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"\x89HDF")
    with pytest.raises(ValueError, match=r"a\.h5: .*'\.h5'; choose from \.pth, \.pt, \.safetensors, \.ckpt"):
        read_state(tmp_path / "a.h5", "generator")
    with pytest.raises(ValueError, match=r"a\.ckpt: .*'\.ckpt'; choose from \.pth, \.pt, \.safetensors$"):
        write_state(state, tmp_path / "a.ckpt")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(ValueError, match=r"folder\.pth: a folder, no file"):
        read_state(tmp_path / "folder.pth", "generator")
    with pytest.raises(ValueError, match=r"none\.pth: no such file"):
        read_state(tmp_path / "none.pth", "generator")


@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".safetensors"])
@pytest.mark.parametrize("content", [b"hello, no checkpoint", bytes(1000)])
def test_a_mislabelled_file_is_one_line_with_its_name(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^\S*a\{suffix}: not a .*, or damaged$"):
        read_state(tmp_path / f"a{suffix}", "generator")


def test_a_zip_of_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
        file.writestr("a.txt", "x")
    with pytest.raises(ValueError, match=r"a\.pth: not a checkpoint, or damaged"):
        read_state(tmp_path / "a.pth", "generator")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_cut_anywhere_is_refused(suffix: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    write_state(state, tmp_path / f"whole{suffix}")
    content = (tmp_path / f"whole{suffix}").read_bytes()
    for length in [*range(0, len(content), max(len(content) // 50, 1)), *range(len(content) - 200, len(content), 5)]:
        (tmp_path / f"cut{suffix}").write_bytes(content[:length])
        message = r"an empty file|cut short after \d+ bytes, .*|not a .*, or damaged"
        with pytest.raises(ValueError, match=rf"cut\{suffix}: ({message})(; download or copy it again)?$"):
            read_state(tmp_path / f"cut{suffix}", "generator")


class Malicious:
    """Unpickled carelessly, it makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


def test_a_pickle_that_runs_code_is_refused_and_not_run(state: dict[str, Tensor], tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    torch.save({"params": state | {"conv.bias": Malicious(proof)}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth: refused; it holds Python objects, which could run code"):
        read_state(tmp_path / "a.pth", "generator")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Malicious(proof)))
    with pytest.raises(ValueError, match=r"b\.pth: "):
        read_state(tmp_path / "b.pth", "generator")
    assert not proof.exists()
    pickle.loads((tmp_path / "b.pth").read_bytes())
    assert proof.exists()  # so the file above was dangerous


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "no weights in it, but a list"),
        ({}, "no weights in it, but an empty dict"),
        ({"params": {}}, "no weights in it, but params"),
        ({"epoch": 3, "step": 4}, "no weights in it, but epoch, step"),
        ({"state_dict": {}}, "no weights in it, but state_dict"),
        ({"state_dict": {1: 2}}, "no weights in it, but state_dict"),
        ({"state_dict": {"generator.a": 2}}, "no weights in it, but state_dict"),
    ],
)
def test_a_file_without_weights_says_what_it_has(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=rf"a\.pth: .*{message}"):
        read_state(tmp_path / "a.pth", "generator")


def test_some_names_are_shown_and_the_rest_counted() -> None:
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
