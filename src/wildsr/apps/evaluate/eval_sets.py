"""The sets of `wildsr evaluate`, as words name them: NAME=LQ, NAME=LQ:HQ, NAME=synthetic:HQ, photos, hard."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mode
from typing import TYPE_CHECKING

from wildsr.config import build, compose_config
from wildsr.images import file_state, image_size
from wildsr.io import UserError, choose_from, expanded
from wildsr.scores import MAIN

if TYPE_CHECKING:  # sets are named without torch, and opened with it
    from wildsr.data import PairedFiles, ValidationSet

BUILT_IN = ("photos", "hard")  # the validation sets of conf/data/photos.yaml: its main one, and the hard cases
SYNTHETIC = "synthetic"


class UnpairedError(UserError):
    """Folders of LQ and HQ whose files do not pair: `faults` has a line for each."""

    def __init__(self, faults: list[str], pairs: int, name: str) -> None:
        super().__init__(f"{name}: {len(faults)} of {pairs} do not pair; nothing was evaluated")
        self.faults = faults


@dataclass(frozen=True)
class EvalSet:
    """A set as the command line names it.

    Args:
        name: of the set.
        kind: built-in; synthetic (hq alone), paired or real (lq alone).
        lq, hq: folders.
    """

    name: str
    kind: str
    lq: Path | None = None
    hq: Path | None = None

    @property
    def has_hq(self) -> bool:
        return self.kind != "real"

    def open(
        self, scale: int, recipes: int | None = None, lq_ending: str = "", hq_ending: str = "", channels: int = 3
    ) -> ValidationSet:
        """Open the set; damaged files are in it, and refused when it is their turn.

        Args:
            scale: of a set that has none of its own: all but the paired ones.
            recipes: versions of each image of a synthetic set, and of photos; None: 1, and 4 for photos.
            lq_ending, hq_ending: of the files' names in a paired set, as `paired_folders` takes them.
            channels: of the images, 1 (grey) or 3 (RGB).

        Raises:
            ValueError: a folder is missing or empty, or its files do not pair (UnpairedError).
        """
        from wildsr.data import PairedImages, Photographs, RealImages, validation_set

        if self.kind == "built-in":
            data = compose_config(["data=photos", f"scale={scale}"]).data
            if self.name == "hard":
                target = {"_target_": "wildsr.data.validation_set", "scale": scale, "channels": channels}
                hard: ValidationSet = build(data.sets.hard, "data.sets.hard", **target)
                return hard
            photos = build(data.val, "data.val")
            return validation_set(scale, hq=photos, recipes=recipes or data.val_recipes, channels=channels)
        if self.lq is not None and self.hq is not None:
            return PairedImages(self._pairs(self.lq, self.hq, lq_ending, hq_ending), channels)
        if self.hq is not None:
            return validation_set(
                scale, hq=Photographs(self.hq, replace=False), recipes=recipes or 1, channels=channels
            )
        assert self.lq is not None
        return RealImages(Photographs(self.lq, replace=False), scale, channels)

    def _pairs(self, lq: Path, hq: Path, lq_ending: str, hq_ending: str) -> PairedFiles:
        """Return all pairs, at the scale of most of them."""
        from wildsr.data import PairedFiles, find_pairs, pair_fault

        found = find_pairs(lq, hq, lq_ending, hq_ending)
        pairs = {name: (one, other) for name, (one, other) in found.items() if one and other}
        ratios = {
            name: image_size(pair[1])[0] // image_size(pair[0])[0] for name, pair in pairs.items() if readable(pair)
        }
        if pairs and not ratios:
            raise UserError(f"{self.name}: none of {len(pairs)} pairs is readable")
        scale = max(mode(ratios.values()), 1) if ratios else 1
        # What cannot be read stays, to be named when it is its turn; what can be has to be a pair.
        looked = [found[name] for name in found if name in ratios or name not in pairs]
        faults = [fault for pair in looked if (fault := pair_fault(*pair, scale))]
        if faults:
            raise UnpairedError(faults, len(found), self.name)
        return PairedFiles(pairs, scale, replace=False)


def read_set(word: str) -> EvalSet:
    """Read a set out of a word of the command line.

    Raises:
        ValueError: it is none; one line.
    """
    if word in BUILT_IN:
        return EvalSet(word, "built-in")
    name, equals, place = word.partition("=")
    if not (equals and place):
        forms = ("NAME=LQ_DIR", "NAME=LQ_DIR:HQ_DIR", f"NAME={SYNTHETIC}:HQ_DIR")
        raise UserError(f"{word!r} given; {choose_from((*BUILT_IN, *forms))}")
    if name in (MAIN, *BUILT_IN) or not re.fullmatch(r"[\w-]+", name):
        taken = ", ".join((MAIN, *BUILT_IN))
        raise UserError(f"{word!r} given, wanted another name than {taken}, of letters, digits, _ and -")
    folders = split_folders(place)
    if len(folders) == 1:
        return EvalSet(name, "real", lq=expanded(place))
    if not all(folders):
        raise UserError(f"{word!r} given, wanted two folders around the colon")
    first, second = folders
    if first == SYNTHETIC:
        return EvalSet(name, SYNTHETIC, hq=expanded(second))
    return EvalSet(name, "paired", expanded(first), expanded(second))


def split_folders(place: str) -> list[str]:
    """Divide LQ_DIR:HQ_DIR at the colon that has a folder on both sides, else at the first, or at `::`.

    A folder's own name may hold a colon, as on Windows each does that begins with a drive's letter.

    Raises:
        UserError: there are folders on both sides of several colons.
    """
    if expanded(place).is_dir():
        return [place]
    if place.startswith(f"{SYNTHETIC}:"):
        return place.split(":", 1)
    if "::" in place:
        return place.split("::", 1)
    begin = len(os.path.splitdrive(place)[0])
    colons = [match.start() for match in re.finditer(":", place) if match.start() >= begin]
    pairs = [[place[:colon], place[colon + 1 :]] for colon in colons]
    there = [pair for pair in pairs if all(part and expanded(part).is_dir() for part in pair)]
    if len(there) > 1:
        raise UserError(f"{place!r} given, which may be several pairs of folders; {choose_from(map('::'.join, there))}")
    return (there or pairs or [[place]])[0]


def readable(paths: Iterable[Path]) -> bool:
    """Return whether the headers of all files can be read."""
    with suppress(ValueError):
        return all(image_size(path) for path in paths)
    return False


def set_digest(images: ValidationSet) -> str:
    """Return a digest that changes with the files of a set, by their names, sizes and times, and with its recipes."""
    from wildsr.data import PairedImages, Pairs

    paths: Iterable[Path] = ()
    recipes = ""
    if isinstance(images, PairedImages):
        paths = (path for pair in images.files.paths for path in pair)
    else:
        paths = getattr(images.images, "paths", ())
    if isinstance(images, Pairs):
        recipes = f"{images.spec} {images.recipes} {images.seed}"
    lines = [f"{path} {state.st_size} {state.st_mtime_ns}" for path in paths for state in [file_state(path)]]
    return hashlib.sha256("\n".join([recipes, *lines]).encode(errors="surrogateescape")).hexdigest()
