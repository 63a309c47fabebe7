"""Interface of an operation of the degradation."""

# C = 1 or 3, H W image

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.degradation.kernels import KernelSpec


@dataclass(frozen=True)
class DrawContext:
    """Context shared by operations when they draw: HQ side / LQ side, and the mix of blur kernels."""

    scale: int
    kernels: KernelSpec


class Operation(Protocol):
    """One operation: its ranges are its fields; it draws a record of plain numbers, and applies one.

    A class of anyone's, named in YAML by `_target_`. One that is used from its class alone, as a recipe read from a
    file uses it, has a static `apply`. An operation that resizes also says `to_final_size`: whether it always ends at
    the final size; so does its record. One that computes on the CPU, wherever the image is, says `on_cpu`: a run on a
    GPU then degrades such samples in its workers. One that names a `batched.Form` as `batched` goes through a batch's
    images together on a GPU (docs/degradation.md); any other goes image by image.
    """

    name: ClassVar[str]  # short; what a recipe's step carries instead of an import path
    Record: ClassVar[type]  # a frozen dataclass of plain numbers and names; its describe() says it in words

    def draw(self, rng: Generator, context: DrawContext) -> Any | None:
        """Draw a record; None: this image goes without."""

    def apply(self, image: Tensor, record: Any, generator: torch.Generator, final_size: tuple[int, int]) -> Tensor:
        """Apply a record to an image: (C, H, W) float32, about [0, 1] -> (C, H', W').

        Args:
            generator: the random numbers of this image's noise, on its device.
            final_size: the height and width of LQ.
        """
