"""Files of an evaluation: of a run's closing evaluation and of `wildsr evaluate`.

scores.json has the means by method and set, images.csv the scores of each image with its recipe, strata.csv the means
by what was done to the image, comparison.png windows of all methods side by side. scores.json is written last: where
it is, the evaluation is complete. A mean leaves out what is not finite; a `<metric>_left_out` counts it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from wildsr.apps.evaluate.evaluator import ImageScores, mean_scores, means
from wildsr.apps.evaluate.panels import notes_of
from wildsr.apps.evaluate.strata import by_stratum
from wildsr.apps.evaluate.tables import IMAGE_COLUMNS, read_json
from wildsr.apps.evaluate.windows import Windows
from wildsr.data import Pairs, ValidationSet
from wildsr.degradation import Recipe
from wildsr.images import first_line, save_picture, write_whole
from wildsr.io import UserError, write_rows
from wildsr.metrics import METRICS, MetricDisplay, display_of, metric_names
from wildsr.metrics.choice import Displays
from wildsr.scores import mean_text, write_scores

SCORES, IMAGES, STRATA, COMPARISON = "scores.json", "images.csv", "strata.csv", "comparison.png"
MEANS, PAGE = "means.csv", "index.html"  # of `wildsr evaluate`: scores.json for spreadsheets, and all of it to look at
DISPLAYS = "metrics.json"  # how metrics of a user's own are shown; a run without any has none


def stage_row(stage: str) -> str:
    """Return the name that a stage of a run has as a method."""
    return f"{stage} stage"


def start_row(weights: str) -> str:
    """Return the name that the weights which a run began with have as a method."""
    return f"{weights} (start)"


def write_results(
    found: Sequence[ImageScores],
    sets: Mapping[str, ValidationSet],
    metrics: Sequence[str],
    folder: Path,
    windows: Windows,
    displays: Displays = METRICS,
) -> None:
    """Write all files."""
    rows = [score_row(one, metrics) for one in found]
    write_rows(rows, folder / IMAGES)
    strata = [
        {"set": name, **row}
        for name, images in sets.items()
        if isinstance(images, Pairs)
        for row in by_stratum([one for one in found if one.set == name], images.spec)
    ]
    if strata:
        write_rows(strata, folder / STRATA)
    if windows.crops:
        save_picture(windows.comparison(notes_of(rows, displays)), folder / COMPARISON)
    write_scores(means(found), folder / SCORES)


def write_displays(displays: Displays, folder: Path) -> None:
    """Write how metrics of a user's own are shown: name -> label, meaning, digits."""
    if displays:
        content = json.dumps({name: display._asdict() for name, display in displays.items()}, indent=1)
        write_whole(folder / DISPLAYS, lambda file: file.write(content.encode()))
    else:
        (folder / DISPLAYS).unlink(missing_ok=True)  # of an earlier evaluation


def read_displays(folder: Path) -> dict[str, MetricDisplay]:
    """Read what `write_displays` wrote; empty where there is no file.

    Raises:
        UserError: it is damaged.
    """
    file = folder / DISPLAYS
    try:
        return {
            str(name): MetricDisplay(str(row["label"]), str(row["meaning"]), min(12, max(0, int(row["digits"]))))
            for name, row in read_json(file, dict).items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: damaged ({first_line(error)})") from error


def mean_rows(found: Sequence[ImageScores]) -> list[dict[str, Any]]:
    """Return a row a set and method: how many images, and the mean of each metric."""
    return [
        {"set": name, "images": images, "method": method, **row}
        for (name, method), (images, row) in mean_scores(found, lambda one: (one.set, one.method)).items()
    ]


def score_row(one: ImageScores, metrics: Sequence[str]) -> dict[str, Any]:
    """Return scores as a row of images.csv, the recipe as JSON; metrics that a set does not have stay empty."""
    recipe = one.recipe.to_json() if one.recipe is not None else ""
    about = dict(zip(IMAGE_COLUMNS, one[:4], strict=False))
    return about | {name: one.scores.get(name, "") for name in metrics} | {"recipe": recipe}


def read_image_scores(path: Path) -> list[ImageScores]:
    """Read the scores of an images.csv.

    Raises:
        UserError: the file is not what `score_row` and `write_rows` make; one line.
    """
    try:
        with path.open(newline="") as file:
            return [_image_scores(row) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: damaged ({first_line(error)})") from error


def _image_scores(row: dict[str, str]) -> ImageScores:
    scores = {name: float(text) for name, text in row.items() if name not in IMAGE_COLUMNS and text}
    recipe = Recipe.from_json(row["recipe"]) if row["recipe"] else None
    return ImageScores(row["set"], row["picture"], int(row["version"]), row["method"], scores, recipe)


def sets_lines(rows: Sequence[Mapping[str, Any]], title: str, displays: Displays = METRICS) -> Group:
    """Lay out the rows of `mean_rows` for the terminal: sets and their metrics down, methods across."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    means = {(row["set"], row["method"]): row for row in rows}
    metrics = metric_names(name for row in rows for name in row if name not in ("set", "images", "method"))
    shown = {name: display_of(name, displays) for name in metrics}
    table = Table()
    for head in ("set", "images", "", *methods):
        table.add_column(Text(head), justify="left" if head in ("set", "") else "right", overflow="fold")
    for name, images in dict.fromkeys((row["set"], str(row["images"])) for row in rows):
        own = [metric for metric in metrics if any(metric in row for row in rows if row["set"] == name)]
        for place, metric in enumerate(own):
            display = shown[metric]
            texts = [mean_text(means.get((name, method), {}), metric, display.digits) for method in methods]
            head = (name, images) if place == 0 else ("", "")
            table.add_row(*head, display.label, *texts, end_section=place == len(own) - 1)
    meanings = "; ".join(f"{one.label}: {one.meaning}" for one in shown.values() if one.meaning)
    return Group(Text(title), table, Text(meanings))
