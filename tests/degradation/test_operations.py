"""Operations against golden figures, other libraries and their formulas."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import Generator

from wildsr.degradation import render_kernel, sharpen, sharpening
from wildsr.degradation.operations import Blur, Noise
from wildsr.degradation.operations.blur import blur_image, correlate, correlate_by_kornia
from wildsr.degradation.operations.noise import add_noise
from wildsr.degradation.operations.resize import MODES, resize_image

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "filters.npz")
IMAGES = torch.from_numpy(GOLDEN["image"]).permute(0, 3, 1, 2).float() / 255
BLURS = [
    Blur("iso", 7, sigma_x=0.8),
    Blur("iso", 21, sigma_x=2.5),
    Blur("aniso", 13, sigma_x=3.0, sigma_y=0.4, theta=0.6),
    Blur("plateau_aniso", 21, sigma_x=2.0, sigma_y=1.0, theta=-2.0, beta=1.5),
    Blur("sinc", 9, cutoff=1.2),
    Blur("sinc", 51, cutoff=0.7),
]


def test_blurring_equals_the_golden_figures():
    for image, kernel, expected in zip(IMAGES, GOLDEN["kernel"], GOLDEN["blurred"], strict=True):
        found = correlate(image, torch.from_numpy(kernel).float())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel", BLURS, ids=lambda blur: f"{blur.kind}-{blur.size}")
@pytest.mark.parametrize("shape", [(3, 37, 41), (1, 64, 64), (3, 16, 9), (1, 5, 3), (3, 2, 1), (3, 1, 1)])
def test_the_border_mirrors_again_and_again_however_small_the_image(kernel, shape):
    image = torch.rand(shape, generator=Generator().manual_seed(0))
    rendered = render_kernel(kernel)
    expected = [ndimage.correlate(plane.double(), rendered.double(), mode="mirror") for plane in image]
    for found in (blur_image(image, kernel), correlate(image, rendered), correlate_by_kornia(image, rendered)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_large_batch_is_sharpened_in_parts(monkeypatch):
    images, sizes = torch.cat((IMAGES, IMAGES.flip(3))), []
    expected, real = sharpen(images, threshold=4.0), sharpening.blur_image

    def counted(image, kernel):
        sizes.append(len(image))
        return real(image, kernel)

    monkeypatch.setattr(sharpening, "blur_image", counted)
    monkeypatch.setattr(sharpening, "LARGEST", 2 * images[0, 0].numel() + 1)
    assert torch.equal(sharpen(images, threshold=4.0), expected)
    assert max(sizes) == 2 and sum(sizes) == 2 * len(images)


def test_sharpening_equals_the_golden_figures():
    difference = (sharpen(IMAGES) - torch.from_numpy(GOLDEN["usm"])).abs()
    assert difference.max() < 1e-3
    assert difference.mean() < 1e-5


def test_sharpening_leaves_a_flat_image_and_stays_in_range():
    assert torch.allclose(sharpen(torch.full((3, 40, 40), 0.3)), torch.tensor(0.3), atol=1e-6)
    sharp = sharpen(IMAGES)
    assert sharp.min() >= 0 and sharp.max() <= 1


INTERPOLATED = [mode for mode in MODES if mode != "lanczos"]


@pytest.mark.parametrize("mode", INTERPOLATED)
@pytest.mark.parametrize("size", [(48, 200), (7, 9), (1, 1), (97, 113)])
def test_resizing_equals_interpolate(mode, size):
    antialias = mode == "bicubic_antialias"
    expected = F.interpolate(IMAGES, size, mode="bicubic" if antialias else mode, antialias=antialias)
    np.testing.assert_allclose(resize_image(IMAGES, size, mode), expected, rtol=0, atol=3e-6)
    assert resize_image(IMAGES, (96, 112), mode) is IMAGES


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(INTERPOLATED), *(st.integers(1, 90) for _ in range(4)))
def test_resizing_equals_interpolate_for_any_two_sizes(mode, height, width, tall, wide):
    image = IMAGES[0, :, :height, :width]
    antialias = mode == "bicubic_antialias"
    modes = {"mode": "bicubic" if antialias else mode, "antialias": antialias}
    expected = F.interpolate(image[None], (tall, wide), **modes)[0]
    np.testing.assert_allclose(resize_image(image, (tall, wide), mode), expected, rtol=0, atol=3e-6)


@settings(max_examples=150, deadline=None)
@given(*(st.integers(1, 90) for _ in range(4)))
def test_lanczos_equals_pillows_on_floats_for_any_two_sizes(height, width, tall, wide):
    """Not torch's, which is wrong where a side has one pixel."""
    image = IMAGES[0, :, :height, :width]
    planes = [Image.fromarray(plane.numpy(), mode="F") for plane in image]
    expected = np.stack([plane.resize((wide, tall), Image.Resampling.LANCZOS) for plane in planes])
    np.testing.assert_allclose(resize_image(image, (tall, wide), "lanczos"), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(24, 28), (61, 40), (96, 50), (150, 230)])
