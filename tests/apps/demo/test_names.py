"""What weights are called on the page of `wildsr demo`, and which of them mix."""

import pytest
import torch

from wildsr.apps.demo.names import kind, label, labels, partners
from wildsr.io import UserError
from wildsr.networks import CompactNet, RRDBNet, load_generator, save_generator
from wildsr.networks.released import GENERATORS


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("WILDSR_OFFLINE", "0")


def test_a_stage_of_a_run_is_called_by_run_and_stage(tmp_path):
    file = tmp_path / "runs" / "quickstart" / "gan" / "generator.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    assert label(str(file)) == "generator.safetensors"  # no run
    (file.parent / "config.yaml").touch()
    assert label(str(file)) == "quickstart · GAN"
    assert labels([str(file), str(file)]) == [("quickstart · GAN", str(file))]


def test_files_of_one_name_are_told_apart_by_their_folders():
    assert labels(["a/x.pth", "b/x.pth"]) == [("x.pth (a/x.pth)", "a/x.pth"), ("x.pth (b/x.pth)", "b/x.pth")]


def test_released_weights_say_what_they_are_for_and_what_choosing_them_downloads(tmp_path, monkeypatch):
    assert label("realesrgan-x4plus") == "realesrgan-x4plus · photographs, x4 · download 67 MB"
    monkeypatch.setenv("WILDSR_OFFLINE", "1")
    assert label("realesrgan-x2plus") == "realesrgan-x2plus · photographs, x2 · not available offline"
    assert label("realesrgan-x4plus").endswith(" · bundled fp16 copy")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "RealESRGAN_x2plus.pth").touch()
    assert label("realesrgan-x2plus") == "realesrgan-x2plus · photographs, x2"


def test_the_sizes_are_those_of_the_networks():
    networks = {
        "realesrgan-x4plus": RRDBNet(4), "realesrgan-x4plus-anime": RRDBNet(4, blocks=6),
        "realesr-animevideov3": CompactNet(4, convs=16), "realesrgan-x2plus": RRDBNet(2),
        "realesr-general-x4v3": CompactNet(4, convs=32),
    }  # fmt: skip
    for name, network in networks.items():
        megabytes = sum(tensor.numel() * 4 for tensor in network.state_dict().values()) / 1e6
        assert GENERATORS[name].megabytes == pytest.approx(megabytes, abs=0.06), name


def test_only_weights_of_one_scale_and_architecture_mix(tmp_path):
    torch.manual_seed(0)
    small, fine = tmp_path / "small.pth", tmp_path / "fine.safetensors"
    save_generator(CompactNet(scale=2, features=4, convs=1), small)
    save_generator(load_generator("realesr-animevideov3"), fine)
    kinds = {name: kind(name) for name in (str(small), str(fine), *GENERATORS)}
    assert partners(str(small), kinds) == []
    assert partners(str(fine), kinds) == ["realesr-animevideov3"]
    assert partners("realesrgan-x4plus", kinds) == ["realesrnet-x4plus", "esrgan-x4"]
    assert partners("realesr-general-x4v3", kinds) == ["realesr-general-wdn-x4v3"]
    (tmp_path / "broken.pth").write_bytes(b"x")
    with pytest.raises(UserError, match=r"broken\.pth"):
        kind(str(tmp_path / "broken.pth"))
