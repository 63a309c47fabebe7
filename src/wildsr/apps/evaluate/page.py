"""The page of an evaluation: methods by sets, the same windows of all methods, and their results by degradation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wildsr.apps.evaluate.files import IMAGES, PAGE, SCORES, STRATA, read_displays, read_scores, read_table
from wildsr.apps.evaluate.html import write_html
from wildsr.apps.evaluate.labels import contents_of
from wildsr.apps.evaluate.panels import embed, notes_of
from wildsr.apps.evaluate.tables import method_rows, strata_advice, strata_tables, tables_of
from wildsr.apps.evaluate.windows import Windows


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
