"""Base of all metrics: a score for each image, and the mean of those that are finite."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from wildsr.scores import finite_mean


class ImageMetric(Metric):
    """Average the images' scores, over all images, of all processes.

    A score that is not finite (the PSNR of equal images, the NIQE of a flat one) is left out and counted in
    `left_out`; where none is finite, the mean is infinite or NaN.

    Attributes:
        left_out: images without a finite score that the last mean, from `compute` or of a call, has left out.
    """

    is_differentiable = False
    full_state_update = False
    scores: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.left_out = 0
        self.add_state("scores", default=[], dist_reduce_fx="cat")

    def add(self, scores: Tensor) -> None:
        """Take the scores of further images, (B,)."""
        self.scores.append(scores.detach().to(self.device, torch.float32))

    def compute(self) -> Tensor:
        """Return the mean."""
        mean, self.left_out = finite_mean(dim_zero_cat(self.scores).tolist())
        return torch.tensor(mean, device=self.device)


def needs_hq(metric: Metric) -> bool:
    """Return whether a metric compares two images: its `update` wants two arguments."""
    parameters = inspect.signature(type(metric).update).parameters.values()
    wanted = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(wanted) > 2  # self, sr, hq
