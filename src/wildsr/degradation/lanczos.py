"""Resize by Lanczos' filter, as image editors and Pillow do: antialiased.

A sample at x of the result, in pixels of the source, is the mean of the source's pixels at i + 1/2 weighed by
L((i + 1/2 - x) / s), s = max(source side / result side, 1), with L(d) = sinc(d) sinc(d / 3) for |d| < 3, else 0.
What lies outside of the image has no weight.
"""

# N planes, H W image, k taps

import math

import torch
from torch import Tensor

from wildsr.degradation.cpu import add_rows
from wildsr.degradation.tensors import to_device

LOBES = 3


def lanczos_taps(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Return for each of `wanted` samples of `length` pixels its places (wanted, k) and weights (wanted, k) float32.

    Weights sum to 1; places outside of the image are moved to its border, and weigh nothing.
    """
    step = length / wanted
    stretch = max(step, 1.0)
    reach = math.ceil(LOBES * stretch)
    middle = (torch.arange(wanted, dtype=torch.float64)[:, None] + 0.5) * step
    places = middle.floor().long() + torch.arange(-reach, reach + 1)
    d = (places + 0.5 - middle) / stretch
    weights = torch.sinc(d) * torch.sinc(d / LOBES) * ((d.abs() < LOBES) & (places >= 0) & (places < length))
    return places.clamp_(0, length - 1), (weights / weights.sum(1, keepdim=True)).float()


def resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, H, W) to (N, height, width), in float32 on any device, where a product of matrices may be TF32."""
    return _resize_rows(_resize_rows(planes, size[0]).mT, size[1]).mT.contiguous()


def _resize_rows(planes: Tensor, rows: int) -> Tensor:
    places, weights = (to_device(taps, planes.device) for taps in lanczos_taps(planes.shape[1], rows))
    return add_rows(planes, places, weights)
