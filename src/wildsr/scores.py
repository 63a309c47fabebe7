"""Scores: how each metric is shown, and means of finite ones alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

MAIN = "main"  # the name of a validation set that stands alone
LEFT_OUT = "_left_out"  # behind a figure's name: how many images its mean leaves out


class MetricDisplay(NamedTuple):
    """Say how a metric is shown: its label, what a better value is, and its digits behind the point."""

    label: str
    meaning: str
    digits: int


METRICS: Mapping[str, MetricDisplay] = {
    "psnr_y": MetricDisplay("PSNR-Y", "dB, higher is closer", 2),
    "ssim_y": MetricDisplay("SSIM-Y", "higher is closer", 4),
    "psnr_rgb": MetricDisplay("PSNR-RGB", "dB, higher is closer", 2),
    "ssim_rgb": MetricDisplay("SSIM-RGB", "higher is closer", 4),
    "lpips": MetricDisplay("LPIPS", "lower is closer", 4),
    "dists": MetricDisplay("DISTS", "lower is closer", 4),
    "niqe": MetricDisplay("NIQE", "lower looks more natural", 2),  # on luma, as papers quote it
    "niqe_rgb2gray": MetricDisplay("NIQE-rgb2gray", "lower looks more natural", 2),  # as NIQE's authors measured
}
WITHOUT_REFERENCE = ("niqe", "niqe_rgb2gray")
Displays = Mapping[str, MetricDisplay]


def display_of(name: str, displays: Displays = METRICS) -> MetricDisplay:
    """Return how a metric is shown; one that nothing is known of by its name, with 4 digits and no best value."""
    return displays.get(name) or METRICS.get(name) or MetricDisplay(name, "", 4)


def finite_mean(values: Sequence[float]) -> tuple[float, int]:
    """Return the mean of the finite values, and how many were left out.

    Equal images have an infinite PSNR, and a flat one has no NIQE: one of them would decide the mean of a whole set.
    Where none is finite, nothing is left out, and the mean is infinite or NaN.
    """
    finite = [value for value in values if math.isfinite(value)]
    return (fmean(finite), len(values) - len(finite)) if finite else (sum(values) / len(values), 0)
