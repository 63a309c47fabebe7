"""Results of a judgement so far, kept in its folder: the same judgement goes on where it was interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wildsr.apps.evaluate.evaluator import Score
from wildsr.apps.evaluate.results import (
    COMPARISON,
    IMAGES,
    MEANS,
    PAGE,
    SCORES,
    STRATA,
    read_scores,
    score_row,
)
from wildsr.data import ValidationSet
from wildsr.data.validation import Label
from wildsr.images import write_whole
from wildsr.io import UserError, write_rows

SETTINGS = "settings.json"
FILES = (SETTINGS, SCORES, MEANS, IMAGES, STRATA, COMPARISON, PAGE)
EVERY = 10.0  # seconds between two writings of the scores: what a power cut costs


class Ledger:
    """The scores of a judgement by set and picture, written to images.csv now and then.

    Args:
        folder: the judgement's.
        settings: all that decides the scores, as JSON has it; scores found with other settings are not taken over.
        overwrite: start anew, whatever there is.

    Raises:
        UserError: the folder holds a judgement with other settings, or files of these names that are none.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], overwrite: bool = False) -> None:
        self.folder, self.settings = folder, settings
        self.found: dict[tuple[str, Label], list[Score]] = {}
        self.written = time.monotonic()
        self.outdated = [folder / name for name in FILES if (folder / name).exists()]
        if self.outdated and not overwrite:
            self._take_over(self.outdated, settings)
            self.outdated = []

    def _take_over(self, there: Sequence[Path], settings: dict[str, Any]) -> None:
        if there[0].name != SETTINGS:
            raise UserError(f"{there[0]} is there already; --overwrite replaces it")
        try:
            before = json.loads(there[0].read_text())
            other = [key for key in settings if before.get(key) != settings[key]]
        except (ValueError, AttributeError) as error:
            raise UserError(f"{there[0]}: damaged; --overwrite replaces it") from error
        if other:
            raise UserError(f"{self.folder} holds a judgement with other {', '.join(other)}; --overwrite replaces it")
        for score in read_scores(self.folder / IMAGES) if self.folder / IMAGES in there else []:
            self.found.setdefault((score.set, Label(score.picture, score.version)), []).append(score)

    def has(self, name: str, label: Label) -> bool:
        """Return whether a picture of the set `name` has been judged."""
        return (name, label) in self.found

    def is_complete(self, sets: Mapping[str, ValidationSet]) -> bool:
        """Return whether all of the sets has been judged and written."""
        written = not self.outdated and (self.folder / PAGE).is_file()  # which is written last
        return written and all(key in self.found for key in keys_of(sets))

    def add(self, name: str, label: Label, scores: list[Score]) -> None:
        """Keep the scores of a picture."""
        self.found[name, label] = scores
        if time.monotonic() - self.written > EVERY:
            self.write()

    def scores(self, sets: Mapping[str, ValidationSet]) -> list[Score]:
        """Return all scores so far, in the order of the sets and their pictures."""
        return [score for key in keys_of(sets) for score in self.found.get(key, [])]

    def write(self) -> None:
        """Write images.csv, if there is anything to write; before the first time clear the folder for it."""
        self.written = time.monotonic()
        if not self.found:
            return
        for file in self.outdated:
            file.unlink()
        self.outdated = []
        if not (self.folder / SETTINGS).exists():
            content = json.dumps(self.settings, indent=1).encode()
            write_whole(self.folder / SETTINGS, lambda file: file.write(content))
        rows = [score_row(score, self.settings["metrics"]) for scores in self.found.values() for score in scores]
        write_rows(rows, self.folder / IMAGES)


def keys_of(sets: Mapping[str, ValidationSet]) -> list[tuple[str, Label]]:
    """Yield every picture of every set."""
    return [(name, pictures.label(index)) for name, pictures in sets.items() for index in range(len(pictures))]
