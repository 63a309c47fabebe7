"""Files of an evaluation, by name: scores, tables, and how metrics of a user's own are shown."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from wildsr.io import UserError, read_json, write_json
from wildsr.scores import Displays, MetricDisplay

Scores = dict[str, dict[str, float]]  # by method; the figure of another set than the main one is <set>/<figure>
SCORES, IMAGES, STRATA, COMPARISON = "scores.json", "images.csv", "strata.csv", "comparison.png"
MEANS, PAGE = "means.csv", "index.html"  # of `wildsr evaluate`: scores.json for spreadsheets, and all of it to look at
DISPLAYS = "metrics.json"  # how metrics of a user's own are shown; a run without any has none
LOST = 1e30  # a larger value cannot be drawn, and neither can what is no number


def stage_row(stage: str) -> str:
    """Return the name that a stage of a run has as a method."""
    return f"{stage} stage"


def start_row(weights: str) -> str:
    """Return the name that the weights which a run began with have as a method."""
    return f"{weights} (start)"


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


def write_displays(displays: Displays, folder: Path) -> None:
    """Write how metrics of a user's own are shown: name -> label, meaning, digits."""
    if displays:
        write_json({name: display._asdict() for name, display in displays.items()}, folder / DISPLAYS)
    else:
        (folder / DISPLAYS).unlink(missing_ok=True)  # of an earlier evaluation


def read_displays(folder: Path) -> dict[str, MetricDisplay]:
    """Read what `write_displays` wrote; empty where there is no file.

    Raises:
        UserError: it is damaged.
    """

    def parse(content: Any) -> dict[str, MetricDisplay]:
        return {
            str(name): MetricDisplay(str(row["label"]), str(row["meaning"]), min(12, max(0, int(row["digits"]))))
            for name, row in content.items()
        }

    return read_json(folder / DISPLAYS, parse, absent={})


def read_table(file: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file by its head; none where there is no file.

    Raises:
        UserError: it is damaged.
    """
    if not file.is_file():
        return []
    try:
        with file.open(encoding="utf-8", newline="", errors="replace") as lines:
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
