import pytest
import torch

from wildsr.apps.upscale.enlarging import (
    UpscaleOptions,
    enlarge,
    fill_transparent,
    fitting_tile,
    flatten,
    num_pixels,
    result_bytes,
    result_size,
)
from wildsr.apps.upscale.images.content import ImageContent
from wildsr.apps.upscale.images.metadata import Metadata
from wildsr.networks import CompactNet
from wildsr.networks.eager import Eager
from wildsr.networks.tiling import tile_side


@pytest.fixture
def upscaler():
    torch.manual_seed(0)
    return Eager(CompactNet(scale=2, features=4, convs=1).eval())


def test_the_result_has_the_networks_scale_and_keeps_the_rest(upscaler):
    metadata = Metadata(xmp=b"<x/>")
    large = enlarge(upscaler, ImageContent(torch.rand(3, 8, 10), None, 16, metadata), 64, UpscaleOptions())
    assert large.colour.shape == (3, 16, 20)
    assert large.alpha is None
    assert (large.bits, large.metadata) == (16, metadata)


@pytest.mark.parametrize("factor", [0.5, 1, 1.5, 2, 3.7, 8])
def test_any_factor_is_reached(upscaler, factor):
    picture = ImageContent(torch.rand(1, 31, 20), torch.rand(1, 31, 20))
    large = enlarge(upscaler, picture, 64, UpscaleOptions(factor))
    size = (round(31 * factor), round(20 * factor))
    assert large.colour.shape == (1, *size)
    assert large.alpha is not None and large.alpha.shape == (1, *size)
    assert 0 <= float(large.colour.min()) <= float(large.colour.max()) <= 1


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ({"width": 93}, (60, 93)),
        ({"height": 10}, (10, 16)),  # 31 * 10 / 20 = 15.5, rounded to even
        ({"width": 7, "height": 9}, (9, 7)),
        ({"max_side": 62}, (40, 62)),
        ({"max_side": 1}, (1, 1)),
    ],
)
def test_a_size_in_pixels_is_reached_exactly(upscaler, size, wanted):
    image, options = ImageContent(torch.rand(3, 20, 31)), UpscaleOptions(**size)
    assert result_size(2, image, options) == wanted
    assert enlarge(upscaler, image, 64, options).colour.shape == (3, *wanted)


def test_over_a_background_colours_count_by_their_alpha():
    colour, alpha = torch.tensor([1.0, 0.5, 0.25]).view(3, 1, 1), torch.tensor([[[0.0, 0.5, 1.0]]])
    flat = flatten(ImageContent(colour.expand(3, 1, 3), alpha), (0, 255, 0))
    assert flat.alpha is None
    assert torch.equal(flat.colour, torch.tensor([[[0, 0.5, 1]], [[1, 0.75, 0.5]], [[0, 0.125, 0.25]]]))


def test_grey_stays_grey_over_grey_alone():
    image = ImageContent(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2))
    assert flatten(image, (255, 255, 255)).colour.tolist() == [[[1, 1], [1, 1]]]
    assert flatten(image, (255, 0, 0)).colour[:, 0, 0].tolist() == [1, 0, 0]
    opaque = ImageContent(torch.zeros(1, 2, 2))
    assert flatten(opaque, (255, 0, 0)) is opaque


def test_a_factor_below_the_networks_is_its_result_made_smaller_by_lanczos(upscaler):
    # On a constant image Lanczos changes nothing; on a slope it keeps the slope.
    slope = torch.linspace(0, 1, 64).expand(3, 64, 64)
    upscaler.network = Nearest()
    large = enlarge(upscaler, ImageContent(slope), 64, UpscaleOptions(1))
    assert torch.allclose(large.colour[..., 4:-4], slope[..., 4:-4], atol=1e-3)


def test_alpha_passes_the_network_as_grey_or_is_interpolated(upscaler):
    picture = ImageContent(torch.rand(3, 12, 12), torch.rand(1, 12, 12))
    by_network = enlarge(upscaler, picture, 64, UpscaleOptions(alpha="network")).alpha
    as_grey = enlarge(upscaler, ImageContent(picture.alpha), 64, UpscaleOptions()).colour
    assert torch.equal(by_network, as_grey)
    smooth = enlarge(upscaler, picture, 64, UpscaleOptions(alpha="interpolate")).alpha
    assert smooth.shape == by_network.shape
    assert not torch.allclose(smooth, by_network, atol=0.01)
    assert num_pixels(picture, UpscaleOptions()) == 2 * 144
    assert num_pixels(picture, UpscaleOptions(alpha="interpolate")) == 144


