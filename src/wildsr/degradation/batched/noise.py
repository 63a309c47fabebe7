"""Add noise to a batch: each image its own, the numbers that it has alone."""

# n images, C = 1 or 3, S T canvas, H W one image on it

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from wildsr.degradation.batched.form import BatchStep, Size, Tables, shape_of

PEAKS = 2 ** np.ceil(np.log2(np.maximum(np.arange(257), 1)))  # a number of levels, rounded up to a power of two


class NoiseBatch:
    """Draw image by image, each from its generator, one after the other into one line; the rest goes together.

    Gaussian and Poisson noise are called apart: most of what the one computes is of no use to the other.
    """

    operators: ClassVar[int] = 20

    @staticmethod
    def key(record: Any, size: Size) -> str:
        return record.kind

    @staticmethod
    def output_size(record: Any, size: Size, final_size: Size) -> Size:
        return size

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        strength = np.array([record.strength for record in step.records])[:, None, None, None]
        grey = np.array([record.grey for record in step.records])[:, None]
        height, width = shape_of(step.before)
        tables = _places(grey, step)
        if step.records[0].kind == "gaussian":
            return tables | {"strength": (strength / 255).astype(np.float32)}
        return tables | {
            "strength": strength.astype(np.float32),
            "grey": grey[:, :, None, None].astype(np.float32),
            "above": (np.arange(height) >= step.heights)[:, None, :, None].astype(np.int32) * 256,
            "left": (np.arange(width) >= step.widths)[:, None, None].astype(np.int32) * 256,
            "peaks": PEAKS.astype(np.float32),
        }

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        if "peaks" in tables:
            noise = _poisson(images, step, tables, generators)
        else:
            noise = _gaussian(images, step, tables, generators)
        return images.add_(noise.mul_(tables["strength"])).clamp_(0, 1)


def _places(grey: np.ndarray, step: BatchStep) -> Tables:
    """Return where in the line the rows (n, C, S, 1) of the canvas begin and their columns (n, 1, 1, T) lie.

    Images follow each other as (C, H, W), grey ones as (1, H, W), whose one map serves all channels.
    """
    height, width = shape_of(step.before)
    maps = np.where(grey, 1, step.channels)
    sizes = maps * step.heights * step.widths
    starts = np.cumsum(sizes)[:, None] - sizes
    channels = np.where(grey, 0, np.arange(step.channels))[:, :, None]
    rows = np.minimum(np.arange(height), step.heights - 1)[:, None]
    rows = starts[:, :, None] + (channels * step.heights[:, :, None] + rows) * step.widths[:, :, None]
    columns = np.minimum(np.arange(width), step.widths - 1)[:, None, None]
    return {"rows": rows[..., None].astype(np.int32), "columns": columns.astype(np.int32)}


def _maps(step: BatchStep) -> list[tuple[int, int, int]]:
    """Return the shapes of the images' own noise."""
    maps = [1 if record.grey else step.channels for record in step.records]
    return [(count, *size) for count, size in zip(maps, step.before, strict=True)]


def _spread(line: Tensor, tables: Mapping[str, Tensor]) -> Tensor:
    """Lay the line on the canvas; beyond an image its border is repeated."""
    places = tables["rows"] + tables["columns"]
    return line.index_select(0, places.flatten()).view(places.shape)


def _gaussian(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
    counts = [math.prod(shape) for shape in _maps(step)]
    line = images.new_empty(sum(counts))
    for own, generator in zip(line.split(counts), generators, strict=True):
        own.normal_(generator=generator)
    return _spread(line, tables)


def _poisson(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
    """Draw Poisson(x V) / V - x, as `operations.noise.poisson_on_device`."""
    source = images
    if images.shape[1] == 3:
        red, green, blue = images.split(1, 1)
        luma = 0.2989 * red + 0.587 * green + 0.114 * blue
        source = torch.where(tables["grey"] > 0, luma, images)
    levels = (source * 255).round_().clamp_(0, 255)
    beyond = tables["above"] + tables["left"]  # 256 and more outside of the image, which is not counted
    seen = images.new_zeros(len(images), 257)
    seen.scatter_(1, torch.clamp(levels + beyond, max=256).flatten(1).long(), 1)
    peak = tables["peaks"][seen[:, :256].sum(1).long()][:, None, None, None]
    x = levels.div_(255)
    rates = x * peak
    drawn = [
        torch.poisson(rate[:maps, :height, :width], generator).flatten()
        for rate, (maps, height, width), generator in zip(rates, _maps(step), generators, strict=True)
    ]
    return _spread(torch.cat(drawn), tables).div_(peak).sub_(x)
