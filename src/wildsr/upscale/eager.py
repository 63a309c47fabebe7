"""A generator run by torch as it is: the upscaler that needs nothing else installed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wildsr.upscale.tiles import overlap_of


class Eager:
    """Upscale (B, C, h, w) float32 in [0, 1] on the CPU to the same at s times the size, computed on a device.

    Args:
        network: an RRDBNet or CompactNet in eval mode; moved to the device.
        device: where it computes.
        half: in 16 bits: float16, on a CPU bfloat16. A batch whose result is not finite is computed again in 32.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = "cpu", half: bool = False) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device)
        self.scale, self.channels = int(network.scale), int(network.channels)  # type: ignore[arg-type]
        self.overlap = overlap_of(network)
        self.half = half
        self.recomputed = 0  # batches that overflowed

    def __call__(self, lq: Tensor) -> Tensor:
        lq = lq.to(self.device)
        if self.half:
            kind = torch.bfloat16 if self.device.type == "cpu" else torch.float16
            with torch.autocast(self.device.type, kind):
                sr = self.network(lq)
            if bool(sr.isfinite().all()):
                return sr.float().cpu()
            self.recomputed += 1
        return self.network(lq).cpu()
