"""A batch in parts, so that an iteration takes less memory and learns the same, with spectral norms too."""

# B batch, C channels, H W image

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm

from wildsr.networks.unet import SpectralNorm

NORMS = (SpectralNorm, _SpectralNorm)  # ours, and torch's, which a network of the user's may have


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


class SpectralNorms:
    """Keep the spectral norms of a network whose batches may come in parts; without any, do nothing.

    In train mode they advance the power iteration at every forward, so that each part of a batch would meet
    another network: with a fresh discriminator and four parts, its first gradient is 60 to 80 % off. Here the
    first part of a pass advances it, and the others find the vectors that it left. A pass is a network's work on
    one batch of images: an iteration has three, the discriminator's on the generator's images for the generator,
    on the real ones and on the generated ones. Undivided and divided, the vectors are the same, bit for bit.
    """

    def __init__(self, network: nn.Module | None) -> None:
        modules = [] if network is None else network.modules()
        self.norms = [module for module in modules if isinstance(module, NORMS)]
        self.vectors: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for norm in self.norms:
            norm.forward = partial(in_float32, norm.forward)  # type: ignore[method-assign]

    @contextmanager
    def hold_power_iteration(self, name: str, part: MicroBatch) -> Iterator[None]:
        """Run the forward of one part of the pass `name`; passes of several names may take turns, part by part."""
        if part.first:
            yield
            if not part.last:
                self.vectors[name] = [(norm._u.clone(), norm._v.clone()) for norm in self.norms]
            return
        own = [(norm._u, norm._v, norm.training) for norm in self.norms]
        for norm, (u, v) in zip(self.norms, self.vectors[name], strict=True):
            norm._u, norm._v, norm.training = u, v, False  # lent, not copied: a compiled backward may read them yet
        yield
        for norm, (u, v, training) in zip(self.norms, own, strict=True):
            norm._u, norm._v, norm.training = u, v, training


def in_float32(forward: Any, weight: Tensor) -> Tensor:
    """Run a norm's forward outside autocast, which would take the matrix products of its power iteration in half."""
    with torch.autocast(weight.device.type, enabled=False):
        result: Tensor = forward(weight)
        return result
