"""Files of a judgement, and its tables: of a run's closing judgement and of `wildsr evaluate`.

scores.json has the means by method and set, images.csv the score of each picture with its recipe, strata.csv the
means by what was done to the picture, comparison.png crops of all methods side by side. scores.json is written last:
where it is, the judgement is complete. A mean leaves out what is not finite; a `<figure>_left_out` counts it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from wildsr.apps.evaluate.evaluator import EvalResult, Score, means
from wildsr.apps.evaluate.strata import Row, by_stratum, mean_figures
from wildsr.apps.evaluate.tables import read_json
from wildsr.data import Pairs, ValidationSet
from wildsr.degradation import Recipe
from wildsr.images import first_line, save_picture, write_whole
from wildsr.images.sheets import sheet
from wildsr.io import UserError, write_rows
from wildsr.metrics import METRICS, MetricDisplay, display_of, metric_names
from wildsr.metrics.choice import Displays
from wildsr.scores import Scores, mean_text, write_scores
from wildsr.training.datamodule import MAIN

SCORES, IMAGES, STRATA, COMPARISON = "scores.json", "images.csv", "strata.csv", "comparison.png"
MEANS, PAGE = "means.csv", "index.html"  # of `wildsr evaluate`: scores.json for spreadsheets, and all of it to look at
ABOUT = ("set", "picture", "version", "method")  # the columns of images.csv that say what was judged
DISPLAYS = "metrics.json"  # how metrics of a user's own are shown; a run without any has none
RECIPE = "recipe"  # its last column


def write_findings(
    verdict: EvalResult, sets: Mapping[str, ValidationSet], metrics: Sequence[str], folder: Path
) -> list[Row]:
    """Write all files. Returns the figures by stratum, where a set has recipes."""
    scores, strata = verdict.scores, list[Row]()
    write_rows([score_row(score, metrics) for score in scores], folder / IMAGES)
    for name, pictures in sets.items():
        if isinstance(pictures, Pairs):
            rows = by_stratum([score for score in scores if score.set == name], pictures.spec)
            strata += [{"set": name, **row} for row in rows]
    if strata:
        write_rows(strata, folder / STRATA)
    if verdict.rows:
        save_picture(sheet(verdict.rows), folder / COMPARISON)
    write_scores(means(scores), folder / SCORES)
    return strata


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


def mean_rows(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Return a row a set and method: how many pictures, and the mean of each figure."""
    grouped: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        grouped.setdefault((score.set, score.method), []).append(score)
    return [
        {"set": name, "images": len(found), "method": method, **mean_figures(found)}
        for (name, method), found in grouped.items()
    ]


def score_row(score: Score, figures: Sequence[str]) -> dict[str, Any]:
    """Return a score as a row of a CSV, its recipe as JSON; figures that a set does not have stay empty."""
    recipe = score.recipe.to_json() if score.recipe is not None else ""
    values = {name: score.figures.get(name, "") for name in figures}
    return {"set": score.set, "picture": score.picture, "version": score.version, "method": score.method,
            **values, "recipe": recipe}  # fmt: skip


def read_scores(path: Path) -> list[Score]:
    """Read the scores of an images.csv.

    Raises:
        UserError: the file is not what `score_row` and `write_rows` make; one line.
    """
    try:
        with path.open(newline="") as file:
            return [_score(row) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: damaged ({first_line(error)})") from error


def _score(row: dict[str, str]) -> Score:
    figures = {name: float(value) for name, value in row.items() if name not in (*ABOUT, RECIPE) and value}
    recipe = Recipe.from_json(row["recipe"]) if row["recipe"] else None
    return Score(row["set"], row["picture"], int(row["version"]), row["method"], figures, recipe)


def table(scores: Scores, title: str, chosen: str = MAIN, displays: Displays = METRICS) -> Table:
    """Lay out the scores on one set as a table for the terminal, one row a method."""
    prefix = "" if chosen == MAIN else f"{chosen}/"
    keys = [key for row in scores.values() for key in row if (key.rpartition("/")[0] or MAIN) == chosen]
    figures = metric_names(key.removeprefix(prefix) for key in keys)
    result = Table(title=title, title_justify="left", caption_justify="left")
    shown = {name: display_of(name, displays) for name in figures}
    result.caption = "; ".join(f"{display.label}: {display.meaning}" for display in shown.values() if display.meaning)
    result.add_column("")
    for display in shown.values():
        result.add_column(display.label, justify="right")
    for method, row in scores.items():
        result.add_row(method, *(mean_text(row, prefix + name, shown[name].digits) for name in figures))
    return result


def table_of_sets(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """Lay out the rows of `mean_rows` for the terminal: sets and their figures down, methods across."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    means = {(row["set"], row["method"]): row for row in rows}
    figures = [name for name in METRICS if any(name in row for row in rows)]
    result = Table(title=title, title_justify="left", caption_justify="left")
    result.caption = "; ".join(f"{METRICS[name].label}: {METRICS[name].meaning}" for name in figures)
    for head in ("set", "images", "", *methods):
        result.add_column(head, justify="left" if head in ("set", "") else "right", overflow="fold")
    for name, images in dict.fromkeys((row["set"], str(row["images"])) for row in rows):
        own = [figure for figure in figures if any(figure in row for row in rows if row["set"] == name)]
        for place, figure in enumerate(own):
            cells = [means.get((name, method), {}) for method in methods]
            texts = [mean_text(cell, figure, METRICS[figure].digits) for cell in cells]
            head = (name, images) if place == 0 else ("", "")
            result.add_row(*head, METRICS[figure].label, *texts, end_section=place == len(own) - 1)
    return result
