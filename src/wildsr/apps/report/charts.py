"""Small line charts as the numbers of an SVG, which a template writes out: places are in pixels of its viewBox."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from matplotlib.ticker import MaxNLocator

from wildsr.apps.evaluate.labels import Contents, set_title
from wildsr.apps.report.curves import Bucket, thinned
from wildsr.apps.report.runs import Run, Stage
from wildsr.labels import stage_title
from wildsr.scores import MAIN, METRICS, Displays, display_of

# In pixels of the viewBox
WIDTH, HEIGHT = 360, 220  # fills a third of a wide page, and a phone's width
LEFT, RIGHT, TOP, BOTTOM = 58, 344, 20, 182  # of the plot itself, with room for labels and names around it
MOST = 240  # points of a curve: more than one a pixel would not show
DOTS = 24  # points so few bear dots
LOSSES, OTHERS = "Losses", "Further scalars"  # groups behind those of the validation sets
AXES = {  # names of axes: a scalar's own, or of all that begin so
    "discriminator": "logit",
    "grad_norm": "gradient norm",
    "lr": "learning rate",
    "memory/peak_gb": "GB",
    "speed/images_per_second": "images/s",
    "speed/data_share": "share of the time",
}
APART = 13  # pixels between two lines of text
STROKE, WIDER = 1.6, 2.4  # pixels of the last curve, and how much wider each is that lies below: none hides another
WIDER_AT_MOST = 2  # curves


class Line(NamedTuple):
    """One stage of one run: its name, its colour by number, and its curve."""

    label: str
    tone: int
    path: str  # "x,y x,y …"
    band: str  # around it, from the least to the greatest value, where points were put together
    dots: list[tuple[float, float]]
    width: float = STROKE


class Tick(NamedTuple):
    """A place on an axis, what stands there, and where that is written."""

    at: float
    label: str
    text: float = 0.0


@dataclass(frozen=True)
class Chart:
    """One scalar. `x` and `y` are the ends of the axes in iterations and values, for reading values off it."""

    frame: ClassVar = (WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM)

    title: str
    note: str
    lines: list[Line]
    x: tuple[float, float]
    y: tuple[float, float]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    hlines: list[Tick]
    dividers: list[Tick]
    words: str  # the chart for those who do not see it
    y_name: str
    y_power: str  # "×10⁻⁴", which all labels of the axis have in common


class Curve(NamedTuple):
    """Buckets to draw, on the run's own axis of iterations."""

    label: str
    tone: int
    buckets: list[Bucket]


def charts_of(
    runs: Sequence[tuple[Run, int]],
    hlines: Mapping[str, Mapping[str, float]],
    displays: Displays = METRICS,
    contents: Contents | None = None,
) -> dict[str, list[Chart]]:
    """Draw the charts of runs, each with the number of its colour: group -> a chart a scalar, the stages in a row.

    A group is a validation set, by its title; then the losses; then all others.

    Args:
        hlines: scalar -> name -> value, drawn as a horizontal line.
    """
    keys = dict.fromkeys(key for run, _ in runs for stage in run.stages for key in stage.points)
    groups: dict[str, list[Chart]] = {}
    for key in sorted(keys, key=_order):
        curves = [
            Curve(run.name, tone, [bucket._replace(iteration=bucket.iteration + offset) for bucket in found])
            for run, tone in runs
            for offset, stage in offsets(run)
            if (found := thinned(stage.points.get(key, []), MOST))
        ]
        dividers = (
            [Tick(offset, stage_title(stage.name)) for offset, stage in offsets(runs[0][0])] if len(runs) == 1 else []
        )
        group, title, note, y_name = _titles(key, displays, contents or {})
        groups.setdefault(group, []).append(chart(title, note, curves, hlines.get(key, {}), dividers, y_name))
    return groups


def offsets(run: Run) -> list[tuple[int, Stage]]:
    """Return where each stage begins on the axis of the whole run."""
    begins = itertools.accumulate((stage.done for stage in run.stages), initial=0)
    return list(zip(begins, run.stages, strict=False))


