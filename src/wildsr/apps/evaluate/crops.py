"""Windows of validation images as files: what the report of a run, and of several runs, shows.

`<run>/crops/crops.json` lists them; `<run>/crops/{lq,hq,bicubic,start}/`, `<run>/crops/references/<name>/` and
`<run>/<stage>/crops/` hold a PNG each, named after the set, the image's number and a digest of the LQ window: two runs'
files of one name were made from the same input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wildsr.checks import check_type, checked_integer, checked_list
from wildsr.io import read_json, write_json

CROPS, LIST = "crops", "crops.json"
LQ, HQ, BICUBIC, START = "lq", "hq", "bicubic", "start"  # folders of `crops`
REFERENCES = "references"


@dataclass(frozen=True)
class Crop:
    """One window: image `index` of a validation set, `version` of the photograph `picture`, with its recipe in words.

    `window` is top, left, height and width in HQ pixels. The fields are the keys of crops.json.
    """

    set: str
    index: int
    picture: str
    version: int
    window: Sequence[int]
    digest: str
    recipe: str

    def __post_init__(self) -> None:
        for key, kind in (("set", str), ("index", int), ("picture", str), ("version", int)):
            check_type(self, key, kind)
        window = tuple(checked_integer("window", side, 0, 10**6) for side in checked_list("window", self.window))
        object.__setattr__(self, "window", window)
        for key in ("digest", "recipe"):
            check_type(self, key, str)
        if not (re.fullmatch(r"[\w-]+", self.set) and re.fullmatch(r"[0-9a-f]{12}", self.digest)):
            raise ValueError(f"set {self.set!r}, digest {self.digest!r}: wanted a word and twelve hexadecimal digits")
        if len(self.window) != 4:
            raise ValueError(f"window {self.window!r}: wanted four whole numbers")

    @property
    def file(self) -> str:
        return f"{self.set}_{self.index:05d}_{self.digest}.png"

    @property
    def slices(self) -> tuple[slice, slice]:
        top, left, height, width = self.window
        return slice(top, top + height), slice(left, left + width)


def reference_folder(run: Path, reference: str) -> Path:
    """Return where the windows of a network lie that a run is compared with; `reference` may be a path."""
    return run / CROPS / REFERENCES / re.sub(r"[^\w.-]+", "_", reference).strip("._")


def write_list(run: Path, crops: Sequence[Crop]) -> None:
    """Write which windows there are, in the order of the pages."""
    write_json([asdict(crop) for crop in crops], run / CROPS / LIST)


def read_crops(run: Path) -> list[Crop]:
    """Read the windows that a run has written; none where it has no list.

    Raises:
        UserError: the list is damaged.
    """
    return read_json(run / CROPS / LIST, lambda entries: [Crop(**entry) for entry in entries], absent=[])


def crop_file(run: Path, folder: Path, crop: Crop) -> Path | None:
    """Return where a window lies; None where there is none, or a link leads out of the run."""
    file = folder / crop.file
    return file if file.is_file() and file.resolve().is_relative_to(run.resolve()) else None
