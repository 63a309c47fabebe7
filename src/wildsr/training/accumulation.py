"""A batch in parts, so that an iteration takes less memory and learns the same."""

# B batch, C channels, H W image

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

Scalars = dict[str, Tensor]


class MicroBatch(NamedTuple):
    """Hold a part of a batch: the same images of each of several tensors, and the part's share of the batch."""

    tensors: tuple[Tensor, ...]
    share: float
    first: bool
    last: bool


def microbatches(*tensors: Tensor, parts: int = 1, channels_last: bool = False) -> Iterator[MicroBatch]:
    """Divide tensors (B, C, H, W) of one length into parts whose sizes differ by one image at most; none is empty."""
    if channels_last:
        tensors = tuple(tensor.contiguous(memory_format=torch.channels_last) for tensor in tensors)
    batch = len(tensors[0])
    parts = min(parts, batch)
    for index, part in enumerate(zip(*(tensor.tensor_split(parts) for tensor in tensors), strict=True)):
        yield MicroBatch(part, len(part[0]) / batch, first=index == 0, last=index == parts - 1)


def sum_losses(parts: list[Scalars]) -> Scalars:
    """Sum what the parts of a batch have contributed to each loss."""
    return {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}
