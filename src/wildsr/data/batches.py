"""Transport of samples to the device: as uint8, in batches.

Shapes: B batch, C = 1 or 3, H W image, h w its LQ version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from wildsr.degradation import Plan

Drawn = TypeVar("Drawn")


class Item(NamedTuple, Generic[Drawn]):
    """Hold one image, uint8, and what was drawn for it: a Sample in training, a Recipe or nothing in validation.

    hq (C, H, W); None for a real photograph, which has none. lq (C, h, w); None where it is still to be made.
    """

    hq: Tensor | None
    params: Drawn
    lq: Tensor | None = None


class Batch(Generic[Drawn]):
    """Hold HQ images (B, C, H, W), what was drawn for each, and the LQ images that need not be made, in their order.

    HQ is None for real photographs, LQ where every one is to be made. A plain object with `to`, because Lightning
    tries to write into dataclasses that it moves to a device.

    Args:
        to_degrade: the places of the images whose LQ is to be made; None: of all, where no LQ is given.
        plan: of what is to be made, where a worker has planned it.
    """

    def __init__(
        self,
        hq: Tensor | None,
        params: Sequence[Drawn],
        lq: Tensor | None = None,
        to_degrade: Sequence[int] | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.hq, self.lq, self.plan = hq, lq, plan
        self.params = list(params)
        self.to_degrade = list(range(len(params)) if to_degrade is None and lq is None else to_degrade or ())

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch[Drawn]:
        """Move to the device; to CUDA without waiting for it, which Lightning asks of tensors alone."""
        non_blocking |= torch.device(device).type == "cuda"
        hq, lq = (None if t is None else t.to(device, non_blocking=non_blocking) for t in (self.hq, self.lq))
        return Batch(hq, self.params, lq, self.to_degrade, self.plan and self.plan.to(device))

    def pin_memory(self) -> Batch[Drawn]:
        hq, lq = (None if t is None else t.pin_memory() for t in (self.hq, self.lq))
        return Batch(hq, self.params, lq, self.to_degrade, self.plan and self.plan.pin_memory())

    @staticmethod
    def collate(items: Sequence[Item[Drawn]]) -> Batch[Drawn]:
        hqs = [item.hq for item in items if item.hq is not None]
        lqs = [item.lq for item in items if item.lq is not None]
        return Batch(
            torch.stack(hqs) if hqs else None,
            [item.params for item in items],
            torch.stack(lqs) if lqs else None,
            [place for place, item in enumerate(items) if item.lq is None],
        )
