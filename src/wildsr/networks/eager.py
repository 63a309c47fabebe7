"""A generator run by torch: the upscaler that needs nothing else installed."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from wildsr.networks.memory import numbers_per_pixel
from wildsr.networks.overlap import Tiling, tiling_of


class Eager:
    """Upscale (B, C, h, w) float32 in [0, 1] to s times the size, computed on a device, returned on the input's.

    Args:
        network: a generator in eval mode; moved to the device.
        device: where it computes.
        half: in 16 bits: float16, on a CPU bfloat16. A batch whose result is not finite is computed again in 32.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = "cpu", half: bool = False) -> None:
        self.device, self.half = torch.device(device), half
        # On a CPU channels last saves oneDNN reordering at every layer: a fifth to a half of the time.
        self.layout = torch.channels_last if self.device.type == "cpu" else torch.contiguous_format
        self.network = network.to(self.device).to(memory_format=self.layout)
        self.scale, self.channels = int(network.scale), int(network.channels)  # type: ignore[arg-type]

    @cached_property
    def numbers_per_pixel(self) -> int:
        return numbers_per_pixel(self.network)

    @cached_property
    def tiling(self) -> Tiling:
        return tiling_of(self.network)

    @torch.inference_mode()
    def __call__(self, lq: Tensor) -> Tensor:
        given = lq.to(self.device).contiguous(memory_format=self.layout)
        kind = torch.bfloat16 if self.device.type == "cpu" else torch.float16
        with torch.autocast(self.device.type, kind, enabled=self.half):
            sr: Tensor = self.network(given).float()
        if self.half and not sr.isfinite().all():
            sr = self.network(given)
        return sr.to(lq.device, memory_format=torch.contiguous_format)
