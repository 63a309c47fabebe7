"""Tables of mean scores, a set each, and of scores by what was done to the images: for pages and for terminals."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any, NamedTuple

from wildsr.images import first_line
from wildsr.io import UserError
from wildsr.scores import (
    FEW,
    LEFT_OUT,
    MAIN,
    METRICS,
    Displays,
    MetricDisplay,
    display_of,
    finite_mean,
    mean_text,
    metric_names,
)

# The columns of images.csv and of strata.csv that are no metric
IMAGE_COLUMNS = ("set", "picture", "version", "method", "recipe")
STRATA_COLUMNS = ("set", "axis", "stratum", "images", "method")
LOST = 1e30  # a larger value cannot be drawn, and neither can what is no number


class TableRow(NamedTuple):
    """One line of a table: the scores of one run, or of several that differ in their seed alone."""

    label: str
    samples: Sequence[Mapping[str, float]]
    note: str = ""
    tone: int | None = None


class Cell(NamedTuple):
    """A mean, with the number of images that it leaves out; the sample standard deviation where there are several;
    whether no other row is better."""

    text: str
    spread: str
    best: bool


class ScoreTable(NamedTuple):
    """The scores on one validation set: heads with their meaning, and the cells of each row."""

    set: str
    heads: list[tuple[str, str]]
    rows: list[tuple[TableRow, list[Cell]]]

    @property
    def title(self) -> str:
        return "Held-out images" if self.set == MAIN else f"Set {self.set}"

    @property
    def has_spread(self) -> bool:
        return any(cell.spread for _, cells in self.rows for cell in cells)


def tables_of(rows: Sequence[TableRow], displays: Displays = METRICS) -> list[ScoreTable]:
    """Return a table a validation set, the main one first, each with the metrics that any row has."""
    keys = list(dict.fromkeys(key for row in rows for sample in row.samples for key in sample))
    sets = sorted(dict.fromkeys(key.rpartition("/")[0] or MAIN for key in keys), key=lambda name: name != MAIN)
    return [_table(name, keys, rows, displays) for name in sets]


def _table(name: str, keys: Sequence[str], rows: Sequence[TableRow], displays: Displays) -> ScoreTable:
    prefix = "" if name == MAIN else f"{name}/"
    metrics = metric_names(key.removeprefix(prefix) for key in keys if (key.rpartition("/")[0] or MAIN) == name)
    columns = [_column(prefix + metric, rows, display_of(metric, displays)) for metric in metrics]
    heads = [display_of(metric, displays)[:2] for metric in metrics]
    return ScoreTable(name, heads, [(row, [column[place] for column in columns]) for place, row in enumerate(rows)])


def _column(key: str, rows: Sequence[TableRow], display: MetricDisplay) -> list[Cell]:
    found = [[sample[key] for sample in row.samples if key in sample] for row in rows]
    means = [finite_mean(scores)[0] if scores else math.nan for scores in found]
    counts = [sum(sample.get(f"{key}{LEFT_OUT}", 0) for sample in row.samples) for row in rows]
    finite = [mean for mean in means if math.isfinite(mean)]
    best = None
    if display.meaning and len(finite) > 1:
        best = (min if "lower" in display.meaning else max)(finite)
    cells = []
    for mean, count, scores in zip(means, counts, found, strict=True):
        scores = [score for score in scores if math.isfinite(score)]
        spread = f"{stdev(scores):.{display.digits}f}" if len(scores) > 1 else ""
        text = "" if math.isnan(mean) else mean_text({key: mean, f"{key}{LEFT_OUT}": count}, key, display.digits)
        cells.append(Cell(text, spread, best is not None and mean == best))
    return cells


class StrataTable(NamedTuple):
    """One metric on a set by what was done to its images: a label, the number of images, a text a method in a row."""

    title: str
    meaning: str
    methods: list[str]
    rows: list[tuple[str, int, list[str]]]
    few: str  # strata of fewer than FEW images, which are only counted


def strata_tables(strata: Sequence[Mapping[str, Any]], displays: Displays = METRICS) -> list[StrataTable]:
    """Return a table for each synthetic set and metric in the rows of a strata.csv."""
    found = []
    for name in dict.fromkeys(row.get("set", "") for row in strata):
        rows = [row for row in strata if row.get("set", "") == name]
        for metric in metric_names(key for row in rows for key in row if key not in STRATA_COLUMNS):
            if any(row.get(metric) for row in rows):
                found.append(_strata_table(rows, metric, display_of(metric, displays), name))
    return found


def _strata_table(rows: Sequence[Mapping[str, Any]], metric: str, display: MetricDisplay, name: str) -> StrataTable:
    methods = list(dict.fromkeys(row["method"] for row in rows if row.get("method")))
    strata: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows:
        stratum = row.get("stratum", "").replace("_", " ")
        label = f"blur {stratum}" if row.get("axis") == "blur" else stratum
        texts = strata.setdefault((label, int(number(row.get("images")) or 0)), {})
        score = number(row.get(metric))
        if score is not None:
            means = {metric: score, f"{metric}{LEFT_OUT}": number(row.get(f"{metric}{LEFT_OUT}"))}
            texts[row.get("method", "")] = mean_text(means, metric, display.digits)
    return StrataTable(
        f"{display.label}{'' if name == MAIN else f', set {name}'}",
        display.meaning,
        methods,
        [(label, n, [texts.get(method, "") for method in methods]) for (label, n), texts in strata.items() if n >= FEW],
        ", ".join(f"{label}: {n}" for label, n in strata if n < FEW),
    )


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
