"""Blur by defocus: a point out of focus is the lens's opening, a disc."""

# C = 1 or 3, H W image, k kernel side (odd)

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_number, check_range
from wildsr.degradation import draws
from wildsr.degradation.operations.blur import BlurBatch, correlate
from wildsr.degradation.operations.operation import DrawContext

RADII = (0, 25)  # pixels


@dataclass(frozen=True)
class Defocus:
    """A disc of `radius` pixels."""

    radius: float

    def __post_init__(self) -> None:
        check_number(self, "radius", *RADII)

    def describe(self) -> str:
        """Return the blur in words."""
        return f"defocus {self.radius:.1f} px"

    @property
    def size(self) -> int:
        """Return the kernel's side in pixels."""
        return 2 * math.ceil(self.radius) + 1

    def render(self) -> Tensor:
        """Render the kernel: (k, k) float32 on the CPU. Sums to 1.

        Its border is antialiased: the weight falls from 1 to 0 over the one pixel around the radius. Up to a radius of
        half a pixel it is the identity.
        """
        reach = self.size // 2
        x = torch.arange(-reach, reach + 1, dtype=torch.float64)
        disc = (self.radius + 0.5 - torch.hypot(x, x[:, None])).clamp(0, 1)
        return (disc / disc.sum()).float()


@dataclass(frozen=True)
class DefocusSpec:
    """Blur by defocus with probability `prob`; radius in pixels."""

    name: ClassVar[str] = "defocus"
    Record: ClassVar[type] = Defocus
    batched: ClassVar[type] = BlurBatch
    prob: float = 1.0
    radius: Sequence[float] = (0.5, 4.0)

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_range(self, "radius", *RADII)

    def draw(self, rng: Generator, context: DrawContext) -> Defocus | None:
        return Defocus(draws.uniform(rng, self.radius)) if draws.happens(rng, self.prob) else None

    @staticmethod
    def apply(image: Tensor, record: Defocus, generator: object, final_size: object) -> Tensor:
        return correlate(image, record.render())
