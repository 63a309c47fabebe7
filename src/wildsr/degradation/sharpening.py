"""Sharpen the photographs that a network learns from."""

# B batch, C = 1 or 3, H W image

from dataclasses import dataclass

import torch
from torch import Tensor

from wildsr.checks import check_integer, check_number, check_type
from wildsr.degradation.kernels import LIMITS, Blur
from wildsr.degradation.operations.blur import blur_image
from wildsr.degradation.tensors import LARGEST, in_float32


@dataclass(frozen=True)
class SharpenSpec:
    """Choice of images to sharpen, and the filter: radius and sigma in pixels, threshold in 8-bit levels."""

    source: bool = True  # LQ is made from the sharpened HQ
    target_pixel: bool = True
    target_perceptual: bool = True
    radius: int = 25  # 51 taps
    sigma: float = 8.0
    amount: float = 0.5
    threshold: float = 10.0

    def __post_init__(self) -> None:
        for key in ("source", "target_pixel", "target_perceptual"):
            check_type(self, key, bool)
        check_integer(self, "radius", 1, 25)
        check_number(self, "sigma", *LIMITS["sigma_x"])
        check_number(self, "amount", 0, 10)
        check_number(self, "threshold", 0, 255)


@in_float32
def sharpen(
    image: Tensor, radius: int = 25, sigma: float = 8.0, amount: float = 0.5, threshold: float = 10.0
) -> Tensor:
    """Sharpen (…, C, H, W) where the detail exceeds a threshold in 8-bit levels; radius and sigma are in pixels.

    detail = image - blurred; mask = |detail| > threshold, blurred likewise; the mask mixes the image with
    image + amount · detail, clipped to [0, 1]. The defaults are the released ones. A very large batch is divided, so
    that its memory is bounded.
    """
    if image.ndim == 4 and len(image) > 1 and image[:, 0].numel() > LARGEST:
        parts = image.split(max(LARGEST // image[0, 0].numel(), 1))
        return torch.cat([sharpen(part, radius, sigma, amount, threshold) for part in parts])
    gaussian = Blur("iso", 2 * radius + 1, sigma_x=sigma)
    lost = blur_image(image, gaussian).sub_(image)  # minus the detail
    mask = blur_image(lost.abs().gt_(threshold / 255), gaussian)
    return torch.lerp(image, torch.add(image, lost, alpha=-amount).clamp_(0, 1), mask)
