"""Blur a batch, a kernel an image: whatever is one correlation."""

# n images, C = 1 or 3, S T canvas, k frame of the kernels (odd)

from collections.abc import Mapping, Sequence
from typing import ClassVar

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
    def key(record: Blur, size: Size) -> int:
        return next(frame for frame in FRAMES if record.size <= frame)

    @staticmethod
    def output_size(record: Blur, size: Size, final_size: Size) -> Size:
        return size

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        height, width = shape_of(step.before)
        kernels = render_kernels(step.records).numpy()
        frame = next(frame for frame in FRAMES if kernels.shape[-1] <= frame)
        margin = (frame - kernels.shape[-1]) // 2
        return {
            "kernels": np.pad(kernels, ((0, 0), (margin, margin), (margin, margin))),
            "rows": _reflected(frame // 2, height, step.heights),
            "columns": _reflected(frame // 2, width, step.widths),
        }

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        return filter_by_kornia(take(images, tables["rows"], tables["columns"]), tables["kernels"])


def _reflected(reach: int, length: int, sides: np.ndarray) -> np.ndarray:
    """Return places -reach … length + reach - 1, mirrored into 0 … side - 1: (n, length + 2 reach)."""
    period = np.maximum(2 * sides - 2, 1)
    places = np.abs(np.arange(-reach, length + reach)) % period
    return np.minimum(places, period - places)
