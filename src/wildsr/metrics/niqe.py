"""NIQE: how far an image's statistics lie from those of pristine photographs. No reference; lower is better.

Mittal, Soundararajan, Bovik: "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal Processing
Letters 20 (3), 2013. Names as there: MSCN coefficients (mean-subtracted, contrast-normalised) and AGGD
(asymmetric generalised Gaussian). The pristine model beside this file is the authors'; see niqe_pristine.md.

Two figures bear the name, by the grey that they are measured on. BasicSR, whose figures super-resolution papers quote,
takes the luma in studio range, MATLAB's rgb2ycbcr. The authors' release takes MATLAB's rgb2gray: the figures that it
records are within 0.3 % of that on four of five images, and 0.6 to 3.8 % from the luma's. Never compare one with the
other.
"""

# B batch, C = 1 or 3, H W image, N blocks, P pixels of a block, D = 36 features

from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from torch import Tensor

from wildsr.checks import checked_choice
from wildsr.io import UserError
from wildsr.metrics.base import ImageMetric
from wildsr.metrics.pixels import luma, rgb2gray, to_levels

Grey = Literal["luma", "rgb2gray"]
BLOCK = 96  # px; the pristine model was made with this size
# Right, down, and the two diagonals: the neighbours whose products are fitted.
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
# MATLAB's antialiased bicubic at half size: Keys' cubic (a = -1/2) at +-1/4, 3/4, 5/4, 7/4, over its sum.
_HALVING_TAPS = tuple(tap / 256 for tap in (-3, -9, 29, 111, 111, 29, -9, -3))


class NIQE(ImageMetric):
    """Measure the mean NIQE over images; lower is better. Deterministic.

    Example:
        >>> import torch
        >>> metric = NIQE()
        >>> noise = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
        >>> round(metric(noise).item(), 1)
        38.0

    Args:
        border: pixels cut off each side before measuring.
        grey: what colour is measured on: "luma" as papers' figures, "rgb2gray" as the authors'.
    """

    higher_is_better = False

    def __init__(self, border: int = 0, grey: Grey = "luma") -> None:
        super().__init__()
        self.border, self.grey = border, checked_choice("grey", grey, get_args(Grey))

    def update(self, sr: Tensor) -> None:
        """Score each image; (B, C, H, W) or (C, H, W) float in [0, 1].

        Raises:
            ValueError, UserError: as `niqe_scores`.
        """
        self.add(niqe_scores(sr, self.border, self.grey))


def niqe_scores(images: Tensor, border: int = 0, grey: Grey = "luma") -> Tensor:
    """Compute NIQE of each image, measured on its grey in 8-bit levels.

    NaN stands for "no score": for an image that holds NaN, or has no block with texture (a flat one).

    Args:
        images: (B, C, H, W) or (C, H, W) float in [0, 1]; C = 3, or 1 for grey.
        border: pixels cut off each side before measuring.
        grey: what colour is measured on, as of `NIQE`; a grey image is measured as it is.

    Returns:
        (B,) float64, not negative.

    Raises:
        ValueError: the images are not as above.
        UserError: a side inside the border is shorter than one block of 96 px.
    """
    # Rounded: MATLAB's functions give whole levels for 8-bit files, and so does BasicSR.
    to_grey = luma if checked_choice("grey", grey, get_args(Grey)) == "luma" else rgb2gray
    y = to_grey(to_levels(images, border)).round()
    height, width = y.shape[-2:]
    if min(height, width) < BLOCK:
        given = f"{height} x {width} px inside a border of {border} px"
        raise UserError(f"NIQE got {given}; wanted at least {BLOCK} px a side")
    return torch.stack([_distance(_features(image[None])) for image in y])


def _distance(features: Tensor) -> Tensor:
    """Compute the distance of (N, D) features (NaN: undefined) from the pristine Gaussian; NaN without a whole row.

    As in the authors' release, the mean takes every defined feature, the covariance only the whole rows.
    """
    whole = features[~features.isnan().any(dim=1)]
    if len(whole) == 0:
        return features.new_tensor(torch.nan)
    mean, covariance = (array.to(features.device) for array in _pristine())
    # A single row has no spread. The release gives no score then; here it counts as 0, so that 96 px suffice.
    spread = torch.cov(whole.T) if len(whole) > 1 else torch.zeros_like(covariance)
    gap = mean - features.nanmean(dim=0)
    # The pristine covariance is positive definite (condition 2e5), and so is its sum with another.
    return (gap @ torch.linalg.solve((covariance + spread) / 2, gap)).sqrt()


