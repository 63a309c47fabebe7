"""How far tiles must overlap: said by a network, or measured once, kept, and right."""

import json
import logging

import pytest
import torch
from torch import nn

from wildsr.networks import CompactNet, RRDBNet, load_generator, overlap
from wildsr.networks.eager import Eager
from wildsr.networks.overlap import LEVEL, Tiling, measure, tiling_of
from wildsr.networks.states import weights_digest
from wildsr.networks.tiling import upscale


class Own(nn.Module):
    """A network of anyone's: `radius` pixels far it sees, evenly, and by `pooled` it follows the image's mean."""

    def __init__(self, radius: int = 6, pooled: float = 0.0) -> None:
        super().__init__()
        self.scale, self.channels, self.pooled = 2, 3, pooled
        side = 2 * radius + 1
        self.rows = nn.Conv2d(3, 3, (1, side), padding=(0, radius), groups=3, bias=False)
        self.columns = nn.Conv2d(3, 3, (side, 1), padding=(radius, 0), groups=3, bias=False)
        for layer in (self.rows, self.columns):
            nn.init.constant_(layer.weight, 1 / side)

    def forward(self, lq: torch.Tensor) -> torch.Tensor:
        seen = self.columns(self.rows(lq)) + self.pooled * lq.mean((2, 3), keepdim=True)
        return nn.functional.interpolate(seen, scale_factor=2)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setattr(overlap, "FOLDER", tmp_path / "overlaps")


def test_networks_of_this_package_state_theirs_in_pixels_of_the_body():
    assert tiling_of(CompactNet()) == Tiling(18)
    assert tiling_of(RRDBNet(features=4, blocks=6, growth=2)) == Tiling(64)
    assert tiling_of(RRDBNet(features=4, blocks=23, growth=2)) == Tiling(96)
    assert tiling_of(RRDBNet(features=4, blocks=23, growth=2, dilation=2)) == Tiling(136)  # 96 · 7 / 5 = 134.4
    assert tiling_of(RRDBNet(scale=2, features=4, blocks=23, growth=2)) == Tiling(192)
    assert tiling_of(RRDBNet(scale=1, features=4, blocks=23, growth=2)) == Tiling(384)


def test_a_network_may_state_that_there_is_none_or_where_tiles_must_start():
    network = Own()
    network.overlap = None
    assert tiling_of(network) == Tiling(None)
    network.overlap, network.multiple = 32, 16
    assert tiling_of(network) == Tiling(32, 16)


@pytest.mark.parametrize(("radius", "found"), [(6, 8), (17, 20), (40, 40)])
def test_a_network_that_sees_so_far_needs_so_much(radius, found):
    # All that it sees counts alike: no pixel less is enough. Rounded up to a multiple of 4; 40 is the larger probe's.
    assert measure(Own(radius)) == Tiling(found)


def test_pooling_over_the_image_has_no_overlap_and_its_images_go_whole(caplog):
    caplog.set_level(logging.INFO, "wildsr")
    network = Own(pooled=0.5)
    upscaler, image = Eager(network), torch.rand(3, 50, 70)
    image[:, :, :35] *= 0.2
    whole = network(image[None])[0].clamp(0, 1)
    assert torch.allclose(upscale(upscaler, image, 16), whole, atol=1e-6)
    assert upscaler.tiling == Tiling(None)
    assert "Own: no overlap is enough: images go whole" in caplog.messages


def test_windows_are_kept_whole():
    class Windows(Own):
        def forward(self, lq):
            means = nn.functional.avg_pool2d(lq, 16, ceil_mode=True, count_include_pad=False)
            large = nn.functional.interpolate(means, scale_factor=32)
            return large[..., : 2 * lq.shape[-2], : 2 * lq.shape[-1]]

    assert measure(Windows()) == Tiling(0, 64)
    image = torch.rand(3, 130, 100)
    upscaler = Eager(Windows())
    assert torch.equal(upscale(upscaler, image, 30), Windows()(image[None])[0])


def test_a_measurement_is_kept_for_the_same_weights_and_layers(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "wildsr")
    network = Own()
    found = tiling_of(network)
    assert caplog.messages == ["Own: measuring how far its tiles must overlap, once", "Own: 8 pixels"]
    caplog.clear()
    (file,) = overlap.FOLDER.iterdir()
    assert json.loads(file.read_text()) == {"overlap": 8, "multiple": 4}
    monkeypatch.setattr(overlap, "measure", lambda network: Tiling(99))
    assert tiling_of(Own()) == found
    assert caplog.messages == []
    network.rows.weight.data *= 0.9
    assert tiling_of(network) == tiling_of(Own(7)) == Tiling(99)
    file.write_text("damaged")
    assert tiling_of(Own()) == Tiling(99)


def test_the_same_weights_have_one_digest_in_every_memory_format():
    network = nn.Conv2d(8, 8, 1)
    digest = weights_digest(network.state_dict())
    assert weights_digest(network.to(memory_format=torch.channels_last).state_dict()) == digest


def test_where_nothing_can_be_kept_it_is_measured_again(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(overlap, "FOLDER", tmp_path / "file" / "overlaps")
    assert tiling_of(Own()) == Tiling(8)


def test_a_measurement_changes_no_random_number():
    network, before = Own(), torch.get_rng_state()
    measure(network)
    assert torch.equal(before, torch.get_rng_state())


def test_a_released_network_measured_so_keeps_its_photographs_within_one_level():
    from wildsr.data import sample_photographs
    from wildsr.images import middle, to_float

    network = load_generator("realesr-animevideov3")
    found = measure(network)
    assert found.overlap == 16  # of 18 that it sees
    upscaler = Eager(network)
    upscaler.tiling = found
    image = middle(to_float(sample_photographs(["astronaut.png"])[0]), 160)
    assert (upscale(upscaler, image, 40) - upscale(upscaler, image, 160)).abs().max() < LEVEL
