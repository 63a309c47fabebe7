"""Names of the files of an evaluation and of its rows, and how metrics of a user's own are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wildsr.io import read_json, write_json
from wildsr.scores import Displays, MetricDisplay

SCORES, IMAGES, STRATA, COMPARISON = "scores.json", "images.csv", "strata.csv", "comparison.png"
BICUBIC = "bicubic"  # the method that all others are compared with
MEANS, PAGE = "means.csv", "index.html"  # of `wildsr evaluate`: scores.json for spreadsheets, and all of it to look at
DISPLAYS = "metrics.json"  # how metrics of a user's own are shown; a run without any has none


def stage_row(stage: str) -> str:
    """Return the name that a stage of a run has as a method."""
    return f"{stage} stage"


def start_row(weights: str) -> str:
    """Return the name that the weights which a run began with have as a method."""
    return f"{weights} (start)"


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
