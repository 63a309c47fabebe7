"""Compress by JPEG, as libjpeg does."""

# C = 1 or 3, H W image;  n images on a canvas S T

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_choice, check_choices, check_integer, check_integer_range, check_number
from wildsr.degradation import draws, libjpeg
from wildsr.degradation.batched.form import BatchStep, Size, Tables
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


class JpegBatch:
    """Code all images of one subsampling at once."""

    operators: ClassVar[int] = 40

    @staticmethod
    def key(record: Any, size: Size) -> tuple[str, bool]:
        return record.subsampling, size[1] <= 4  # so narrow, libjpeg does not interpolate chroma

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        qualities = [record.quality for record in step.records]
        return libjpeg.coding_tables(qualities, step.records[0].subsampling, step.before)

    @staticmethod
    def apply(
        images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> Tensor:
        levels = images.mul_(255).round_().clamp_(0, 255)
        return libjpeg.code_levels(levels, step.before, step.records[0].subsampling, tables).div_(255)


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
