"""What a judgement leaves in a folder, and its tables: of a run's closing judgement and of `wildsr evaluate`.

scores.json has the means by method and set, images.csv the score of each picture with its recipe, strata.csv the
means by what was done to the picture, comparison.png crops of all methods side by side. scores.json is written last:
where it is, the judgement is complete.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from wildsr.data import Pairs, ValidationSet
from wildsr.degradation import Recipe
from wildsr.images import first_line, save_picture, write_whole
from wildsr.metrics import FIGURES
from wildsr.sheets import sheet
from wildsr.training.judgement import Score, Scores, Verdict, means
from wildsr.training.strata import Row, by_stratum
from wildsr.training.validation import MAIN

SCORES, IMAGES, STRATA, COMPARISON = "scores.json", "images.csv", "strata.csv", "comparison.png"
ABOUT = ("set", "picture", "version", "method")  # the columns of images.csv that say what was judged


def write_findings(
    verdict: Verdict, sets: Mapping[str, ValidationSet], metrics: Sequence[str], folder: Path
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
    save_picture(sheet(verdict.rows), folder / COMPARISON)
    write_whole(folder / SCORES, lambda file: file.write(json.dumps(means(scores), indent=1).encode()))
    return strata


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as CSV, whole or not at all; a column for every key, in the order of their first appearance."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))


def score_row(score: Score, figures: Sequence[str]) -> dict[str, Any]:
    """A score as a row of a CSV, its recipe as JSON; figures that a set does not have stay empty."""
    recipe = score.recipe.to_json() if score.recipe is not None else ""
    values = {name: score.figures.get(name, "") for name in figures}
    return {"set": score.set, "picture": score.picture, "version": score.version, "method": score.method,
            **values, "recipe": recipe}  # fmt: skip


def read_scores(path: Path) -> list[Score]:
    """The scores of an images.csv.

    Raises:
        ValueError: the file is not what `score_row` and `write_rows` make; one line.
    """
    try:
        with path.open(newline="") as file:
            return [_score(row) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path}: damaged ({first_line(error)})") from error


def _score(row: dict[str, str]) -> Score:
    figures = {name: float(value) for name, value in row.items() if name in FIGURES and value}
    recipe = Recipe.from_json(row["recipe"]) if row["recipe"] else None
    return Score(row["set"], row["picture"], int(row["version"]), row["method"], figures, recipe)


def table(scores: Scores, title: str, chosen: str = MAIN) -> Table:
    """The scores on one set as a table for the terminal, one row a method."""
    prefix = "" if chosen == MAIN else f"{chosen}/"
    figures = [name for name in FIGURES if any(f"{prefix}{name}" in row for row in scores.values())]
    result = Table(title=title, title_justify="left", caption_justify="left")
    result.caption = "; ".join(f"{FIGURES[name].head}: {FIGURES[name].meaning}" for name in figures)
    result.add_column("")
    for name in figures:
        result.add_column(FIGURES[name].head, justify="right")
    for method, row in scores.items():
        result.add_row(method, *(f"{row[prefix + name]:.{FIGURES[name].digits}f}" for name in figures))
    return result
