"""Compress by JPEG, as libjpeg does."""

# C = 1 or 3, H W image

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from numpy.random import Generator
from torch import Tensor

from wildsr.degradation import draws, libjpeg
from wildsr.degradation.batched.jpeg import JpegBatch
from wildsr.degradation.checks import check_integer, check_integer_range
from wildsr.degradation.operations.operation import DrawContext

QUALITIES = (1, 100)


@dataclass(frozen=True)
class Jpeg:
    """JPEG at one of libjpeg's whole-numbered qualities, 4:2:0."""

    quality: int

    def __post_init__(self) -> None:
        check_integer(self, "quality", *QUALITIES)

    def describe(self) -> str:
        """Return the compression in words."""
        return f"JPEG {self.quality}"


@dataclass(frozen=True)
class JpegSpec:
    """JPEG at a whole-numbered quality of a range, both ends possible."""

    name: ClassVar[str] = "jpeg"
    Record: ClassVar[type] = Jpeg
    batched: ClassVar[type] = JpegBatch
    quality: Sequence[int] = (30, 95)

    def __post_init__(self) -> None:
        check_integer_range(self, "quality", *QUALITIES)

    def draw(self, rng: Generator, context: DrawContext) -> Jpeg:
        return Jpeg(draws.integer(rng, *self.quality))

    @staticmethod
    def apply(image: Tensor, record: Jpeg, generator: object, final_size: object) -> Tensor:
        return libjpeg.jpeg(image, record.quality)