def test_alpha_that_is_the_same_everywhere_stays_exactly_so(upscaler):
    picture = ImageContent(torch.rand(3, 12, 12), torch.ones(1, 12, 12))
    assert bool((enlarge(upscaler, picture, 64, UpscaleOptions()).alpha == 1).all())
    assert num_pixels(picture, UpscaleOptions()) == 144


@pytest.fixture
def rgba():
    torch.manual_seed(0)
    return Eager(CompactNet(scale=2, channels=4, features=4, convs=1).eval())


def by_hand(network, *planes):
    """What a network of four channels makes of the planes given, side by side."""
    with torch.inference_mode():
        return network(torch.cat(planes)[None])[0].clamp(0, 1)


def test_a_network_of_four_channels_sees_colour_and_alpha_together(rgba):
    picture = ImageContent(torch.rand(3, 12, 10), torch.rand(1, 12, 10))
    large, sr = enlarge(rgba, picture, 64, UpscaleOptions()), by_hand(rgba.network, picture.colour, picture.alpha)
    assert torch.allclose(large.colour, sr[:3], atol=1e-6)
    assert torch.allclose(large.alpha, sr[3:], atol=1e-6)
    assert num_pixels(picture, UpscaleOptions(), channels=4) == 120  # all of it at once
    interpolated = enlarge(rgba, picture, 64, UpscaleOptions(alpha="interpolate"))
    assert torch.equal(interpolated.colour, large.colour)
    assert not torch.allclose(interpolated.alpha, large.alpha, atol=0.01)


def test_a_network_of_four_channels_sees_what_has_no_alpha_as_opaque(rgba):
    colour, opaque = torch.rand(3, 12, 10), torch.ones(1, 12, 10)
    large, sr = enlarge(rgba, ImageContent(colour), 64, UpscaleOptions()), by_hand(rgba.network, colour, opaque)
    assert large.alpha is None
    assert torch.allclose(large.colour, sr[:3], atol=1e-6)
    kept = enlarge(rgba, ImageContent(colour, opaque), 64, UpscaleOptions())
    assert torch.allclose(kept.colour, sr[:3], atol=1e-6)
    assert bool((kept.alpha == 1).all())


def test_grey_stays_grey_in_a_network_of_four_channels(rgba):
    grey, alpha = torch.rand(1, 12, 10), torch.rand(1, 12, 10)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    for given, planes in ((alpha, alpha), (None, torch.ones_like(grey))):
        large = enlarge(rgba, ImageContent(grey, given), 64, UpscaleOptions())
        sr = by_hand(rgba.network, grey, grey, grey, planes)
        # Without alpha the luma is taken before what leaves [0, 1] is cut, as of networks of three channels.
        inside = (sr[:3] > 0).all(0) & (sr[:3] < 1).all(0)
        assert torch.allclose(large.colour[0][inside], (sr[:3] * weights).sum(0)[inside], atol=1e-6)
        assert (large.alpha is None) == (given is None)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_network_that_gives_no_numbers_is_said_to_be_damaged(upscaler, number):
    upscaler.network.body[-1].bias.data[0] = number
    with pytest.raises(ValueError, match="not finite; its weights are damaged"):
        enlarge(upscaler, ImageContent(torch.rand(3, 8, 8)), 64, UpscaleOptions())


def test_alpha_and_a_large_result_leave_less_memory_for_a_tile(upscaler, monkeypatch):
    monkeypatch.setattr("wildsr.apps.upscale.enlarging.free_memory", lambda device: 3 * 2**30)
    colour = torch.rand(3, 1800, 1800)

    def tile(picture, factor):
        return fitting_tile(upscaler, picture, UpscaleOptions(factor))

    free = 3 * 2**30 - 3 * 4 * 3 * 7200**2  # copies, bytes, channels
    assert tile(ImageContent(colour), 4) == tile_side(upscaler, 1800, 1800, free)
    assert tile(ImageContent(colour), 4) > tile(ImageContent(colour, torch.rand(1, 1800, 1800)), 4)


