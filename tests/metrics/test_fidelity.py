"""PSNR and SSIM against the reference's figures and against figures computed by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from wildsr.metrics import PSNR, SSIM

# From the reference implementation, float32: bicubic x4 round trips by Pillow, 4 px cropped.
GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics.json").read_text())


def to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255


def photograph_and_round_trip(name: str) -> tuple[Tensor, Tensor]:
    """The whole image, not cropped to a multiple of 4, as the reference figures were made."""
    pixels = getattr(skimage.data, name)()
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize((width // 4, height // 4), Image.Resampling.BICUBIC)
    back = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    return to_tensor(pixels), to_tensor(back)


def flat(level: float, channels: int = 3, side: int = 16) -> Tensor:
    return torch.full((1, channels, side, side), level / 255)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("channels", ["y", "rgb"])
def test_psnr_and_ssim_are_the_references(name: str, channels: str) -> None:
    hq, sr = photograph_and_round_trip(name)
    wanted = GOLDEN[name]["bicubic_x4"]
    assert PSNR(channels, border=4)(sr, hq).item() == pytest.approx(wanted[f"psnr_{channels}_crop4"], abs=1e-5)
    assert SSIM(channels, border=4)(sr, hq).item() == pytest.approx(wanted[f"ssim_{channels}_crop4"], abs=1e-6)


def test_psnr_of_a_constant_error_is_its_level_in_db() -> None:
    assert PSNR("rgb")(flat(100), flat(110)).item() == pytest.approx(20 * math.log10(255 / 10), abs=1e-5)


def test_white_and_black_are_219_levels_of_luma_apart() -> None:
    assert PSNR("y")(flat(255), flat(0)).item() == pytest.approx(20 * math.log10(255 / 219), abs=1e-5)


def test_luma_weights_are_those_of_bt601() -> None:
    black = flat(0)
    for channel, weight in enumerate((65.481, 128.553, 24.966)):
        primary = black.clone()
        primary[:, channel] = 1
        assert PSNR("y")(primary, black).item() == pytest.approx(20 * math.log10(255 / weight), abs=1e-5)


def test_psnr_is_the_mean_over_images_and_not_of_the_pooled_error() -> None:
    metric = PSNR("rgb")
    metric.update(torch.cat([flat(1), flat(100)]), torch.cat([flat(0), flat(0)]))
    metric.update(flat(10), flat(0))
    each = [20 * math.log10(255 / error) for error in (1, 100, 10)]
    assert metric.compute().item() == pytest.approx(sum(each) / 3, abs=1e-5)


def test_equal_images_have_infinite_psnr_and_ssim_1() -> None:
    image = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert PSNR()(image, image).item() == math.inf
    assert SSIM()(image, image).item() == pytest.approx(1, abs=1e-7)


def test_a_mean_leaves_out_equal_images_and_counts_them() -> None:
    metric = PSNR("rgb")
    metric.update(torch.cat([flat(1), flat(0), flat(10)]), flat(0).repeat(3, 1, 1, 1))
    assert metric.compute().item() == pytest.approx(sum(20 * math.log10(255 / error) for error in (1, 10)) / 2)
    assert metric.left_out == 1
    metric.reset()
    assert metric(flat(1), flat(0)).item() == pytest.approx(20 * math.log10(255))
    assert metric.left_out == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_of_flat_images_is_its_luminance_term(channels: int) -> None:
    # (2 a b + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2; the contrast term is 1.
    a, b, c1 = 100, 120, 2.55**2
    wanted = (2 * a * b + c1) / (a**2 + b**2 + c1)
    assert SSIM("rgb")(flat(a, channels), flat(b, channels)).item() == pytest.approx(wanted, abs=1e-6)


def test_the_border_is_not_looked_at() -> None:
    hq = flat(100)
    sr = hq.clone()
    sr[..., :4, :], sr[..., -4:, :], sr[..., :4], sr[..., -4:] = 0, 0, 0, 0
    assert PSNR("rgb", border=4)(sr, hq).item() == math.inf
    assert PSNR("rgb", border=3)(sr, hq).item() < 20


def test_images_are_compared_as_the_files_would_be() -> None:
    hq = flat(100)
    assert PSNR("rgb")(hq + 0.4 / 255, hq).item() == math.inf
    assert PSNR("rgb")(hq + 0.6 / 255, hq).item() == pytest.approx(20 * math.log10(255), abs=1e-5)
    assert PSNR("rgb")(flat(300), flat(255)).item() == math.inf


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_of_a_grey_image_both_choices_are_that_channel(metric: type) -> None:
    sr, hq = torch.rand(2, 1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert metric("y")(sr, hq).item() == metric("rgb")(sr, hq).item()
    assert PSNR("y")(flat(0, channels=1), flat(10, channels=1)).item() == pytest.approx(28.1308, abs=1e-4)


@pytest.mark.parametrize(
    ("sr", "hq", "border", "message"),
    [
        (torch.zeros(3, 16, 16), torch.zeros(3, 16, 20), 0, r"\(3, 16, 16\).*\(3, 16, 20\).*same shape"),
        (torch.zeros(3, 16, 16), torch.zeros(3, 16, 16), 8, "border of 8 px leaves nothing of 16 x 16"),
        (torch.zeros(2, 16, 16), torch.zeros(2, 16, 16), 0, r"\(2, 16, 16\); wanted"),
        (torch.zeros(3, 16, 16, dtype=torch.uint8), torch.zeros(3, 16, 16, dtype=torch.uint8), 0, "uint8"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(sr: Tensor, hq: Tensor, border: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PSNR(border=border)(sr, hq)


def test_ssim_refuses_images_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match="10 x 10 px inside the border; wanted at least 11 px"):
        SSIM(border=3)(flat(0), flat(0))


def test_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="'lab'; choose from y, rgb"):
        PSNR("lab")  # type: ignore[arg-type]
