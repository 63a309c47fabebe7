"""Blur a batch, a kernel an image: whatever is one correlation."""

# n images, C = 1 or 3, S T canvas, k frame of the kernels (odd)

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Generator, Tensor

from wildsr.degradation.batched.form import BatchStep, Size, Tables, shape_of, take
from wildsr.degradation.kernels import SIZES, Blur, render_kernels
from wildsr.degradation.tensors import filter_by_kornia

FRAMES = (21, SIZES[1])  # taps: what is released, and the largest


class BlurBatch:
    """Correlate each image with its own kernel; reflect border, repeated where the kernel is larger."""

    operators: ClassVar[int] = 3

    @staticmethod
    def key(record: Any, size: Size) -> int:
        return next(frame for frame in FRAMES if record.size <= frame)

    @staticmethod
    def output_size(record: Any, size: Size, final_size: Size) -> Size:
        return size

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        height, width = shape_of(step.before)
        frame = BlurBatch.key(step.records[0], step.before[0])
        kernels = np.zeros((len(step.records), frame, frame), np.float32)
        for kernel, rendered in zip(kernels, _rendered(step.records), strict=True):
            margin = (frame - len(rendered)) // 2
            kernel[margin : frame - margin, margin : frame - margin] = rendered.numpy()
        return {
            "kernels": kernels,
            "rows": _reflected(frame // 2, height, step.heights),
            "columns": _reflected(frame // 2, width, step.widths),
        }

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        return filter_by_kornia(take(images, tables["rows"], tables["columns"]), tables["kernels"])


class HaloBatch:
    """Correlate with kernels that overshoot, and clip to [0, 1]."""

    operators: ClassVar[int] = 4
    key = staticmethod(BlurBatch.key)
    output_size = staticmethod(BlurBatch.output_size)
    tables = staticmethod(BlurBatch.tables)

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        return BlurBatch.apply(images, step, tables, generators).clamp_(0, 1)


def _rendered(records: Sequence[Any]) -> list[Tensor]:
    """Render the kernels of records: those of `kernels.Blur` at once, of any other kind by its own `render`."""
    blurs = [record for record in records if isinstance(record, Blur)]
    known = iter(render_kernels(blurs)) if blurs else iter(())
    return [next(known) if isinstance(record, Blur) else record.render() for record in records]


def _reflected(reach: int, length: int, sides: np.ndarray) -> np.ndarray:
    """Return places -reach … length + reach - 1, mirrored into 0 … side - 1: (n, length + 2 reach)."""
    period = np.maximum(2 * sides - 2, 1)
    places = np.abs(np.arange(-reach, length + reach)) % period
    return np.minimum(places, period - places)