class Nearest(torch.nn.Module):
    def forward(self, lq):
        return lq.repeat_interleave(2, -1).repeat_interleave(2, -2)


def sprite(hidden, size=40):
    """A white disc with an edge of one pixel, on what is not seen."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    alpha = (size / 3 - torch.hypot(rows - size / 2, columns - size / 2) + 0.5).clamp(0, 1)[None]
    return ImageContent(torch.where(alpha > 0, torch.ones(3, size, size), hidden), alpha)


@pytest.mark.parametrize("tile", [64, 16])
@pytest.mark.parametrize("factor", [None, 1.5])
def test_no_seam_is_drawn_around_a_sprite_whatever_alpha_hides(upscaler, tile, factor):
    options = UpscaleOptions(factor, alpha="interpolate")
    white = enlarge(upscaler, sprite(torch.ones(3, 40, 40)), tile, options)
    assert float((white.alpha == 0).float().mean()) > 0.5
    for hidden in (torch.zeros(3, 40, 40), torch.rand(3, 40, 40)):
        large = enlarge(upscaler, sprite(hidden), tile, options)
        seen = (large.alpha * 255 >= 0.5).expand(3, -1, -1)
        assert torch.equal(large.alpha, white.alpha)
        assert torch.equal(large.colour[seen], white.colour[seen])


def test_what_alpha_hides_keeps_its_own_colours_in_the_result(upscaler):
    # Where alpha is another kind of map, as in textures of games, what it seems to hide is no rubbish.
    hidden = torch.linspace(0, 1, 40).expand(3, 40, 40)
    large = enlarge(upscaler, sprite(hidden), 64, UpscaleOptions(alpha="interpolate"))
    assert torch.allclose(large.colour[:, 5, 4:-4], torch.linspace(0, 1, 80)[4:-4].expand(3, 72), atol=0.01)
    assert not large.colour[:, large.alpha[0] == 0].eq(1).all()


def test_a_grey_sprite_in_a_network_of_four_channels_has_no_seam_either(rgba):
    black, white = (sprite(torch.full((3, 40, 40), level)) for level in (0.0, 1.0))
    first, second = (enlarge(rgba, ImageContent(p.colour[:1], p.alpha), 64, UpscaleOptions()) for p in (black, white))
    seen = second.alpha * 255 >= 0.5
    assert torch.equal(first.colour[seen], second.colour[seen])


def test_what_is_not_seen_takes_the_colour_of_the_nearest_pixel_that_is():
    colour = torch.tensor([[[0.0, 0.2, 0.7, 0.0, 0.0, 0.0, 0.9]]])
    alpha = torch.tensor([[[0.0, 1.0, 0.01, 0.0, 0.0, 0.0, 0.5]]])
    # In the middle both are two pixels away: either will do.
    filled = fill_transparent(colour, alpha)[0, 0].tolist()
    assert torch.tensor(filled[:4]).tolist() == torch.tensor([0.2, 0.2, 0.7, 0.7]).tolist()
    assert filled[5:] == torch.tensor([0.9, 0.9]).tolist()
    assert filled[4] in torch.tensor([0.7, 0.9]).tolist()


def test_all_channels_are_filled_from_one_pixel_across_rows():
    colour = torch.zeros(3, 3, 3)
    colour[:, 1, 1] = torch.tensor([0.1, 0.2, 0.3])
    alpha = torch.zeros(1, 3, 3)
    alpha[0, 1, 1] = 1
    assert torch.equal(fill_transparent(colour, alpha), torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1).expand(3, 3, 3))


def test_images_that_are_seen_all_over_or_nowhere_stay_what_they_are():
    colour = torch.rand(3, 4, 5)
    for alpha in (torch.full((1, 4, 5), 0.004), torch.zeros(1, 4, 5)):
        assert fill_transparent(colour, alpha) is colour


def test_a_result_larger_than_memory_is_refused_with_both_sizes():
    assert result_bytes(1000, 2000, 4, 2**30) == 3 * 4 * 4 * 2_000_000
    with pytest.raises(ValueError, match=r"100000 x 50000 pixels would take 167\.6 GB of memory; 8\.0 GB are free"):
        result_bytes(100_000, 50_000, 3, 8 * 2**30)
