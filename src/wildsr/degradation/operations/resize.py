"""Resize by a drawn factor, or to the final size."""

# C = 1 or 3, H W image;  n images on a canvas S T, S' T' the canvas after it, K taps

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_choice, check_choices, check_number, check_range, check_weights
from wildsr.degradation import cpu, draws
from wildsr.degradation.batched.form import BatchStep, Size, Tables, shape_of
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.taps import resize_taps
from wildsr.degradation.tensors import in_float32

FACTORS = (0.01, 4.0)  # the widest that is drawn or replayed: no risk to memory
MODES = ("area", "bilinear", "bicubic", "nearest", "bicubic_antialias", "lanczos")
RELEASED_MODES = ("area", "bilinear", "bicubic")
WAYS = ("up", "down", "keep")


@dataclass(frozen=True)
class Resize:
    """A resize by `factor` of the incoming size or of the final LQ size, per axis, floored."""

    factor: float
    mode: str
    relative_to: str

    def __post_init__(self) -> None:
        check_number(self, "factor", *FACTORS)
        check_choice(self, "mode", MODES)
        check_choice(self, "relative_to", ("input", "final"))

    @property
    def to_final_size(self) -> bool:
        """Return whether it ends at the final size."""
        return self.relative_to == "final" and self.factor == 1

    def output_size(self, size: tuple[int, int], final_size: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width that an image of this size has after it."""
        height, width = final_size if self.relative_to == "final" else size
        return max(int(height * self.factor), 1), max(int(width * self.factor), 1)

    def describe(self) -> str:
        """Return the resize in words."""
        mode = self.mode.replace("_", " ")
        if self.relative_to == "final":
            return f"to {f'×{self.factor:.2f} of ' if self.factor != 1 else ''}final size {mode}"
        way = "up" if self.factor > 1 else "down"
        return "keep size" if self.factor == 1 else f"{way} ×{self.factor:.2f} {mode}"


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
    def apply(
        images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> Tensor:
        count, channels, height, width = images.shape
        tall, wide = shape_of(step.after)
        x = images.transpose(1, 2).reshape(count * height, channels * width)
        x = F.embedding_bag(tables["rows"], x, per_sample_weights=tables["rows_weights"], mode="sum")
        x = x.view(count, tall, channels, width).transpose(1, 3).reshape(count * width, channels * tall)
        x = F.embedding_bag(tables["columns"], x, per_sample_weights=tables["columns_weights"], mode="sum")
        return x.view(count, wide, channels, tall).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True)
class ResizeSpec:
    """Up, down or keep by relative weight, with probability `prob`.

    Factors are relative to the input's or to the final LQ size.
    """

    name: ClassVar[str] = "resize"
    Record: ClassVar[type] = Resize
    batched: ClassVar[type] = ResizeBatch
    up: float = 0.2
    down: float = 0.7
    keep: float = 0.1
    up_factor: Sequence[float] = (1.0, 1.5)
    down_factor: Sequence[float] = (0.15, 1.0)
    modes: Sequence[str] = RELEASED_MODES
    relative_to: str = "input"
    prob: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_weights(self, *WAYS)
        check_range(self, "up_factor", 1, FACTORS[1])
        check_range(self, "down_factor", FACTORS[0], 1)
        check_choices(self, "modes", MODES)
        check_choice(self, "relative_to", ("input", "final"))

    @property
    def to_final_size(self) -> bool:
        """Return whether it always ends at the final size."""
        return self.relative_to == "final" and self.up == self.down == 0 and self.prob == 1

    def draw(self, rng: Generator, context: DrawContext) -> Resize | None:
        if not draws.happens(rng, self.prob):
            return None
        way = WAYS[draws.pick(rng, [getattr(self, way) for way in WAYS])]
        factor = 1.0 if way == "keep" else draws.uniform(rng, getattr(self, f"{way}_factor"))
        return Resize(factor, self.modes[draws.integer(rng, 0, len(self.modes) - 1)], self.relative_to)

    @staticmethod
    def apply(image: Tensor, record: Resize, generator: object, final_size: tuple[int, int]) -> Tensor:
        height, width = image.shape[-2:]
        return resize_image(image, record.output_size((height, width), final_size), record.mode)


@dataclass(frozen=True)
class FinalResizeSpec:
    """A resize to the final size: only its mode is drawn."""

    name: ClassVar[str] = "resize"
    Record: ClassVar[type] = Resize
    batched: ClassVar[type] = ResizeBatch
    to_final_size: ClassVar[bool] = True
    modes: Sequence[str] = RELEASED_MODES

    def __post_init__(self) -> None:
        check_choices(self, "modes", MODES)

    def draw(self, rng: Generator, context: DrawContext) -> Resize:
        return Resize(1.0, self.modes[draws.integer(rng, 0, len(self.modes) - 1)], "final")

    apply = staticmethod(ResizeSpec.apply)


@in_float32
def resize_image(image: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize (…, C, H, W) to (height, width) in one of MODES, equal to `torch.nn.functional.interpolate` to 3e-6.

    `bicubic_antialias` and `lanczos` are antialiased, lanczos as Pillow's, but for its rounding to 8 bit.
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image  # in every mode the identity
    planes = image.flatten(0, -3)
    if mode == "lanczos" or (image.device.type == "cpu" and mode in ("area", "bicubic")):
        planes = cpu.resize(planes, size, mode)
    else:  # channels as a batch: with three a CPU's bilinear is slower, and its last bit depends on the threads
        antialias = mode == "bicubic_antialias"
        planes = F.interpolate(planes[:, None], size, mode=mode.removesuffix("_antialias"), antialias=antialias)
    return planes.view(*image.shape[:-2], *size)


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
