"""Scores: how each metric is shown, means of finite ones alone, and scores.json: method -> metric -> mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from wildsr.io import read_json, write_json

Scores = dict[str, dict[str, float]]  # the figure of another set than the main one is <set>/<figure>
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
FEW = 5  # images; the mean of fewer says more about the images than about what was done to them


def display_of(name: str, displays: Displays = METRICS) -> MetricDisplay:
    """Return how a metric is shown; one that nothing is known of by its name, with 4 digits and no best value."""
    return displays.get(name) or METRICS.get(name) or MetricDisplay(name, "", 4)


def metric_names(keys: Iterable[str]) -> list[str]:
    """Return the names of metrics among the keys of scores: those of METRICS in their order, then the others."""
    order = list(METRICS)
    names = [name for name in dict.fromkeys(keys) if not name.endswith(LEFT_OUT)]
    return sorted(names, key=lambda name: order.index(name) if name in METRICS else len(order))


def finite_mean(values: Sequence[float]) -> tuple[float, int]:
    """Return the mean of the finite values, and how many were left out.

    Equal images have an infinite PSNR, and a flat one has no NIQE: one of them would decide the mean of a whole set.
    Where none is finite, nothing is left out, and the mean is infinite or NaN.
    """
    finite = [value for value in values if math.isfinite(value)]
    return (fmean(finite), len(values) - len(finite)) if finite else (sum(values) / len(values), 0)


def mean_row(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean of each figure; behind them, where any was left out, `<figure>_left_out` says how many."""
    found = {name: finite_mean(own) for name, own in values.items()}
    counts = {f"{name}{LEFT_OUT}": count for name, (_, count) in found.items() if count}
    return {name: mean for name, (mean, _) in found.items()} | counts


def mean_text(row: Mapping[str, Any], name: str, digits: int) -> str:
    """Write a figure of a `mean_row` for a table: "22.44", "22.44 (1 left out)", or "-" where there is none."""
    value, count = row.get(name), row.get(f"{name}{LEFT_OUT}")
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}f}" + (f" ({count:.0f} left out)" if count else "")


def write_scores(scores: Scores, file: Path) -> None:
    """Write a scores.json; what is not finite is null, which JSON has in its place."""
    content = {
        method: {name: value if math.isfinite(value) else None for name, value in row.items()}
        for method, row in scores.items()
    }
    write_json(content, file)


def read_scores(file: Path) -> Scores:
    """Read a scores.json; NaN stands for null. Empty where there is no file.

    Raises:
        UserError: it is damaged.
    """

    def parse(content: Any) -> Scores:
        return {
            str(method): {str(name): math.nan if value is None else float(value) for name, value in row.items()}
            for method, row in content.items()
        }

    return read_json(file, parse, absent={})
