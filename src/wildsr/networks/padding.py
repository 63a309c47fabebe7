"""Padding images to the sides that a network can take."""

from __future__ import annotations

import torch
from torch import Tensor


def reflect_to(x: Tensor, multiple: int, least: int = 0) -> Tensor:
    """Pad (…, H, W) right and below to a multiple, and to `least` at least, by reflection that repeats.

    While torch traces a network, sides that fit are gone through as well: the graph then pads whatever it is given.
    """
    for dim in (-2, -1):
        size = x.shape[dim]
        missing = max(-size % multiple, least + -least % multiple - size)
        if missing or torch.jit.is_tracing():
            period = max(2 * size - 2, 1)
            steps = torch.arange(size + missing, device=x.device) % period
            x = x.index_select(dim, torch.minimum(steps, period - steps))
    return x
