"""Motion, defocus, halo, WebP and video: against formulas, against their codecs, and as they are drawn."""

import io
import logging
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Generator

from wildsr.data import sample_photographs
from wildsr.degradation import DegradationSpec, Recipe, Step, codecs, degrade
from wildsr.degradation.operations import (
    BUILT_IN,
    Defocus,
    DefocusSpec,
    DrawContext,
    Halo,
    HaloSpec,
    JpegSpec,
    KernelSpec,
    Motion,
    MotionSpec,
    NoiseSpec,
    ResizeSpec,
    Video,
    VideoSpec,
    Webp,
    WebpSpec,
    video,
)
from wildsr.degradation.spec import OrderSpec

PHOTO = sample_photographs(["coffee.png"])[0][:, 100:180, 200:290].float() / 255
CONTEXT = DrawContext(4, KernelSpec())
CODECS = ["h264", "h265", "mpeg2"]


def applied(operation, record, image=PHOTO):
    return operation.apply(image, record, Generator(), (20, 22))


def error(made, image=PHOTO):
    """The mean absolute difference in levels."""
    return (made - image).abs().mean().item() * 255


@pytest.mark.parametrize("record", [Motion(0, 0.3), Motion(1, 0), Motion(7.3, -0.4), Defocus(0), Defocus(2.2)], ids=str)
def test_a_kernel_sums_to_one_is_symmetric_and_has_the_size_it_says(record):
    kernel = record.render()
    assert kernel.shape == (record.size, record.size) and kernel.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.allclose(kernel, kernel.flip(0, 1), atol=1e-7) and kernel.min() >= 0


def test_motion_along_a_row_is_the_mean_of_what_lies_on_the_way():
    """Over one pixel, linear interpolation gives a half of the way 1/8 of each neighbour, and 3/4 of the middle."""
    assert torch.allclose(Motion(1, 0).render()[1], torch.tensor([1 / 8, 3 / 4, 1 / 8]), atol=1e-3)
    row = Motion(4, 0).render()
    assert torch.count_nonzero(row.sum(1)) == 1
    assert torch.allclose(row[2], torch.tensor([0.5, 1, 1, 1, 0.5]) / 4, atol=2e-3)
    assert torch.allclose(Motion(4, math.pi / 2).render(), row.T, atol=1e-6)


@pytest.mark.parametrize("theta", [-1.2, -0.5, 0.0, 0.7, 1.5])
@pytest.mark.parametrize("length", [3.0, 10.0, 31.5])
def test_motion_has_the_variance_of_its_way_along_it(length, theta):
    """That of a uniform position, L² / 12; interpolation adds at most 1/4 along each axis."""
    kernel = Motion(length, theta).render().double()
    y, x = (
        places.double() - kernel.shape[0] // 2
        for places in torch.meshgrid(*[torch.arange(len(kernel))] * 2, indexing="ij")
    )
    along, across = math.cos(theta) * x + math.sin(theta) * y, math.cos(theta) * y - math.sin(theta) * x
    assert 0 <= (kernel * along**2).sum() - length**2 / 12 < 0.26
    assert (kernel * across**2).sum() < 0.26


@pytest.mark.parametrize("radius", [1.0, 2.5, 4.0, 12.3])
def test_defocus_is_a_disc_of_its_radius(radius):
    kernel = Defocus(radius).render().double()
    assert 1 / kernel.max().item() == pytest.approx(math.pi * radius**2, rel=0.12 / radius + 0.02)  # its area
    distance = torch.hypot(*(places.double() - kernel.shape[0] // 2 for places in
                             torch.meshgrid(*[torch.arange(len(kernel))] * 2, indexing="ij")))  # fmt: skip
    assert (kernel[distance > radius + 0.5] == 0).all()
    assert torch.allclose(kernel[distance < radius - 0.5], kernel.max())


def test_defocus_of_half_a_pixel_and_motion_of_none_are_the_identity():
    for operation, record in ((DefocusSpec, Defocus(0.5)), (MotionSpec, Motion(0, 1.0))):
        assert torch.equal(applied(operation, record), PHOTO)