def _features(y: Tensor) -> Tensor:
    """Compute the (N, D) features of a luma (1, 1, H, W) in 8-bit levels: 18 at full size, then 18 at half size."""
    if y.isnan().any():
        return y.new_full((1, 36), torch.nan)
    y = y[..., : y.shape[-2] // BLOCK * BLOCK, : y.shape[-1] // BLOCK * BLOCK]
    return torch.cat([_block_features(_mscn(y), BLOCK), _block_features(_mscn(_halve(y)), BLOCK // 2)], dim=1)


def _mscn(y: Tensor) -> Tensor:
    """Compute (y - local mean) / (local deviation + 1), (1, 1, H, W); exactly 0 where y is locally constant."""
    # Rounded to float32, the mean of a constant level is that level. In float64 it is off by 1e-13, and such
    # residues would be fitted as texture: 0.9 % off the reference on a photograph with black areas.
    mean = _local_mean(y).float()
    deviation = (_local_mean(y.square()) - mean.double().square()).abs().sqrt()
    return (y - mean) / (deviation + 1)


def _local_mean(y: Tensor) -> Tensor:
    """Compute the mean under the authors' window, 7 taps of sigma 7/6, edges repeated; (1, 1, H, W)."""
    return gaussian_blur2d(y, (7, 7), (7 / 6, 7 / 6), border_type="replicate")


def _halve(y: Tensor) -> Tensor:
    """Halve (1, 1, H, W), H and W even, as MATLAB's antialiased bicubic; edges mirrored. Exact."""
    y = torch.cat([y[..., :3, :].flip(-2), y, y[..., -3:, :].flip(-2)], dim=-2)
    y = torch.cat([y[..., :3].flip(-1), y, y[..., -3:].flip(-1)], dim=-1)
    taps = y.new_tensor(_HALVING_TAPS)
    return F.conv2d(F.conv2d(y, taps.view(1, 1, 8, 1), stride=(2, 1)), taps.view(1, 1, 1, 8), stride=(1, 2))


def _block_features(mscn: Tensor, side: int) -> Tensor:
    """Compute the (N, 18) features of (1, 1, H, W) coefficients, a row a block: 2 of the block, 4 a neighbour."""
    rows, columns = mscn.shape[-2] // side, mscn.shape[-1] // side
    blocks = mscn.view(rows, side, columns, side).transpose(1, 2).reshape(-1, side, side)
    products = [blocks * blocks.roll(shift, dims=(1, 2)) for shift in _NEIGHBOURS]
    alpha, left, right = _fit_aggd(torch.stack([blocks, *products], dim=1).flatten(2))  # each (N, 5)
    mean = (right - left) * (torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha)).exp()
    own = torch.stack([alpha[:, 0], (left[:, 0] + right[:, 0]) / 2], dim=1)
    return torch.cat([own, torch.stack([alpha, mean, left, right], dim=2)[:, 1:].flatten(1)], dim=1)


def _fit_aggd(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit an AGGD to (..., P) samples by moments: shape alpha, left scale, right scale, each (...).

    Where no sample lies on one side of 0 the scales are NaN, and alpha is the smallest of the table.
    """
    left = (x.clamp(max=0).square().sum(-1) / (x < 0).sum(-1)).sqrt()
    right = (x.clamp(min=0).square().sum(-1) / (x > 0).sum(-1)).sqrt()
    skew = left / right
    moment = x.abs().mean(-1).square() / x.square().mean(-1)
    alpha = _nearest_shape(moment * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2)
    scale = ((torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)) / 2).exp()
    return alpha, left * scale, right * scale


def _nearest_shape(ratio: Tensor) -> Tensor:
    """Find the alpha of 0.2, 0.201, ..., 10 whose moment ratio is nearest; 0.2 for NaN, as in the release."""
    alphas, ratios = (table.to(ratio.device) for table in _shape_table())
    above = torch.searchsorted(ratios, ratio.contiguous()).clamp(1, len(ratios) - 1)
    nearest = torch.where(ratio - ratios[above - 1] <= ratios[above] - ratio, above - 1, above)
    return alphas[torch.where(ratio.isnan(), 0, nearest)]


@cache
def _shape_table() -> tuple[Tensor, Tensor]:
    """Return shapes alpha and their moment ratios Gamma(2/a)^2 / (Gamma(1/a) Gamma(3/a)), which rise with alpha."""
    alphas = torch.arange(200, 10_001, dtype=torch.float64) / 1000
    lg1, lg2, lg3 = (torch.lgamma(k / alphas) for k in (1, 2, 3))
    return alphas, (2 * lg2 - lg1 - lg3).exp()


@cache
def _pristine() -> tuple[Tensor, Tensor]:
    """Load the pristine mean (D,) and covariance (D, D), float64."""
    with np.load(Path(__file__).with_name("niqe_pristine.npz"), allow_pickle=False) as file:
        return torch.from_numpy(file["mean"]), torch.from_numpy(file["covariance"])
