"""Blur by motion: the camera or its subject moved in a straight line while light was gathered."""

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

LENGTHS = (0, 50)  # pixels
ANGLES = (-math.pi / 2, math.pi / 2)  # radians; a line has no direction
STEPS = 16  # positions a pixel of the way


@dataclass(frozen=True)
class Motion:
    """A straight way of `length` pixels at `theta` radians from the row, clockwise as rows go down."""

    length: float
    theta: float

    def __post_init__(self) -> None:
        check_number(self, "length", *LENGTHS)
        check_number(self, "theta", *ANGLES)

    def describe(self) -> str:
        """Return the blur in words."""
        return f"motion {self.length:.1f} px at {math.degrees(self.theta):.0f}°"

    @property
    def size(self) -> int:
        """Return the kernel's side in pixels."""
        return 2 * math.ceil(self.length / 2) + 1

    def render(self) -> Tensor:
        """Render the kernel: (k, k) float32 on the CPU. Sums to 1.

        The mean of the image at all positions of the way, each read by bilinear interpolation; a length of 0 is the
        identity.
        """
        count = math.ceil(self.length * STEPS) + 1
        along = ((torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5) * self.length
        reach = self.size // 2
        pixels = torch.arange(-reach, reach + 1, dtype=torch.float64)[:, None]
        x, y = ((1 - (pixels - along * f(self.theta)).abs()).clamp(min=0) for f in (math.cos, math.sin))
        return (y @ x.T / count).float()


@dataclass(frozen=True)
class MotionSpec:
    """Blur by motion with probability `prob`; length in pixels, theta in radians."""

    name: ClassVar[str] = "motion"
    Record: ClassVar[type] = Motion
    batched: ClassVar[type] = BlurBatch
    prob: float = 1.0
    length: Sequence[float] = (1.0, 10.0)
    theta: Sequence[float] = ANGLES

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_range(self, "length", *LENGTHS)
        check_range(self, "theta", *ANGLES)

    def draw(self, rng: Generator, context: DrawContext) -> Motion | None:
        if not draws.happens(rng, self.prob):
            return None
        return Motion(draws.uniform(rng, self.length), draws.uniform(rng, self.theta))

    @staticmethod
    def apply(image: Tensor, record: Motion, generator: object, final_size: object) -> Tensor:
        return correlate(image, record.render())
