"""Compress a batch by JPEG, each image at its own quality: libjpeg's bytes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Generator, Tensor

from wildsr.degradation import libjpeg
from wildsr.degradation.batched.form import BatchStep, Size, Tables


class JpegBatch:
    """Code all images of one subsampling at once."""

    operators: ClassVar[int] = 40

    @staticmethod
    def key(record: Any, size: Size) -> tuple[str, bool]:
        return record.subsampling, size[1] <= 4  # so narrow, libjpeg does not interpolate chroma

    @staticmethod
    def output_size(record: Any, size: Size, final_size: Size) -> Size:
        return size

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        qualities = [record.quality for record in step.records]
        return libjpeg.coding_tables(qualities, step.records[0].subsampling, step.before)

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        levels = images.mul_(255).round_().clamp_(0, 255)
        return libjpeg.code_levels(levels, step.before, step.records[0].subsampling, tables).div_(255)
