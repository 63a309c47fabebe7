"""Tables of figures of merit, and of figures by what was done to the pictures."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any, NamedTuple

from wildsr.images import first_line
from wildsr.io import UserError
from wildsr.metrics import FEW, METRICS, MetricDisplay, display_of, metric_names
from wildsr.metrics.choice import Displays
from wildsr.scores import LEFT_OUT, finite_mean, mean_text

MAIN = "main"  # the set whose figures bear their bare names
ABOUT_STRATA = ("set", "axis", "stratum", "images", "method")  # the columns of strata.csv that are no metric
LOST = 1e30  # a larger value cannot be drawn, and neither can what is no number


class Row(NamedTuple):
    """One line of a table: the figures of one run, or of several that differ in their seed alone."""

    label: str
    samples: Sequence[dict[str, float]]
    note: str = ""
    tone: int | None = None


class Cell(NamedTuple):
    """A mean, with the number of images that it leaves out; the sample standard deviation where there are several;
    whether no other row is better."""

    text: str
    spread: str
    best: bool


@dataclass(frozen=True)
class Table:
    """The figures on one validation set: heads with their meaning, then label, note, colour and cells a row."""

    title: str
    heads: list[tuple[str, str]]
    rows: list[tuple[Row, list[Cell]]]
    spread: bool


def tables_of(rows: Sequence[Row], displays: Displays = METRICS) -> list[Table]:
    """Return a table a validation set, the main one first, each with the figures that any row has."""
    keys = list(dict.fromkeys(key for row in rows for sample in row.samples for key in sample))
    sets = sorted(dict.fromkeys(_set_of(key) for key in keys), key=lambda name: name != MAIN)
    return [_table(name, rows, [key for key in keys if _set_of(key) == name], displays) for name in sets]


def _set_of(key: str) -> str:
    return key.rpartition("/")[0] or MAIN


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _table(name: str, rows: Sequence[Row], keys: Sequence[str], displays: Displays) -> Table:
    prefix = keys[0].removesuffix(_name(keys[0]))
    known = metric_names(map(_name, keys))
    heads = [display_of(name, displays)[:2] for name in known]
    columns = [_column(prefix + name, rows, display_of(name, displays)) for name in known]
    title = "Held-out pictures" if name == MAIN else f"Set {name}"
    cells = [list(cells) for cells in zip(*columns, strict=True)] or [[] for _ in rows]
    return Table(title, heads, list(zip(rows, cells, strict=True)), any(cell.spread for row in cells for cell in row))


def _column(key: str, rows: Sequence[Row], figure: MetricDisplay) -> list[Cell]:
    found = [[sample[key] for sample in row.samples if key in sample] for row in rows]
    means = [finite_mean(values)[0] if values else math.nan for values in found]
    counts = [sum(sample.get(f"{key}{LEFT_OUT}", 0) for sample in row.samples) for row in rows]
    finite = [mean for mean in means if math.isfinite(mean)]
    best = None
    if figure.meaning and len(finite) > 1:
        best = (min if "lower" in figure.meaning else max)(finite)
    cells = []
    for mean, count, values in zip(means, counts, found, strict=True):
        values = [value for value in values if math.isfinite(value)]
        spread = f"{stdev(values):.{figure.digits}f}" if len(values) > 1 else ""
        text = "" if math.isnan(mean) else mean_text({key: mean, f"{key}{LEFT_OUT}": count}, key, figure.digits)
        cells.append(Cell(text, spread, best is not None and mean == best))
    return cells


@dataclass(frozen=True)
class Strata:
    """One figure of a set by what was done to its pictures: (axis, stratum, images, a text a method) a row."""

    title: str
    meaning: str
    methods: list[str]
    rows: list[tuple[str, str, int, list[str]]]
    few: str


def strata_of(strata: Sequence[dict[str, str]], displays: Displays = METRICS) -> list[Strata]:
    """Return a table for each synthetic set and figure in the rows of a strata.csv.

    Strata of fewer than FEW images are only counted.
    """
    found = []
    for name in dict.fromkeys(row.get("set", "") for row in strata):
        rows = [row for row in strata if row.get("set", "") == name]
        for key in metric_names(key for row in rows for key in row if key not in ABOUT_STRATA):
            if any(row.get(key) for row in rows):
                found.append(_stratum_table(rows, key, display_of(key, displays), name))
    return found


def _stratum_table(rows: Sequence[dict[str, str]], key: str, figure: MetricDisplay, name: str) -> Strata:
    title = f"{figure.label}{'' if name == MAIN else f', set {name}'}"
    methods = list(dict.fromkeys(row["method"] for row in rows if row.get("method")))
    strata: dict[tuple[str, str, int], dict[str, str]] = {}
    for row in rows:
        images = int(number(row.get("images")) or 0)
        texts = strata.setdefault((row.get("axis", ""), row.get("stratum", "").replace("_", " "), images), {})
        cell = {name: number(row.get(name)) for name in (key, f"{key}{LEFT_OUT}")}
        texts[row.get("method", "")] = "" if cell[key] is None else mean_text(cell, key, figure.digits)
    shown = [
        (*where, [texts.get(method, "") for method in methods]) for where, texts in strata.items() if where[2] >= FEW
    ]
    few = [f"{axis} {stratum}: {images}" for axis, stratum, images in strata if images < FEW]
    return Strata(title, figure.meaning, methods, shown, ", ".join(few))


def read_table(file: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file by its head; none where there is no file.

    Raises:
        UserError: it is damaged.
    """
    if not file.is_file():
        return []
    try:
        with file.open(newline="", errors="replace") as lines:
            return [{str(key): str(value) for key, value in row.items()} for row in csv.DictReader(lines)]
    except csv.Error as error:
        raise UserError(f"{file}: damaged ({error})") from error


def number(text: object) -> float | None:
    """Read a number that can be drawn, out of a file that may hold anything; else None."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < LOST else None


def read_json(file: Path, wanted: type) -> Any:
    """Read the content of a JSON file, empty where there is none."""
    if not file.is_file():
        return wanted()
    try:
        content = json.loads(file.read_text())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: damaged ({first_line(error)})") from error
    if not isinstance(content, wanted):
        raise UserError(f"{file}: damaged; wanted a JSON {wanted.__name__}")
    return content
