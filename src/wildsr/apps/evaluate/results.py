"""Files of an evaluation: of a run's closing evaluation and of `wildsr evaluate`.

scores.json has the means by method and set, images.csv the scores of each image with its recipe, strata.csv the means
by what was done to the image, comparison.png windows of all methods side by side. scores.json is written last: where
it is, the evaluation is complete; `wildsr evaluate` adds index.html, a page of it all. A mean leaves out what is not
finite; a `<metric>_left_out` counts it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wildsr.apps.evaluate.evaluator import ImageScores, mean_scores, means
from wildsr.apps.evaluate.files import (
    COMPARISON,
    IMAGES,
    PAGE,
    SCORES,
    STRATA,
    read_displays,
    read_scores,
    read_table,
    write_scores,
)
from wildsr.apps.evaluate.html import write_html
from wildsr.apps.evaluate.labels import contents_of
from wildsr.apps.evaluate.panels import embed, notes_of
from wildsr.apps.evaluate.strata import by_stratum
from wildsr.apps.evaluate.tables import IMAGE_COLUMNS, method_rows, strata_advice, strata_tables, tables_of
from wildsr.apps.evaluate.windows import Windows
from wildsr.data import Pairs, ValidationSet
from wildsr.degradation import Recipe
from wildsr.images import save_pil
from wildsr.io import UserError, first_line, write_rows
from wildsr.scores import METRICS, Displays


def write_results(
    found: Sequence[ImageScores],
    sets: Mapping[str, ValidationSet],
    metrics: Sequence[str],
    folder: Path,
    windows: Windows,
    displays: Displays = METRICS,
) -> None:
    """Write all files but the page."""
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
        save_pil(windows.comparison(notes_of(rows, displays)), folder / COMPARISON)
    write_scores(means(found), folder / SCORES)


def write_page(folder: Path, windows: Windows, settings: Mapping[str, Any]) -> None:
    """Write the page of an evaluation from what it has left in its folder.

    Args:
        folder: with scores.json, images.csv and, where recipes are known, strata.csv.
        settings: of the evaluation: `weights`, `sets` and further ones.

    Raises:
        UserError: a file is damaged.
        OSError: the page cannot be written.
    """
    scores, displays = read_scores(folder / SCORES), read_displays(folder)
    images = read_table(folder / IMAGES)
    contents, strata = contents_of(images), strata_tables(read_table(folder / STRATA), displays)
    write_html(
        folder / PAGE,
        "evaluation.html",
        title=folder.resolve().name,
        methods=list(scores),
        settings=settings,
        tables=tables_of(method_rows(scores), displays, contents),
        found=embed(windows.panels(notes_of(images, displays))),
        strata=strata,
        advice=strata_advice(strata, contents, "--recipes "),
    )


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
        with path.open(encoding="utf-8", newline="") as file:
            return [_image_scores(row) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: damaged ({first_line(error)})") from error


def _image_scores(row: dict[str, str]) -> ImageScores:
    scores = {name: float(text) for name, text in row.items() if name not in IMAGE_COLUMNS and text}
    recipe = Recipe.from_json(row["recipe"]) if row["recipe"] else None
    return ImageScores(row["set"], row["picture"], int(row["version"]), row["method"], scores, recipe)
