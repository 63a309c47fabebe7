"""Evaluate a generator while it trains: whole images in, a mean score of each metric and set out.

Shapes: B batch, C channels, h w LQ image, H = h * scale, W = w * scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from wildsr.metrics import chosen_metrics
from wildsr.metrics.base import needs_hq
from wildsr.networks.eager import Eager
from wildsr.networks.tiling import in_its_channels, upscale
from wildsr.training.pairs import ValidationPair

# LQ pixels. At 64 channels and x4, RRDBNet holds three float32 maps of 4 KB an LQ pixel: 3 GB for so many.
LARGEST_WHOLE = 512 * 512
TILE = 256
RELEASED = ("psnr_y", "ssim_y", "niqe")  # what validation reports unless told otherwise


def upscale_batch(network: nn.Module, lq: Tensor) -> Tensor:
    """Upscale (B, C, h, w) -> (B, C, H, W), clamped to [0, 1]; images of more than LARGEST_WHOLE pixels in tiles.

    The tiles overlap so far that the result is that of the whole image (see `networks.overlap`).
    """
    if lq.shape[-2] * lq.shape[-1] <= LARGEST_WHOLE:
        return in_its_channels(network, lq).float().clamp(0, 1)
    return torch.stack([upscale(Eager(network, lq.device), image, TILE) for image in lq])


class SetMetrics:
    """Hold the metrics of one validation set: copies, so that no set counts another's images.

    Args:
        metrics: by name, each with an `update` that takes (sr, hq), or (sr) alone; None: the released ones.
        first: the set's first pair and its result: without an HQ, metrics that need one are left out.
    """

    def __init__(self, metrics: Mapping[str, Metric] | None, first: ValidationPair, sr: Tensor) -> None:
        if metrics is None:
            metrics = chosen_metrics(RELEASED, border=sr.shape[-1] // first.lq.shape[-1])
        self.metrics = {
            name: metric.clone().to(sr.device)
            for name, metric in metrics.items()
            if first.hq is not None or not needs_hq(metric)
        }

    def update(self, sr: Tensor, hq: Tensor | None) -> None:
        """Score a batch of images."""
        for metric in self.metrics.values():
            metric.update(*((sr, hq) if needs_hq(metric) else (sr,)))

    def compute(self, prefix: str) -> dict[str, Tensor]:
        """Return the mean scores over all processes, by their names behind a prefix."""
        return {f"{prefix}{name}": metric.compute() for name, metric in self.metrics.items()}

    def left_out(self) -> dict[str, int]:
        """Return how many images the last means of some metrics leave out, for want of a finite score."""
        counts = {name: int(getattr(metric, "left_out", 0)) for name, metric in self.metrics.items()}
        return {name: count for name, count in counts.items() if count}
