"""Padding images to the sides that a network can take."""

from __future__ import annotations

import torch
from torch import Tensor


def reflect_to(x: Tensor, multiple: int, least: int | Tensor = 0) -> Tensor:
    """Pad (…, H, W) right and below to a multiple, and to `least` at least, by reflection that repeats.

    While torch traces a network, sides that fit are gone through as well: the graph then pads whatever it is given.
    """
    for dim in (-2, -1):
        size = x.shape[dim]
        wanted = larger(size + -size % multiple, least + -least % multiple)
        if torch.jit.is_tracing() or wanted > size:
            period = larger(2 * size - 2, 1)
            steps = torch.arange(wanted, device=x.device) % period  # type: ignore[arg-type]
            x = x.index_select(dim, torch.minimum(steps, period - steps))
    return x


def larger(a: int | Tensor, b: int | Tensor) -> int | Tensor:
    """Return the larger of two sides. In a trace sides are tensors, of which `max` would keep what it chose once."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))
    return max(a, b)