def test_lanczos_is_within_a_level_of_pillows_where_its_bytes_do_not_clip_between_the_two_passes(size):
    levels = (GOLDEN["image"][0] * 0.6 + 50).astype(np.uint8)
    expected = np.asarray(Image.fromarray(levels).resize(size[::-1], Image.Resampling.LANCZOS)).astype(int)
    found = resize_image(torch.from_numpy(levels).permute(2, 0, 1).float() / 255, size, "lanczos") * 255
    assert np.abs(found.round().permute(1, 2, 0).numpy() - expected).max() <= 1


def test_sinc_and_bicubic_may_leave_the_range_and_noise_clips():
    step = (torch.arange(32) > 15).float().expand(3, 32, 32)
    for image in (blur_image(step, Blur("sinc", 21, cutoff=1.0)), resize_image(step, (50, 50), "bicubic")):
        assert image.min() < -0.01 and image.max() > 1.01
        noisy = add_noise(image, Noise("gaussian", 0.0, False), Generator())
        assert torch.equal(noisy, image.clamp(0, 1))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("sigma", [3.0, 12.0, 25.0])
def test_gaussian_noise_has_mean_zero_and_the_sigma_it_says(sigma, grey):
    image = torch.full((3, 300, 300), 0.5)
    noise = add_noise(image, Noise("gaussian", sigma, grey), Generator().manual_seed(1)).double() - 0.5
    drawn = 90_000 if grey else 270_000
    assert noise.mean().item() == pytest.approx(0, abs=4 * sigma / 255 / drawn**0.5)
    assert noise.std().item() == pytest.approx(sigma / 255, rel=4 / (2 * drawn) ** 0.5)


@pytest.mark.parametrize("grey", [False, True])
def test_poisson_noise_has_mean_zero_and_variance_scale_squared_x_over_v(grey):
    columns = (torch.arange(8) * 8 + 100).repeat_interleave(40) / 255  # eight levels: V = 8
    image = columns.expand(3, 320, 320)
    noise = add_noise(image, Noise("poisson", 0.5, grey), Generator().manual_seed(1)).double() - image
    luma = columns * (0.2989 + 0.587 + 0.114)
    for start in range(0, 320, 40):
        x = ((luma if grey else columns)[start] * 255).round().item() / 255
        part = noise[:, :, start : start + 40]
        variance = 0.25 * x / 8
        drawn = 12_800 if grey else 38_400
        assert part.mean().item() == pytest.approx(0, abs=5 * (variance / drawn) ** 0.5)
        assert part.var().item() == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_grey_noise_is_equal_across_channels_and_colour_noise_is_not(kind):
    image = torch.full((3, 64, 64), 0.5) + torch.tensor([0.0, 0.1, -0.1])[:, None, None]
    for grey in (True, False):
        noise = add_noise(image, Noise(kind, 0.02, grey), Generator().manual_seed(0)) - image
        assert torch.allclose(noise[0], noise[1], atol=1e-6) == grey
        assert torch.allclose(noise[0], noise[2], atol=1e-6) == grey


def test_a_batch_is_its_images_one_by_one():
    for kernel in BLURS:
        assert torch.equal(blur_image(IMAGES, kernel)[1], blur_image(IMAGES[1], kernel))
    assert torch.equal(sharpen(IMAGES)[1], sharpen(IMAGES[1]))
    for mode in MODES:
        assert torch.equal(resize_image(IMAGES, (50, 60), mode)[1], resize_image(IMAGES[1], (50, 60), mode))


def test_float32_whatever_autocast_and_the_image_say():
    for operation in (sharpen, lambda x: blur_image(x, BLURS[2]), lambda x: resize_image(x, (30, 30), "bicubic")):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = operation(IMAGES)
        assert torch.equal(found, operation(IMAGES))
        assert operation(IMAGES.double()).dtype == torch.float32


def test_no_bit_depends_on_the_number_of_threads():
    image = torch.rand(3, 300, 301, generator=Generator().manual_seed(0))
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append([sharpen(image), *(blur_image(image, kernel) for kernel in BLURS)])
        results[-1] += [resize_image(image, size, mode) for mode in MODES for size in ((100, 99), (400, 411))]
        noises = [Noise(kind, 2.0, grey) for kind in ("gaussian", "poisson") for grey in (True, False)]
        results[-1] += [add_noise(image, noise, Generator().manual_seed(0)) for noise in noises]
    torch.set_num_threads(1)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))
