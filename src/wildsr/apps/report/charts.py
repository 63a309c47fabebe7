"""Small line charts as the numbers of an SVG, which a template writes out: places are in pixels of its viewBox."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from wildsr.apps.evaluate.html import BOTTOM, LEFT, RIGHT, TOP
from wildsr.apps.report.curves import Bucket, thinned
from wildsr.apps.report.runs import Run, Stage
from wildsr.scores import METRICS, Displays, display_of

MOST = 240  # points of a curve: more than one a pixel would not show
DOTS = 24  # points so few bear dots
GROUPS = {"val": "Validation", "loss": "Losses"}  # the first part of a scalar's name; all others come behind


class Line(NamedTuple):
    """One stage of one run: its name, its colour by number, and its curve."""

    label: str
    tone: int
    path: str  # "x,y x,y …"
    band: str  # around it, from the least to the greatest value, where points were put together
    dots: list[tuple[float, float]]


class Tick(NamedTuple):
    """A place on an axis and what stands there."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """One scalar. `x` and `y` are the ends of the axes in iterations and values, for reading values off it."""

    title: str
    note: str
    lines: list[Line]
    x: tuple[float, float]
    y: tuple[float, float]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    references: list[Tick] = field(default_factory=list)
    dividers: list[Tick] = field(default_factory=list)
    words: str = ""  # the chart for those who do not see it


class Curve(NamedTuple):
    """Buckets to draw, on the run's own axis of iterations."""

    label: str
    tone: int
    buckets: list[Bucket]


def charts_of(
    runs: Sequence[tuple[Run, int]], references: Mapping[str, Mapping[str, float]], displays: Displays = METRICS
) -> dict[str, list[Chart]]:
    """Draw the charts of runs, each with the number of its colour: group -> a chart a scalar, the stages in a row.

    Args:
        references: scalar -> name -> value, drawn as a horizontal line.
    """
    keys = dict.fromkeys(key for run, _ in runs for stage in run.stages for key in stage.points)
    groups: dict[str, list[Chart]] = {title: [] for title in (*GROUPS.values(), "Further scalars")}
    for key in sorted(keys, key=_order):
        curves = [
            Curve(run.name, tone, [bucket._replace(iteration=bucket.iteration + offset) for bucket in found])
            for run, tone in runs
            for offset, stage in offsets(run)
            if (found := thinned(stage.points.get(key, []), MOST))
        ]
        dividers = [Tick(offset, stage.name) for offset, stage in offsets(runs[0][0])] if len(runs) == 1 else []
        title, note = _title(key, displays)
        group = GROUPS.get(key.split("/")[0], "Further scalars")
        groups[group].append(chart(title, note, curves, references.get(key, {}), dividers))
    return {title: found for title, found in groups.items() if found}


def offsets(run: Run) -> list[tuple[int, Stage]]:
    """Return where each stage begins on the axis of the whole run."""
    found: list[tuple[int, Stage]] = []
    begin = 0
    for stage in run.stages:
        found.append((begin, stage))
        begin += stage.done
    return found


def _order(key: str) -> tuple[bool, tuple[str, ...], int, str]:
    """Return a key that sorts the main set before others, a set's metrics together, in the order of METRICS."""
    *path, name = key.split("/")
    names = list(METRICS)
    return (path[:1] != ["val"], tuple(path), names.index(name) if name in names else len(names), key)


def _title(key: str, displays: Displays) -> tuple[str, str]:
    group, *rest = key.split("/")
    name = rest[-1] if rest else key
    if group == "val":
        display = display_of(name, displays)
        return f"{display.label}{f', {rest[0]}' if len(rest) > 1 else ''}", display.meaning
    return (f"{' '.join(rest)} loss" if group == "loss" and rest else key.replace("/", " ")), ""


def chart(
    title: str, note: str, curves: Sequence[Curve], references: Mapping[str, float], dividers: Sequence[Tick] = ()
) -> Chart:
    """Lay out curves, of which each has at least one bucket, on common axes."""
    buckets = [bucket for curve in curves for bucket in curve.buckets]
    low = min([bucket.low for bucket in buckets] + list(references.values()))
    high = max([bucket.high for bucket in buckets] + list(references.values()))
    slack = (high - low) * 0.06 or abs(high) * 0.05 or 1.0  # a curve does not lie on the frame
    y = (low - slack, high + slack)
    x = (0.0, max(bucket.iteration for bucket in buckets) or 1.0)

    def across(iteration: float) -> float:
        return round(LEFT + (iteration - x[0]) / (x[1] - x[0]) * (RIGHT - LEFT), 2)

    def down(value: float) -> float:
        return round(TOP + (y[1] - value) / (y[1] - y[0]) * (BOTTOM - TOP), 2)

    def line(curve: Curve) -> Line:
        places = [(across(b.iteration), down(b.mean)) for b in curve.buckets]
        merged = any(b.low < b.high for b in curve.buckets)
        upper = [(across(b.iteration), down(b.high)) for b in curve.buckets] if merged else []
        lower = [(across(b.iteration), down(b.low)) for b in reversed(curve.buckets)] if merged else []
        dots = places if len(places) <= DOTS else []
        return Line(curve.label, curve.tone, _path(places), _path(upper + lower), dots)

    return Chart(
        title,
        note,
        [line(curve) for curve in curves],
        x,
        y,
        [Tick(across(value), compact(value)) for value in ticks(*x) if value == int(value)],
        [Tick(down(value), text) for value, text in zip(ticks(*y), alike(ticks(*y)), strict=True)],
        [Tick(down(value), name) for name, value in references.items()],
        [Tick(across(tick.at), tick.label) for tick in dividers if tick.at < x[1]],
        "; ".join(f"{c.label}: {c.buckets[0].mean:.4g} to {c.buckets[-1].mean:.4g}" for c in curves),
    )


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers within [low, high], five at most."""
    values = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in values if low <= value <= high]


def alike(values: Sequence[float]) -> list[str]:
    """Write numbers with equally many digits behind the point, as many as they need."""
    digits = max((len(f"{value:.6g}".partition(".")[2]) for value in values if "e" not in f"{value:.6g}"), default=0)
    return [f"{value:.{digits}f}" if "e" not in f"{value:.6g}" else f"{value:.6g}" for value in values]


def compact(value: float) -> str:
    """Write an iteration in few letters: 250, 40k, 1.5M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if math.fabs(value) >= unit and value % (unit / 10) == 0:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)
