"""Scores found so far, saved in the folder of an evaluation: it goes on where it was interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wildsr.apps.evaluate.evaluator import ImageScores
from wildsr.apps.evaluate.files import COMPARISON, IMAGES, MEANS, PAGE, SCORES, STRATA
from wildsr.apps.evaluate.results import read_image_scores, score_row
from wildsr.data import ValidationSet
from wildsr.data.validation import Label
from wildsr.io import UserError, write_json, write_rows

SETTINGS = "settings.json"
FILES = (SETTINGS, SCORES, MEANS, IMAGES, STRATA, COMPARISON, PAGE)
EVERY = 10.0  # seconds between two writings of the scores: what a power cut costs


class SavedScores:
    """The scores of an evaluation by set and image, written to images.csv now and then.

    Args:
        folder: the evaluation's.
        settings: all that decides the scores, as JSON has it; scores found with other settings are not taken over.
        overwrite: start anew, whatever there is.

    Raises:
        UserError: the folder holds an evaluation with other settings, or files of these names that are none.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], overwrite: bool = False) -> None:
        self.folder, self.settings = folder, settings
        self.found: dict[tuple[str, Label], list[ImageScores]] = {}
        self.written = time.monotonic()
        self.outdated = [folder / name for name in FILES if (folder / name).exists()]
        if self.outdated and not overwrite:
            self._take_over(self.outdated)
            self.outdated = []

    def _take_over(self, there: Sequence[Path]) -> None:
        if there[0].name != SETTINGS:
            raise UserError(f"{there[0]} already exists (use --overwrite)")
        try:
            before = json.loads(there[0].read_text(encoding="utf-8"))
            other = [key for key in self.settings if before.get(key) != self.settings[key]]
        except (ValueError, AttributeError) as error:
            raise UserError(f"{there[0]}: damaged; --overwrite replaces it") from error
        if other:
            raise UserError(f"{self.folder} holds an evaluation with other {', '.join(other)}; --overwrite replaces it")
        for one in read_image_scores(self.folder / IMAGES) if self.folder / IMAGES in there else []:
            self.found.setdefault((one.set, Label(one.image, one.version)), []).append(one)

    def is_complete(self, sets: Mapping[str, ValidationSet]) -> bool:
        """Return whether all of the sets has been evaluated and written."""
        written = not self.outdated and (self.folder / PAGE).is_file()  # which is written last
        return written and all(key in self.found for key in keys_of(sets))

    def add(self, name: str, label: Label, found: list[ImageScores]) -> None:
        """Add the scores of an image."""
        self.found[name, label] = found
        if time.monotonic() - self.written > EVERY:
            self.write()

    def of(self, sets: Mapping[str, ValidationSet]) -> list[ImageScores]:
        """Return all scores so far, in the order of the sets and their images."""
        return [one for key in keys_of(sets) for one in self.found.get(key, [])]

    def write(self) -> None:
        """Write images.csv, if there is anything to write; before the first time clear the folder for it."""
        self.written = time.monotonic()
        if not self.found:
            return
        for file in self.outdated:
            file.unlink()
        self.outdated = []
        if not (self.folder / SETTINGS).exists():
            write_json(self.settings, self.folder / SETTINGS)
        rows = [score_row(one, self.settings["metrics"]) for found in self.found.values() for one in found]
        write_rows(rows, self.folder / IMAGES)


def keys_of(sets: Mapping[str, ValidationSet]) -> list[tuple[str, Label]]:
    """Return every image of every set."""
    return [(name, images.label(index)) for name, images in sets.items() for index in range(len(images))]
