"""Lanczos' filter, antialiased, as image editors and Pillow have it.

A sample at x of a resized line, in pixels of the old one, is the mean of the pixels at i + 1/2 weighed by
L((i + 1/2 - x) / s), s = max(old length / new length, 1), with L(d) = sinc(d) sinc(d / 3) for |d| < 3, else 0.
What lies outside of the image has no weight.
"""

# L pixels of the old line, N of the new one, K taps

import math

import torch
from torch import Tensor

LOBES = 3


def lanczos_taps(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Return places in 0 … L - 1 and weights, float32, of a line of L pixels resized to N: both (N, K).

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
