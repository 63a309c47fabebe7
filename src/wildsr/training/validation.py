"""How a generator is judged while it trains: whole pictures in, a collection of metrics for each validation set.

Shapes: B batch, C = 1 or 3, h w LQ picture, H = h * scale, W = w * scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from wildsr.data import ValidationSet
from wildsr.metrics import chosen_metrics
from wildsr.networks.eager import Eager
from wildsr.networks.tiling import in_its_channels, upscale

MAIN = "main"  # the set whose figures are val/psnr_y …; the others' are val/<name>/psnr_y …
METRICS = ("psnr_y", "ssim_y", "niqe")
# LQ pixels. At 64 channels and x4, RRDBNet holds three float32 maps of 4 KB an LQ pixel: 3 GB for so many.
WHOLE = 512 * 512
TILE = 256


def enlarged(network: nn.Module, lq: Tensor) -> Tensor:
    """Upscale (B, C, h, w) -> (B, C, H, W), clamped to [0, 1]; pictures of more than WHOLE pixels in tiles.

    The tiles overlap so far that the result is that of the whole picture (see `networks.overlap`).
    """
    if lq.shape[-2] * lq.shape[-1] <= WHOLE:
        return in_its_channels(network, lq).float().clamp(0, 1)
    return torch.stack([upscale(Eager(network, lq.device), image, TILE) for image in lq])


def set_metrics(
    sets: Mapping[str, ValidationSet], names: Sequence[str], border: int, device: torch.device
) -> list[MetricCollection]:
    """The chosen metrics of each set, in the order of the sets, `border` pixels cropped from each side.

    Named val/<metric> for the main set, val/<set>/<metric> for others; without an HQ only those that need none.
    """
    return [
        MetricCollection(
            dict(chosen_metrics(names, border, chosen.has_hq)),
            prefix="val/" if name == MAIN else f"val/{name}/",
            compute_groups=False,
        ).to(device)
        for name, chosen in sets.items()
    ]
