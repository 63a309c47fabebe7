"""How an iteration is computed, not what it learns: in parts, recomputed, compiled, in another memory format.

Shapes: B batch, C channels, H W image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import isqrt
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wildsr.rules import record, whole


class MicroBatch(NamedTuple):
    """A part of a batch: the same images of each of several tensors, and the part's share of the batch."""

    tensors: tuple[Tensor, ...]
    share: float
    first: bool
    last: bool


@record
class Execution:
    """Choices that cost or save time and memory. The gradients stay those of the plain way, but for rounding.

    The one exception: a discriminator with BatchNorm normalises each micro-batch by itself.

    Attributes:
        accumulate: micro-batches that a device's batch is divided into; their gradients are added up. No part
            is empty: a batch of fewer images is divided into single ones.
        checkpoint_activations: keep only what stands between the blocks of the generator's body, and compute the
            rest again in its backward pass.
        compile: torch.compile of generator, discriminator and perceptual loss. The averaged generator, which
            validates, is not compiled.
        channels_last: the memory format of networks and images.
    """

    accumulate: Annotated[int, whole(1, 10**6)] = 1
    checkpoint_activations: bool = False
    compile: bool = False
    channels_last: bool = False

    def divide(self, *tensors: Tensor) -> Iterator[MicroBatch]:
        """Divide tensors of one length B into micro-batches whose sizes differ by one image at most."""
        if self.channels_last:
            tensors = tuple(tensor.contiguous(memory_format=torch.channels_last) for tensor in tensors)
        batch = len(tensors[0])
        parts = min(self.accumulate, batch)
        for index, part in enumerate(zip(*(tensor.tensor_split(parts) for tensor in tensors), strict=True)):
            yield MicroBatch(part, len(part[0]) / batch, first=index == 0, last=index == parts - 1)

    def lay_out(self, *networks: nn.Module | None) -> None:
        """Give networks the memory format; before they are copied, so that the copies have it, too."""
        for network in networks:
            if network is not None and self.channels_last:
                network.to(memory_format=torch.channels_last)

    def equip(self, generator: nn.Module, *others: nn.Module | None) -> None:
        """Recompute and compile, in place: no parameter, buffer or submodule changes its name.

        Raises:
            ValueError: the generator has no body to recompute.
        """
        if self.checkpoint_activations:
            recompute(generator)
        for network in (generator, *others):
            if network is not None and self.compile:
                network.compile()


def recompute(generator: nn.Module) -> None:
    """Keep of the activations of `generator.body`, an nn.Sequential, only those between its segments.

    A segment is one block, or, where the body is plain layers, as many of them as there are segments.

    Raises:
        ValueError: there is no such body.
    """
    body = getattr(generator, "body", None)
    if not isinstance(body, nn.Sequential):
        raise ValueError(f"checkpoint_activations: a {type(generator).__name__} has no body to recompute, wanted false")
    segments = list(body)
    if not any(True for block in body for _ in block.children()):
        length = isqrt(len(body))
        segments = [body[start : start + length] for start in range(0, len(body), length)]
    body.forward = partial(in_segments, segments)  # type: ignore[method-assign]


def in_segments(segments: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Run modules one after the other; each keeps its input only. There is no randomness to repeat in them."""
    for segment in segments:
        x = checkpoint(segment, x, use_reentrant=False, preserve_rng_state=False)
    return x