def _order(key: str) -> tuple[int, tuple[str, ...], int, str]:
    """Return a key that sorts the main set before others, a set's metrics together, in METRICS' order; then losses."""
    *path, name = key.split("/")
    names, group = list(METRICS), path[0] if path else ""
    return (
        {"val": 0, "loss": 1}.get(group, 2),
        tuple(path),
        names.index(name) if name in names else len(names),
        key,
    )


def _titles(key: str, displays: Displays, contents: Contents) -> tuple[str, str, str, str]:
    """Return the group of a scalar, its title, what a better value is, and the name of its axis."""
    group, *rest = key.split("/")
    if group == "val" and rest:
        *path, name = rest
        display, set_name = display_of(name, displays), "/".join(path) or MAIN
        axis = f"{display.label} (dB)" if display.meaning.startswith("dB") else display.label
        return set_title(set_name, contents.get(set_name)), display.label, display.meaning.removeprefix("dB, "), axis
    if group == "loss" and rest:
        return LOSSES, f"{' '.join(rest)} loss", "", "loss"
    title = key.replace("/", " ").replace("_", " ")
    return OTHERS, title, "", AXES.get(key) or AXES.get(group) or (rest[-1] if rest else key).replace("_", " ")


def chart(
    title: str,
    note: str,
    curves: Sequence[Curve],
    hlines: Mapping[str, float],
    dividers: Sequence[Tick] = (),
    y_name: str = "",
) -> Chart:
    """Lay out curves, of which each has at least one bucket, on common axes."""
    buckets = [bucket for curve in curves for bucket in curve.buckets]
    low = min([bucket.low for bucket in buckets] + list(hlines.values()))
    high = max([bucket.high for bucket in buckets] + list(hlines.values()))
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
        above = len(tones) - 1 - tones.index(curve.tone)
        width = STROKE + WIDER * min(above, WIDER_AT_MOST)
        return Line(curve.label, curve.tone, _path(places), _path(upper + lower), dots, width)

    tones = list(dict.fromkeys(curve.tone for curve in curves))
    labels, power = alike(ticks(*y))
    return Chart(
        title=title,
        note=note,
        lines=[line(curve) for curve in curves],
        x=x,
        y=y,
        x_ticks=[Tick(across(value), compact(value)) for value in ticks(*x) if value == int(value)],
        y_ticks=[Tick(down(value), text) for value, text in zip(ticks(*y), labels, strict=True)],
        hlines=spread([Tick(down(value), name) for name, value in hlines.items()]),
        dividers=[Tick(across(tick.at), tick.label) for tick in dividers if tick.at < x[1]],
        words="; ".join(f"{c.label}: {c.buckets[0].mean:.4g} to {c.buckets[-1].mean:.4g}" for c in curves),
        y_name=y_name,
        y_power=power,
    )


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers within [low, high], five at most."""
    values = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in values if low <= value <= high]


def spread(hlines: Sequence[Tick]) -> list[Tick]:
    """Write the name of each line above it, or below where it would leave the plot or meet the one above."""
    found: list[Tick] = []
    for tick in sorted(hlines, key=lambda tick: tick.at):
        text = tick.at - 3
        if text < TOP + APART - 3 or (found and text - found[-1].text < APART):
            text = max(tick.at + 11, found[-1].text + APART if found else 0)
        found.append(tick._replace(text=round(text, 2)))
    return found


def alike(values: Sequence[float]) -> tuple[list[str], str]:
    """Write the numbers of an axis with equally many digits behind the point, as many as they need.

    Returns the numbers and the power of ten that they have in common: "" between 0.001 and 99999.
    """
    largest = max(map(abs, values), default=0.0)
    power = math.floor(math.log10(largest)) if largest and not 1e-3 <= largest < 1e5 else 0
    scaled = [value / 10.0**power for value in values]
    digits = max((len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in scaled), default=0)
    digits = min(digits, 5)
    raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return [f"{value:.{digits}f}" for value in scaled], f"×10{raised}" if power else ""


def compact(value: float) -> str:
    """Write an iteration in few letters: 250, 40k, 1.5M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if math.fabs(value) >= unit and value % (unit / 10) == 0:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)
