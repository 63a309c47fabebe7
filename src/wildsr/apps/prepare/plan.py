"""How images are cut: sizes, steps and smaller copies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wildsr.io import ConfigError


@dataclass(frozen=True)
class Plan:
    """The way in which images are cut.

    Raises:
        ConfigError: the step skips pixels, or a scale is impossible.
    """

    size: int = 400  # S
    step: int = 200  # T
    scales: tuple[Fraction, ...] = ()  # of the smaller copies, each a factor below 1 or the shortest edge in pixels

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.size:
            raise ConfigError(f"step={self.step} would skip pixels; wanted 1 to {self.size}, the side of a sub-image")
        for scale in self.scales:
            if scale <= 0 or (scale >= 1 and (scale.denominator != 1 or scale == 1)):
                raise ConfigError(f"scale {scale}: wanted a factor between 0 and 1, or the shortest edge in pixels")