@pytest.mark.parametrize("record", [Motion(6.5, 0.4), Defocus(3.3)], ids=str)
def test_motion_and_defocus_are_a_correlation_with_a_mirrored_border(record):
    operation = MotionSpec if isinstance(record, Motion) else DefocusSpec
    expected = [ndimage.correlate(plane.double(), record.render().double(), mode="mirror") for plane in PHOTO]
    np.testing.assert_allclose(applied(operation, record), expected, rtol=0, atol=1e-5)


def test_a_halo_is_its_kernel_clipped():
    record = Halo(1.7, 1.3)
    kernel = record.render().double()
    expected = np.stack([ndimage.correlate(plane.double(), kernel, mode="mirror") for plane in PHOTO])
    np.testing.assert_allclose(applied(HaloSpec, record), expected.clip(0, 1), rtol=0, atol=1e-5)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-5)


def test_a_halo_overshoots_an_edge_on_both_sides_and_leaves_flat_areas():
    edge = torch.where(torch.arange(61) > 30, 0.6, 0.4).expand(3, 40, 61)
    made = applied(HaloSpec, Halo(2.0, 1.0), edge)
    # Beside the edge the Gaussian has lost half of its height, less half of the pixel in the middle.
    share = 0.5 * (1 - math.erf(0.5 / (2 * math.sqrt(2))))
    assert made.max().item() == pytest.approx(0.6 + 0.2 * share, abs=0.002)
    assert made.min().item() == pytest.approx(0.4 - 0.2 * share, abs=0.002)
    assert torch.allclose(made[..., :20], edge[..., :20], atol=1e-4)
    bright = applied(HaloSpec, Halo(2.0, 10.0), edge)
    assert bright.min() == 0 and bright.max() == 1


