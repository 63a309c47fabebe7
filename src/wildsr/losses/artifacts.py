"""LDL: a pixel loss where a generator makes artifacts, and none where it makes details.

Shapes: B batch, C channels, H W image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.checks import checked_integer
from wildsr.losses.terms import Target

LEAST_VARIANCE = 1e-20  # of a residual: of 0 the fifth root has no gradient


class LDLLoss(nn.Module):
    """Compare by the mean absolute error, weighted by a map of artifacts: mean M |sr - target|.

    Liang, Zeng, Zhang, "Details or Artifacts: A Locally Discriminative Learning Approach to Realistic Image
    Super-Resolution", CVPR 2022. With the residual R, the sum over channels of |sr - target|, and R' that of the
    averaged generator's output:

        M = var(R)^(1/5) * var_k(R) where R >= R', else 0

    var is an image's variance, var_k that of the k x k pixels around each one, reflected at the border. The averaged
    generator shows what is stable: where the one that learns is nearer to the target, nothing is held against it.
    Gradients flow through M, too, as in the released code, and none into the averaged output.

    Args:
        weight: of the term in the generator's sum; released beside L1 0.01, perceptual 1 and adversarial 0.1.
        target: which of a pair's targets it compares with; as released the HQ that is not sharpened.
        window: k, odd, in pixels; 7 as released.

    Raises:
        ValueError: the window is not odd, or an image is not larger than half of it.
    """

    needs_average = True

    def __init__(self, weight: float = 1.0, target: Target = "adversarial", window: int = 7) -> None:
        super().__init__()
        self.weight, self.target = weight, target
        self.window = checked_integer("window", window, 3, 99, step=2)

    def forward(self, sr: Tensor, target: Tensor, averaged: Tensor) -> Tensor:
        """Return a scalar, not negative, before its weight; all three are (B, C, H, W)."""
        return (artifact_map(sr, target, averaged, self.window) * (sr - target).abs()).mean()


def artifact_map(sr: Tensor, target: Tensor, averaged: Tensor, window: int) -> Tensor:
    """Return the map M of LDLLoss, (B, 1, H, W), not negative."""
    residual = (sr - target).abs().sum(1, keepdim=True)
    stable = (averaged.detach() - target).abs().sum(1, keepdim=True)
    whole = residual.var((1, 2, 3), keepdim=True).clamp_min(LEAST_VARIANCE) ** 0.2
    return torch.where(residual < stable, 0.0, whole * local_variance(residual, window))


def local_variance(values: Tensor, window: int) -> Tensor:
    """Return the variance (n - 1 in the denominator) of the window x window values around each of (B, 1, H, W)."""
    count = window * window
    # Two means instead of all windows, which would take as many times the memory as a window has pixels. Around the
    # image's own mean: else the difference of two large numbers loses what is small.
    centred = F.pad(values - values.mean((1, 2, 3), keepdim=True), [window // 2] * 4, mode="reflect")
    mean = F.avg_pool2d(centred, window, stride=1)
    variance = F.avg_pool2d(centred.square(), window, stride=1) - mean.square()
    return variance.clamp_min(0) * (count / (count - 1))
