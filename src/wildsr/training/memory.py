"""Change what a network costs, not what it learns: recompute its activations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import isqrt

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(network: nn.Module) -> None:
    """Keep few of a network's activations, and compute the rest again in its backward pass.

    A network whose `body` is an nn.Sequential keeps what stands between the segments of that: its blocks, or, of
    plain layers, as many at a time as there are segments. Of any other network the blocks are found (`blocks_of`), and
    of one without such only the input is kept, so that its activations are not held while the losses have theirs. No
    parameter, buffer or submodule changes its name.

    A network that counts its forwards, as BatchNorm does in its running statistics, counts the second one as well.
    """
    body = getattr(network, "body", None)
    if not isinstance(body, nn.Sequential):
        for block in blocks_of(network) or [network]:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        return
    segments = list(body)
    if not any(True for block in body for _ in block.children()):
        length = isqrt(len(body))
        segments = [body[start : start + length] for start in range(0, len(body), length)]
    body.forward = partial(in_segments, segments)  # type: ignore[method-assign]


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return a network's blocks: the outermost modules that have a sibling of their class and parts of their own."""
    parents = [network]
    while parents:
        for parent in parents:
            children = [child for child in parent.children() if any(True for _ in child.children())]
            kinds = [type(child) for child in children if type(child) not in (nn.Sequential, nn.ModuleList)]
            if blocks := [child for child in children if kinds.count(type(child)) > 1]:
                return blocks
        parents = [child for parent in parents for child in parent.children()]
    return []


def in_segments(segments: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Run modules one after the other; each keeps its input only."""
    for segment in segments:
        x = checkpoint(segment, x, use_reentrant=False)
    return x
