"""Resize a batch, each image to its own size and in its own mode."""

# n images, C = 1 or 3, S T canvas, S' T' the canvas after it, K taps

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from torch import Generator, Tensor

from wildsr.degradation.batched.form import BatchStep, Size, Tables, shape_of
from wildsr.degradation.taps import resize_taps


class ResizeBatch:
    """Resize as sums of weighted rows, then of weighted columns.

    By `embedding_bag`, which adds an image's taps one after the other wherever it lies: a matrix product, as wide as
    the canvas, may add them in another order in another batch, and rounds to TF32 where that is on.
    """

    operators: ClassVar[int] = 7

    @staticmethod
    def key(record: Any, size: Size) -> None:
        return None

    @staticmethod
    def output_size(record: Any, size: Size, final_size: Size) -> Size:
        return record.output_size(size, final_size)

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        tables: Tables = {}
        for axis, name in enumerate(("rows", "columns")):
            sides = [(before[axis], after[axis]) for before, after in zip(step.before, step.after, strict=True)]
            modes = [record.mode for record in step.records]
            tables[name], tables[f"{name}_weights"] = _bags(modes, sides)
        return tables

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        count, channels, height, width = images.shape
        tall, wide = shape_of(step.after)
        x = images.transpose(1, 2).reshape(count * height, channels * width)
        x = F.embedding_bag(tables["rows"], x, per_sample_weights=tables["rows_weights"], mode="sum")
        x = x.view(count, tall, channels, width).transpose(1, 3).reshape(count * width, channels * tall)
        x = F.embedding_bag(tables["columns"], x, per_sample_weights=tables["columns_weights"], mode="sum")
        return x.view(count, wide, channels, tall).permute(0, 2, 3, 1).contiguous()


def _bags(modes: Sequence[str], sides: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lines that each new line of n images is made of, counted over all, and their weights: (n S', K)."""
    taps = [resize_taps(mode, *side) for mode, side in zip(modes, sides, strict=True)]
    length, wanted = (max(side[end] for side in sides) for end in (0, 1))
    widest = max(places.shape[1] for places, _ in taps)
    lines, weights = (
        np.zeros((len(modes), wanted, widest), np.int32),
        np.zeros((len(modes), wanted, widest), np.float32),
    )
    for image, (places, weight) in enumerate(taps):
        rows, width = places.shape
        lines[image] = image * length  # a line of the image's own, of weight 0
        lines[image, :rows, :width] += places.numpy()
        weights[image, :rows, :width] = weight.numpy()
    return lines.reshape(-1, widest), weights.reshape(-1, widest)
