"""Compress by JPEG, as libjpeg does."""

# C = 1 or 3, H W image

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_choice, check_choices, check_integer, check_integer_range, check_number
from wildsr.degradation import draws, libjpeg
from wildsr.degradation.batched.jpeg import JpegBatch
from wildsr.degradation.libjpeg import SUBSAMPLINGS, USUAL
from wildsr.degradation.operations.operation import DrawContext

QUALITIES = (1, 100)


@dataclass(frozen=True)
class Jpeg:
    """JPEG at one of libjpeg's whole-numbered qualities; subsampling: how many pixels share a colour."""

    quality: int
    subsampling: str = USUAL

    def __post_init__(self) -> None:
        check_integer(self, "quality", *QUALITIES)
        check_choice(self, "subsampling", SUBSAMPLINGS)

    def describe(self) -> str:
        """Return the compression in words."""
        return f"JPEG {self.quality}" + (f" {self.subsampling}" if self.subsampling != USUAL else "")


@dataclass(frozen=True)
class JpegSpec:
    """JPEG with probability `prob` at a whole-numbered quality of a range, both ends possible.

    The subsamplings are equally likely; where there is but one, no random number is taken for it.
    """

    name: ClassVar[str] = "jpeg"
    Record: ClassVar[type] = Jpeg
    batched: ClassVar[type] = JpegBatch
    quality: Sequence[int] = (30, 95)
    prob: float = 1.0
    subsampling: Sequence[str] = (USUAL,)

    def __post_init__(self) -> None:
        check_integer_range(self, "quality", *QUALITIES)
        check_number(self, "prob", 0, 1)
        check_choices(self, "subsampling", SUBSAMPLINGS)

    def draw(self, rng: Generator, context: DrawContext) -> Jpeg | None:
        if not draws.happens(rng, self.prob):
            return None
        quality, last = draws.integer(rng, *self.quality), len(self.subsampling) - 1
        return Jpeg(quality, self.subsampling[draws.integer(rng, 0, last) if last else 0])

    @staticmethod
    def apply(image: Tensor, record: Jpeg, generator: object, final_size: object) -> Tensor:
        return libjpeg.jpeg(image, record.quality, record.subsampling)
