"""The form of an operation in which several images go through it together, and that of an operation without one."""

# n images of a call, C = 1 or 3, S T canvas, H W one image on it, at its upper left

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Generator, Tensor

Size = tuple[int, int]
Tables = dict[str, np.ndarray]


@dataclass(frozen=True)
class BatchStep:
    """One step of n images: what was drawn for each, its size before and after, and that of LQ."""

    records: Sequence[Any]
    channels: int
    before: Sequence[Size]
    after: Sequence[Size]
    final_size: Size

    @property
    def heights(self) -> np.ndarray:
        """Return the heights before the step: (n, 1)."""
        return np.array([height for height, _ in self.before])[:, None]

    @property
    def widths(self) -> np.ndarray:
        """Return the widths before the step: (n, 1)."""
        return np.array([width for _, width in self.before])[:, None]


class Form(Protocol):
    """The batched form of an operation, in two halves: tables are made on the CPU, then applied on the device.

    An operation names its form as `batched`. An image must have the same numbers alone and beside others: they may
    depend neither on what lies beyond it on its canvas nor on the size of the canvas. One that changes an
    image's size has a static `output_size(record, size, final_size)`: the size after it, by that before it and LQ's.
    """

    operators: ClassVar[int]  # of a call, about: of the calls that could be next the cheapest is

    @staticmethod
    def key(record: Any, size: Size) -> Hashable:
        """Return what images must have in common to go together, by their record and size."""

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        """Return the small numbers of a call by name: whole ones as int32 or int64, others as float32 or float64."""

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        """Apply a step: (n, C, S, T) -> (n, C, S', T'). It may write into the images, and waits for no device.

        Args:
            tables: what `tables` gave, on the device.
            generators: of each image's noise, on the device.
        """


@dataclass(frozen=True)
class OneByOne:
    """The form of an operation that names none, such as one of someone's own: one image after the other."""

    operation: Any = field(hash=False)  # one of someone's own need not be hashable
    operators: ClassVar[int] = 0  # it gains nothing from company

    def key(self, record: Any, size: Size) -> None:
        return None

    def tables(self, step: BatchStep) -> Tables:
        return {}

    def apply(
        self, images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]
    ) -> Tensor:
        """Apply the operation. Raises: ValueError, where it changes an image's size and does not say so."""
        for image, record, size, generator in zip(images, step.records, step.before, generators, strict=True):
            own = image[:, : size[0], : size[1]]
            made = self.operation.apply(own.contiguous(), record, generator, step.final_size)
            if made.shape != own.shape:
                raise ValueError(
                    f"{self.operation.name}: given {tuple(own.shape)}, gave {tuple(made.shape)}; wanted the same size,"
                    " or a record with `to_final_size`, as an operation has that resizes"
                )
            own.copy_(made)
        return images


def form_of(operation: Any) -> Any:
    """Return the form that an operation names, or else that of one image after the other."""
    return getattr(operation, "batched", None) or OneByOne(operation)


def shape_of(sizes: Sequence[Size]) -> Size:
    """Return the size of the canvas that holds images of these sizes."""
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def take(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Take rows and columns of each image: (n, C, S, T), (n, R) and (n, K) -> (n, C, R, K)."""
    _, channels, _, width = images.shape
    images = images.gather(2, rows[:, None, :, None].expand(-1, channels, -1, width))
    return images.gather(3, columns[:, None, None].expand(-1, channels, rows.shape[1], -1))


def clamped(length: int, sides: np.ndarray) -> np.ndarray:
    """Return places 0 … length - 1 of a line of pixels whose last is repeated: (n, length), for sides (n, 1)."""
    return np.minimum(np.arange(length), sides - 1)
