"""A network that only this file knows, with `scale` and `channels`, goes where the package's own go."""

import pytest
import torch
from torch import nn

from wildsr.apps.upscale.backends import fastest, open_backend
from wildsr.apps.upscale.blending import blend
from wildsr.networks import adapt_weights, load_weights, overlap, save_generator
from wildsr.networks.tiling import tile_side, upscale


class Mine(nn.Module):
    def __init__(self, scale: int = 2, channels: int = 3, features: int = 8) -> None:
        super().__init__()
        self.scale, self.channels = scale, channels
        self.trunk = nn.Sequential(nn.Conv2d(channels, features, 3, padding=1), nn.GELU())
        self.tail = nn.Conv2d(features, channels * scale**2, 3, padding=1)
        self.register_buffer("steps", torch.tensor(3))

    def forward(self, lq: torch.Tensor) -> torch.Tensor:
        return nn.functional.pixel_shuffle(self.tail(self.trunk(lq)), self.scale)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setattr(overlap, "FOLDER", tmp_path / "overlaps")


def seeded(seed: int, **sizes: int) -> Mine:
    torch.manual_seed(seed)
    return Mine(**sizes).eval()


@torch.inference_mode()
def test_it_is_cut_into_tiles_that_memory_allows():
    network, image = seeded(0), torch.rand(3, 60, 90)
    upscaler = open_backend(network)
    assert upscaler.tiling.overlap == 4  # it sees two pixels far
    assert upscaler.numbers_per_pixel == 3 * 2**2  # its last convolution
    tile = tile_side(upscaler, 60, 90, free=6 * 5 * 4 * 12 * 40**2 // 6)
    assert tile == 32  # the least
    torch.testing.assert_close(upscale(upscaler, image, tile), network(image[None])[0].clamp(0, 1), rtol=0, atol=1e-6)


def test_two_are_blended():
    first, second = seeded(0), seeded(1)
    between = blend(first, second, 0.25)
    assert type(between) is Mine
    torch.testing.assert_close(between.tail.weight, 0.75 * first.tail.weight + 0.25 * second.tail.weight)
    assert int(between.steps) == 3
    with pytest.raises(ValueError, match=r"^Mine \(x2, 3 channels\) cannot be blended with Mine \(x2, 3 channels\);"):
        blend(first, seeded(1, features=4), 0.5)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_its_weights_are_saved_and_come_back(suffix, tmp_path):
    network = seeded(0)
    save_generator(network, tmp_path / f"a{suffix}", {"architecture": "Mine"})
    again = seeded(1)
    load_weights(again, tmp_path / f"a{suffix}")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_at_another_scale_it_starts_from_what_fits_and_the_rest_is_told(tmp_path):
    save_generator(seeded(0), tmp_path / "a.pth")
    larger = seeded(1, scale=4)
    before = larger.tail.weight.clone()
    report = adapt_weights(larger, tmp_path / "a.pth")
    assert torch.equal(larger.trunk[0].weight, seeded(0).trunk[0].weight)
    assert torch.equal(larger.tail.weight, before)
    assert report.splitlines()[1:] == [
        "  taken                3 tensors",
        "  left as initialised  tail.weight, tail.bias",
    ]
    with pytest.raises(ValueError, match=r"a\.pth: none of its weights fits this Linear; it has steps, trunk"):
        adapt_weights(nn.Linear(1, 1), tmp_path / "a.pth")


def test_it_may_make_its_ends_by_itself(tmp_path):
    class Adapting(Mine):
        def adapt_ends(self, state):
            if state["tail.weight"].shape[0] % 3:
                raise ValueError("holds no colour")
            repeated = {name: state[f"tail.{name}"].repeat_interleave(4, 0) for name in ("weight", "bias")}
            return state | {f"tail.{name}": tensor for name, tensor in repeated.items()}

    old = seeded(0)
    save_generator(old, tmp_path / "a.pth")
    larger = Adapting(scale=4).eval()
    report = adapt_weights(larger, tmp_path / "a.pth")
    assert report.splitlines()[2:] == [
        "  re-made              tail.weight (12 to 48 output channels)",
        "  re-made              tail.bias (12 to 48 output channels)",
    ]
    assert torch.equal(larger.tail.bias[::4], old.tail.bias)
    save_generator(seeded(0, channels=1), tmp_path / "b.pth")
    with pytest.raises(ValueError, match=r"b\.pth holds no colour$"):
        adapt_weights(larger, tmp_path / "b.pth")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_it_runs_on_backends_that_it_can_be_traced_for(backend):
    pytest.importorskip("onnx")
    pytest.importorskip(backend)
    network, lq = seeded(0), torch.rand(2, 3, 21, 34)
    wanted = network(lq)
    assert (open_backend(network, backend)(lq) - wanted).abs().max() < 1e-5
    assert fastest(network, torch.device("cpu")) == "torch"
