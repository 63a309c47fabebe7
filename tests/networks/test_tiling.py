import math

import pytest
import torch
from torch import nn

from wildsr.networks import CompactNet, RRDBNet, load_generator
from wildsr.networks.eager import Eager
from wildsr.networks.overlap import Tiling
from wildsr.networks.tiling import MOST_NUMBERS, SHARE, SMALLEST, bytes_per_pixel, cut, tile_side, upscale

GB = 2**30


def eager(network):
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return Eager(network.eval())


def whole(upscaler, image):
    with torch.inference_mode():
        return upscaler(image[None])[0].clamp(0, 1)


class Limited:
    """Doubles every pixel, and has no memory for batches of more than `most` pixels."""

    scale, channels, numbers_per_pixel = 2, 3, 12

    def __init__(self, most, error=None, tiling=None):
        self.tiling = tiling or Tiling(4)
        self.most, self.error, self.seen = most, error or torch.OutOfMemoryError("CUDA out of memory"), []

    def __call__(self, lq):
        self.seen.append(tuple(lq.shape))
        if lq.shape[0] * lq.shape[2] * lq.shape[3] > self.most:
            raise self.error
        return lq.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_tiles_of_a_compact_network_equal_the_whole_image(scale):
    upscaler = eager(CompactNet(scale=scale, features=4, convs=3))
    image = torch.rand(3, 37, 50)
    for tile in (8, 16, 64):
        assert torch.allclose(upscale(upscaler, image, tile), whole(upscaler, image), atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_tiles_of_an_rrdb_network_start_where_its_blocks_do(scale):
    upscaler = eager(RRDBNet(scale=scale, features=4, blocks=1, growth=2))
    upscaler.tiling = Tiling(32 * max(4 // scale, 1))  # beyond the receptive field of one block
    image = torch.rand(3, 61, 74)
    assert torch.allclose(upscale(upscaler, image, 21), whole(upscaler, image), atol=1e-6)


def test_a_networks_memory_is_that_of_its_widest_layer():
    # Five float32 tensors of 64 channels: at 16 times the pixels, at 4 times, at as many.
    assert bytes_per_pixel(Eager(RRDBNet(blocks=1))) == 5 * 4 * 64 * 16
    assert bytes_per_pixel(Eager(RRDBNet(scale=2, blocks=1))) == 5 * 4 * 64 * 4
    assert bytes_per_pixel(Eager(CompactNet(convs=1))) == 5 * 4 * (64 + 48)


def test_an_image_that_fits_is_one_tile():
    assert tile_side(Eager(CompactNet()), 300, 400, 4 * GB) == 400


def test_a_tile_with_its_surroundings_takes_its_share_of_the_free_memory():
    tile = tile_side(Eager(RRDBNet(blocks=7)), 5000, 5000, 8 * GB)
    assert 0 <= math.sqrt(SHARE * 8 * GB / (5 * 4 * 64 * 16)) - (tile + 2 * 96) < 1


def test_a_tensor_stays_countable_and_a_tile_worth_its_surroundings():
    upscaler = Eager(RRDBNet(blocks=7))
    largest = tile_side(upscaler, 50_000, 50_000, 10_000 * GB) + 2 * 96
    assert largest**2 * 64 * 16 <= MOST_NUMBERS < (largest + 1) ** 2 * 64 * 16
    assert tile_side(upscaler, 5000, 5000, 0) == 32


def test_where_no_overlap_is_enough_an_image_goes_whole_or_is_refused_in_one_line():
    image = torch.rand(3, 40, 50)
    upscaler = Limited(most=40 * 50, tiling=Tiling(None))
    assert tile_side(upscaler, 5000, 4000, 0) == 5000
    upscale(upscaler, image, 16)
    assert upscaler.seen == [(1, 3, 40, 50)]
    with pytest.raises(ValueError, match=r"^memory does not suffice for the whole image of 50 x 40 pixels, and no o"):
        upscale(Limited(most=40 * 49, tiling=Tiling(None)), image, 64)


def test_an_image_that_goes_whole_does_not_ask_how_it_could_be_cut():
    class Unasked(Limited):
        tiling = property(lambda self: pytest.fail("asked"), lambda self, value: None)

    image = torch.rand(3, 40, 50)
    assert tile_side(Unasked(most=9999), 40, 50, GB) == 50
    assert upscale(Unasked(most=9999), image, 50).shape == (3, 80, 100)


@pytest.mark.parametrize("most", [10**6, 192 * 192])  # one of them makes it halve its tiles
def test_a_network_of_windows_gets_tiles_that_start_and_end_where_its_windows_do(most):
    class Windows(Limited):
        def __call__(self, lq):  # each pixel becomes the mean of its window of 64 pixels
            super().__call__(lq)
            assert lq.shape[-2] % 64 in (0, 200 % 64) and lq.shape[-1] % 64 in (0, 321 % 64)
            means = nn.functional.avg_pool2d(lq, 64, ceil_mode=True, count_include_pad=False)
            large = means.repeat_interleave(128, -1).repeat_interleave(128, -2)
            return large[..., : 2 * lq.shape[-2], : 2 * lq.shape[-1]]

    image = torch.rand(3, 200, 321)
    expected = Windows(10**6)(image[None])[0]
    assert torch.allclose(upscale(Windows(most, tiling=Tiling(64, 64)), image, 130), expected, atol=1e-6)


def test_tiles_cover_the_image_once_and_are_about_equal():
    for height, width, tile in [(1, 1, 8), (65, 64, 64), (100, 7, 33), (250, 131, 64), (5, 5, 1)]:
        covered = torch.zeros(height, width, dtype=torch.int)
        boxes = cut(height, width, tile)
        for box in boxes:
            box.of(covered).add_(1)
            assert max(box.bottom - box.top, box.right - box.left) <= max(tile, 4)
            assert box.top % 4 == box.left % 4 == 0
        assert bool((covered == 1).all())
    assert [box.bottom - box.top for box in cut(65, 8, 64)] == [36, 29]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
            "allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_a_tile_that_memory_does_not_suffice_for_is_retried_smaller(error):
    image = torch.rand(3, 70, 90)
    upscaler = Limited(most=40 * 40, error=error)
    assert torch.equal(upscale(upscaler, image, 128), image.repeat_interleave(2, -1).repeat_interleave(2, -2))
    failed = [b * h * w for b, _, h, w in upscaler.seen if b * h * w > upscaler.most]
    assert failed == sorted(set(failed), reverse=True)  # what is as large as what has failed is not tried again


def test_a_batch_is_halved_before_its_tiles_are():
    image = torch.rand(3, 64, 64)
    upscaler = Limited(most=2 * 24 * 24)
    result = upscale(upscaler, image, 16, batch=4)
    assert torch.equal(result, image.repeat_interleave(2, -1).repeat_interleave(2, -2))
    fitting = {shape for shape in upscaler.seen if shape[0] * shape[2] * shape[3] <= upscaler.most}
    assert (2, 3, 24, 24) in fitting
    assert min(shape[2] for shape in upscaler.seen) == 20  # whole tiles: at the border there is less around them
    assert max(shape[0] for shape in upscaler.seen) == 4


def test_where_not_even_a_small_tile_fits_it_is_said_in_one_line():
    with pytest.raises(ValueError, match=f"not even for tiles of {SMALLEST} x {SMALLEST} pixels"):
        upscale(Limited(most=10), torch.rand(3, 64, 64), 64)


def test_another_error_is_not_taken_for_a_lack_of_memory():
    upscaler = Limited(most=0, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        upscale(upscaler, torch.rand(3, 64, 64), 64)
    assert len(upscaler.seen) == 1


def test_batches_of_equal_tiles_give_what_single_tiles_do():
    upscaler = eager(CompactNet(scale=2, features=4, convs=2))
    image = torch.rand(3, 50, 70)
    assert torch.allclose(upscale(upscaler, image, 16, batch=5), upscale(upscaler, image, 16), atol=1e-6)


def test_every_pixel_is_counted_once_as_it_is_done():
    done = []
    upscale(Limited(most=30 * 30), torch.rand(3, 61, 33), 40, done=done.append)
    assert sum(done) == 61 * 33
    assert len(done) > 2


def test_grey_passes_a_colour_network_and_colour_a_grey_one():
    colour, grey = (eager(CompactNet(scale=2, channels=channels, features=4, convs=1)) for channels in (3, 1))
    image = torch.rand(3, 20, 24)
    with torch.inference_mode():
        seen = colour(image[None, :1].expand(-1, 3, -1, -1))[0]
    luma = 0.299 * seen[0] + 0.587 * seen[1] + 0.114 * seen[2]
    assert torch.allclose(upscale(colour, image[:1], 64), luma[None].clamp(0, 1), atol=1e-6)
    channels = torch.cat([whole(grey, image[c : c + 1]) for c in range(3)])
    assert torch.allclose(upscale(grey, image, 64), channels, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime", "realesrgan-x4plus"])
def test_tiles_of_released_networks_equal_the_whole_image_within_one_level(name):
    from wildsr.data import sample_photographs
    from wildsr.images import middle, to_float

    upscaler = Eager(load_generator(name))
    # Wide enough for a tile that does not see the whole image: 116 + 96 < 232.
    image = middle(to_float(sample_photographs(["astronaut.png"])[0]), 232)[:, :160]
    difference = upscale(upscaler, image, 116) - whole(upscaler, image)
    assert float(difference.abs().max()) * 255 < 1


def test_a_network_of_spandrel_is_tiled(tmp_path, monkeypatch):
    monkeypatch.setattr("wildsr.networks.overlap.FOLDER", tmp_path)
    pytest.importorskip("spandrel")
    from spandrel.architectures.SPAN import SPAN

    torch.manual_seed(0)
    torch.save(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2).state_dict(), tmp_path / "a.pth")
    upscaler = Eager(load_generator(tmp_path / "a.pth"))
    image = torch.rand(3, 40, 150)
    assert torch.allclose(upscale(upscaler, image, 64), upscaler(image[None])[0], atol=1e-5)
