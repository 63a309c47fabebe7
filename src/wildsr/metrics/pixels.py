"""Pixels that every figure is measured on: 8-bit levels, the luma of super-resolution papers, and MATLAB's rgb2gray."""

# B batch, C = 1 or 3, H W image; levels are (B, C, H, W) float64, whole numbers in [0, 255]

from torch import Tensor

from wildsr.io import UserError

# 1000 x the luma weights of ITU-R BT.601 in studio range (MATLAB's rgb2ycbcr): 65.481, 128.553, 24.966.
_LUMA_WEIGHTS = (65481.0, 128553.0, 24966.0)
# MATLAB's rgb2gray: the first row of the inverse of NTSC's YIQ matrix, so ITU-R BT.601 in full range; sum 1.
_GREY_WEIGHTS = (0.298936021293775, 0.587043074451121, 0.114020904255103)


def to_levels(images: Tensor, border: int = 0) -> Tensor:
    """Round images in [0, 1] to the 8-bit levels a file would hold, without their outermost pixels.

    The work goes on in float64, since the squares of SSIM and NIQE cancel too much for float32.

    Args:
        images: (B, C, H, W) or (C, H, W) float; values outside [0, 1] are clamped, as on saving.
        border: pixels to cut off each side.

    Returns:
        (B, C, H - 2 border, W - 2 border) float64, whole numbers in [0, 255]; NaN stays NaN. On the device of
        `images`, or on the CPU where that device has no float64.

    Raises:
        ValueError: the images are not floating point, or not of this shape.
        UserError: the border leaves nothing.
    """
    if not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}; wanted floating point in [0, 1]")
    if images.ndim not in (3, 4) or images.shape[-3] not in (1, 3):
        shape = tuple(images.shape)
        raise ValueError(f"images have shape {shape}; wanted (B, C, H, W) or (C, H, W) with C = 1 or 3")
    height, width = images.shape[-2:]
    if border < 0 or min(height, width) <= 2 * border:
        raise UserError(f"a border of {border} px leaves nothing of {height} x {width} px")
    # Apple's GPUs have no float64.
    device = "cpu" if images.device.type == "mps" else images.device
    inside = images[..., border : height - border, border : width - border].detach().to(device)
    return inside.double().clamp(0, 1).mul(255).round().reshape(-1, *inside.shape[-3:])


def pair_levels(sr: Tensor, hq: Tensor, border: int) -> tuple[Tensor, Tensor]:
    """Return the levels of two images, as `to_levels`. Raises: ValueError: their shapes differ."""
    if sr.shape != hq.shape:
        raise ValueError(f"sr is {tuple(sr.shape)} and hq is {tuple(hq.shape)}; wanted the same shape")
    return to_levels(sr, border), to_levels(hq, border)


def luma(levels: Tensor) -> Tensor:
    """Return Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 of 8-bit levels, (B, 1, H, W), not rounded; in [16, 235].

    A grey image is its own luma.
    """
    # Whole weights: the sum is exact, so every device rounds the quotient alike.
    return levels if levels.shape[1] == 1 else _weighted_sum(levels, _LUMA_WEIGHTS) / 255_000 + 16


def rgb2gray(levels: Tensor) -> Tensor:
    """Return 0.2989 R + 0.5870 G + 0.1140 B of 8-bit levels, (B, 1, H, W), not rounded; in [0, 255].

    A grey image stays itself.
    """
    return levels if levels.shape[1] == 1 else _weighted_sum(levels, _GREY_WEIGHTS)


def _weighted_sum(levels: Tensor, weights: tuple[float, float, float]) -> Tensor:
    return (levels * levels.new_tensor(weights).view(1, 3, 1, 1)).sum(1, keepdim=True)