def test_webp_is_pillows_bytes():
    file = io.BytesIO()
    levels = (PHOTO * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(file, "WEBP", quality=40)
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
    assert torch.equal((applied(WebpSpec, Webp(40)) * 255).round(), expected.float())


@pytest.mark.parametrize(
    "make", [Webp, *(lambda n, codec=codec: Video(codec, 32 - n // 4, 3, 1.0, 0.5) for codec in CODECS)]
)
def test_the_better_the_quality_the_nearer_to_the_image(make):
    operation = WebpSpec if make is Webp else VideoSpec
    errors = [error(applied(operation, make(quality))) for quality in (10, 60, 100)]
    assert errors[0] > errors[1] > errors[2] > 0.3


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@pytest.mark.parametrize("codec", CODECS)
def test_the_frame_that_a_video_keeps_lies_on_the_image(codec, frames):
    made = applied(VideoSpec, Video(codec, 1, frames, 1.3, -0.7))
    assert error(made) < 2.6  # what a quarter of the colours costs here
    for move in ((0, 1), (1, 0), (-1, 0), (0, -1)):
        assert error(made.roll(move, (1, 2))) > 3.5


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("colour", [(160, 20, 10), (10, 200, 30), (20, 30, 220), (0, 0, 0), (255, 255, 255)])
def test_a_video_keeps_a_flat_colour(codec, colour):
    flat = (torch.tensor(colour).float() / 255)[:, None, None].expand(3, 40, 50)
    assert (applied(VideoSpec, Video(codec, 25, 3, 1.0, 1.0), flat) - flat).abs().max() * 255 < 2.1


def test_the_frames_of_a_clip_are_moved_by_its_speed():
    """A clip of bright columns at 30: two pixels a frame to the right move the crop, hence the column to the left."""
    image = np.zeros((90, 100, 3), np.uint8)
    image[:, 30] = 200
    clip = video.clip_of(image, Video("h264", 20, 5, 2.0, 0.0))
    assert [frame[0, :, 0].argmax() for frame in clip] == [34, 32, 30, 28, 26]
    assert np.array_equal(clip[2], image)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (67, 131)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", CODECS)
def test_any_size_and_grey_pass_a_codec(codec, channels, shape):
    image = torch.rand(channels, *shape, generator=Generator().manual_seed(0))
    for operation, record in ((VideoSpec, Video(codec, 20, 3, 1.5, 0.0)), (WebpSpec, Webp(50))):
        made = applied(operation, record, image)
        assert made.shape == image.shape and torch.equal(made, applied(operation, record, image))
        assert torch.equal((made * 255).round() / 255, made)


@pytest.mark.parametrize(("codec", "side"), [("h264", 90), ("h265", 40)])
def test_a_codec_gives_the_same_bits_at_every_call_whatever_memory_holds(codec, side):
    """Both encoders read memory that nobody wrote: x264 in its tree, x265 where a side is a single coding unit."""
    generator = Generator().manual_seed(0)
    for number in range(25):
        image, made = torch.rand(3, side - 2 * (number % 5), side, generator=generator), []
        for _ in range(2):
            torch.rand(20_000 * (number + 1))
            made.append(applied(VideoSpec, Video(codec, 20 + number % 9, 3 + number % 3, 1.3, -0.4), image))
        assert torch.equal(*made)


def test_no_bit_depends_on_the_number_of_threads():
    image = torch.rand(3, 150, 151, generator=Generator().manual_seed(0))
    records = [(MotionSpec, Motion(9, 0.4)), (DefocusSpec, Defocus(3)), (HaloSpec, Halo(2, 1)), (WebpSpec, Webp(50)),
               *((VideoSpec, Video(codec, 25, 4, 0.6, 0.9)) for codec in CODECS)]  # fmt: skip
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append([applied(operation, record, image) for operation, record in records])
    torch.set_num_threads(1)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


def test_words():
    words = {
        Motion(5.04, -0.785): "motion 5.0 px at -45°",
        Defocus(2.25): "defocus 2.2 px",
        Halo(1.5, 0.8): "halo 1.5 px ×0.80",
        Webp(40): "WebP 40",
        Video("h264", 23, 1, 1.0, 0.0): "H.264 CRF 23 key frame",
        Video("h265", 30, 5, 0.6, 0.8): "H.265 CRF 30 5 frames at 1.0 px",
        Video("mpeg2", 8, 2, 0.0, 0.0): "MPEG-2 quantiser 8 2 frames at 0.0 px",
        JpegSpec.Record(50): "JPEG 50",
        JpegSpec.Record(50, "4:4:4"): "JPEG 50 4:4:4",
    }
    assert {record: record.describe() for record in words} == words


# -- draws


def numbers_taken(operation, expected):
    """Whether a draw leaves the generator where these draws leave it."""
    rngs = [np.random.default_rng(3) for _ in range(2)]
    operation.draw(rngs[0], CONTEXT)
    for draw in expected:
        draw(rngs[1])
    return rngs[0].random() == rngs[1].random()


def uniform(rng):
    rng.random()


def test_what_always_happens_takes_no_random_number_for_it():
    def quality(rng):
        rng.integers(30, 95, endpoint=True)

    assert numbers_taken(JpegSpec(), [quality])
    assert numbers_taken(JpegSpec(subsampling=["4:4:4"]), [quality])
    assert numbers_taken(
        JpegSpec(subsampling=["4:4:4", "4:2:0"]), [quality, lambda rng: rng.integers(0, 1, endpoint=True)]
    )
    assert numbers_taken(JpegSpec(prob=0), [uniform])
    assert numbers_taken(JpegSpec(prob=0.999), [uniform, quality])
    assert numbers_taken(NoiseSpec(), [uniform] * 3) and numbers_taken(NoiseSpec(prob=0.999), [uniform] * 4)
    assert numbers_taken(MotionSpec(), [uniform] * 2) and numbers_taken(MotionSpec(prob=0.999), [uniform] * 3)


@pytest.mark.parametrize("operation", [*(kind for kind in BUILT_IN if kind.name != "sinc")], ids=lambda kind: kind.name)
def test_an_operation_takes_part_as_often_as_prob_says(operation):
    rng = np.random.default_rng(0)
    for prob in (0, 0.3, 1):
        drawn = [operation(prob=prob).draw(rng, CONTEXT) is not None for _ in range(2000)]
        assert sum(drawn) / 2000 == pytest.approx(prob, abs=5 * math.sqrt(prob * (1 - prob) / 2000))


def test_codecs_and_subsamplings_are_drawn_as_often_as_they_say():
    rng = np.random.default_rng(0)
    spec = VideoSpec(h264=1, h265=0, mpeg2=3, frames=[2, 3], speed=[1, 1])
    drawn = [spec.draw(rng, CONTEXT) for _ in range(2000)]
    assert sum(record.codec == "mpeg2" for record in drawn) / 2000 == pytest.approx(0.75, abs=0.05)
    assert {record.codec for record in drawn} == {"h264", "mpeg2"} and {record.frames for record in drawn} == {2, 3}
    assert all(math.hypot(record.speed_x, record.speed_y) == pytest.approx(1) for record in drawn)
    assert {record.crf for record in drawn if record.codec == "h264"} == set(range(18, 35))
    jpegs = [JpegSpec(subsampling=["4:4:4", "4:2:2", "4:2:0"]).draw(rng, CONTEXT).subsampling for _ in range(3000)]
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        assert jpegs.count(subsampling) / 3000 == pytest.approx(1 / 3, abs=0.05)


REFUSED = [
    (lambda: MotionSpec(length=(0, 51)), "length: given 51, wanted a number from 0 to 50"),
    (lambda: Motion(5, 2.0), "theta: given 2.0, wanted a number from -1.5708 to 1.5708"),
    (lambda: DefocusSpec(radius=(-1, 2)), "radius: given -1, wanted a number from 0 to 25"),
    (lambda: HaloSpec(radius=(0, 1)), "radius: given 0, wanted a number from 0.1 to 8"),
    (lambda: Halo(1, 11), "strength: given 11, wanted a number from 0 to 10"),
    (lambda: WebpSpec(quality=(30, 101)), "quality: given 101, wanted a whole number from 0 to 100"),
    (lambda: Webp(50, 3), "build: given 3, wanted a text, or nothing"),
    (lambda: VideoSpec(h264=0, h265=0, mpeg2=0), "h264, h265, mpeg2: given [0, 0, 0], wanted a weight above 0"),
    (lambda: VideoSpec(mpeg2_crf=(2, 32)), "mpeg2_crf: given 32, wanted a whole number from 1 to 31"),
    (lambda: VideoSpec(frames=(0, 2)), "frames: given 0, wanted a whole number from 1 to 16"),
    (lambda: VideoSpec(speed=(0, 17)), "speed: given 17, wanted a number from 0 to 16"),
    (lambda: Video("av1", 20, 1, 0, 0), "codec: given 'av1'; choose from h264, h265, mpeg2"),
    (lambda: Video("mpeg2", 40, 1, 0, 0), "crf: given 40, wanted a whole number from 1 to 31"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_impossible_is_refused_in_one_line(number):
    make, message = REFUSED[number]
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


# -- builds, and where they are computed


def recipe_of(operation, record):
    return Recipe(1, 0, [Step("first", operation, record)])


def test_a_recipe_records_the_build_of_its_codec_and_replay_says_once_when_it_is_another(caplog):
    rng = np.random.default_rng(0)
    webp, clip = WebpSpec().draw(rng, CONTEXT), VideoSpec().draw(rng, CONTEXT)
    assert webp.build.startswith("libwebp 1.") and clip.build.startswith("PyAV 18.")
    codecs.compare_builds.cache_clear()
    with caplog.at_level(logging.WARNING):
        for record in (webp, Webp(webp.quality)):
            degrade(PHOTO, recipe_of(WebpSpec, record))
        assert not caplog.messages
        other = Recipe.from_json(recipe_of(WebpSpec, Webp(50, "libwebp 0.1")).to_json())
        assert torch.equal(degrade(PHOTO, other), degrade(PHOTO, recipe_of(WebpSpec, Webp(50))))
        degrade(PHOTO, other)
    assert caplog.messages == [f"a recipe was made with libwebp 0.1, here is {webp.build}: its pixels may differ"]


def test_without_pyav_video_is_one_line_that_names_it(monkeypatch):
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    for attempt in (VideoSpec, lambda: applied(VideoSpec, Video("h264", 20, 1, 0, 0))):
        with pytest.raises(ValueError) as caught:
            attempt()
        assert str(caught.value) == "the operation video needs PyAV; pip install 'wildsr[video]'"


def test_a_spec_says_what_runs_on_the_cpu():
    assert DegradationSpec().on_cpu == []
    keep = ResizeSpec(up=0, down=0, keep=1, relative_to="final")
    spec = DegradationSpec(first=OrderSpec(resize=keep, video=VideoSpec(), webp=WebpSpec()), second=None, final=None)
    assert spec.on_cpu == ["video", "webp"]
    fixed = DegradationSpec(fixed_recipe=spec.draw(np.random.default_rng(0)))
    assert fixed.on_cpu == ["video", "webp"]
    assert DegradationSpec(fixed_recipe=DegradationSpec().draw(np.random.default_rng(0)), **spec.orders).on_cpu == []
