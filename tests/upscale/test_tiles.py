import pytest
import torch
from torch import nn

from wildsr.networks import CompactNet, RRDBNet, load_generator
from wildsr.upscale.tiles import count_tiles, overlap_of, upscale


def test_tiles_of_a_compact_network_equal_the_whole_picture():
    torch.manual_seed(0)
    network = CompactNet(scale=2, features=4, convs=3)
    image = torch.rand(3, 37, 50)
    with torch.inference_mode():
        whole = network(image[None])[0].clamp(0, 1)
    for tile in (8, 16, 64):
        assert torch.allclose(upscale(network, image, tile), whole, atol=1e-6)


def test_tiles_of_a_network_that_unshuffles_start_where_its_blocks_do():
    torch.manual_seed(0)
    network = RRDBNet(scale=1, features=4, blocks=1, growth=2).eval()
    image = torch.rand(3, 60, 76)
    with torch.inference_mode():
        whole = network(image[None])[0].clamp(0, 1)
    assert torch.allclose(upscale(network, image, 21), whole, atol=1e-6)


def test_tiles_are_counted_as_they_are_done():
    network = CompactNet(scale=2, features=4, convs=1)
    done = []
    upscale(network, torch.rand(3, 20, 33), 16, lambda: done.append(1))
    assert len(done) == count_tiles(torch.rand(3, 20, 33), 16) == 2 * 3


def test_overlaps_are_the_measured_ones():
    assert overlap_of(CompactNet()) == 18
    assert overlap_of(RRDBNet(features=4, blocks=6, growth=2)) == 64
    assert overlap_of(RRDBNet(features=4, blocks=23, growth=2)) == 96
    assert overlap_of(RRDBNet(features=4, blocks=23, growth=2, dilation=2)) == 136  # 96 · 7 / 5 = 134.4
    with pytest.raises(ValueError, match="Linear: overlap not known"):
        overlap_of(nn.Linear(1, 1))


def test_a_community_network_is_tiled(tmp_path):
    pytest.importorskip("spandrel")
    from spandrel.architectures.SPAN import SPAN

    torch.manual_seed(0)
    torch.save(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2).state_dict(), tmp_path / "a.pth")
    network = load_generator(tmp_path / "a.pth")
    image = torch.rand(3, 40, 150)
    whole = network(image[None])[0]
    assert torch.allclose(upscale(network, image, 64), whole, atol=1e-5)
