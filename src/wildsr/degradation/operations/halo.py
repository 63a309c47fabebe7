"""Sharpen too much: bright and dark lines beside every edge, as editors, scanners and televisions leave them."""

# C = 1 or 3, H W image, k kernel side (odd);  n images on a canvas S T

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_number, check_range
from wildsr.degradation import draws
from wildsr.degradation.batched.form import BatchStep
from wildsr.degradation.kernels import Blur, render_kernel
from wildsr.degradation.operations.blur import BlurBatch, blur_image
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.tensors import in_float32

RADII = (0.1, 8)  # pixels, of the Gaussian's sigma: what editors call the radius
STRENGTHS = (0, 10)


@dataclass(frozen=True)
class Halo:
    """An unsharp mask; radius, the Gaussian's sigma, in pixels, strength in times the detail."""

    radius: float
    strength: float

    def __post_init__(self) -> None:
        check_number(self, "radius", *RADII)
        check_number(self, "strength", *STRENGTHS)

    @property
    def blur(self) -> Blur:
        """Return the Gaussian, three sigmas to each side."""
        return Blur("iso", 2 * math.ceil(3 * self.radius) + 1, sigma_x=self.radius)

    def describe(self) -> str:
        """Return the sharpening in words."""
        return f"halo {self.radius:.1f} px ×{self.strength:.2f}"

    @property
    def size(self) -> int:
        """Return the kernel's side in pixels."""
        return self.blur.size

    def render(self) -> Tensor:
        """Render the kernel, of which the result is clipped: (k, k) float32 on the CPU. Sums to 1."""
        kernel = render_kernel(self.blur) * -self.strength
        kernel[self.size // 2, self.size // 2] += 1 + self.strength
        return kernel


class HaloBatch:
    """Correlate with kernels that overshoot, and clip to [0, 1]."""

    operators: ClassVar[int] = 4
    key = staticmethod(BlurBatch.key)
    tables = staticmethod(BlurBatch.tables)

    @staticmethod
    def apply(
        images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> Tensor:
        return BlurBatch.apply(images, step, tables, generators).clamp_(0, 1)


@dataclass(frozen=True)
class HaloSpec:
    """Over-sharpen with probability `prob`; radius, the Gaussian's sigma, in pixels, strength in times the detail."""

    name: ClassVar[str] = "halo"
    Record: ClassVar[type] = Halo
    batched: ClassVar[type] = HaloBatch
    prob: float = 1.0
    radius: Sequence[float] = (0.5, 2.5)
    strength: Sequence[float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_range(self, "radius", *RADII)
        check_range(self, "strength", *STRENGTHS)

    def draw(self, rng: Generator, context: DrawContext) -> Halo | None:
        if not draws.happens(rng, self.prob):
            return None
        return Halo(draws.uniform(rng, self.radius), draws.uniform(rng, self.strength))

    @staticmethod
    def apply(image: Tensor, record: Halo, generator: object, final_size: object) -> Tensor:
        return overshoot(image, record)


@in_float32
def overshoot(image: Tensor, halo: Halo) -> Tensor:
    """Sharpen (…, C, H, W) without a threshold, and clip to [0, 1] as what stores 8 bit does.

    image + strength · (image - blurred). An edge between two flat areas overshoots by up to half of strength times its
    height.
    """
    return torch.lerp(blur_image(image, halo.blur), image, 1 + halo.strength).clamp_(0, 1)
