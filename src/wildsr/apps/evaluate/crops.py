"""Windows of validation images as files: what the report of a run, and of several runs, shows.

`<run>/crops/crops.json` lists them; `<run>/crops/{lq,hq,bicubic,start}/`, `<run>/crops/references/<name>/` and
`<run>/<stage>/crops/` hold a PNG each, named after the set, the image's number and a digest of the LQ window: two runs'
files of one name were made from the same input.

Shapes: C = 1 or 3, H W image, h = H // scale, s side of the window. Images are float32 in [0, 1].
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wildsr.checks import check_type, checked_integer, checked_list
from wildsr.io import read_json, write_json

if TYPE_CHECKING:  # what reads windows, as a report does, needs no torch
    from torch import Tensor

    from wildsr.data import ValidationSet

CROPS, LIST = "crops", "crops.json"
LQ, HQ, BICUBIC, START = "lq", "hq", "bicubic", "start"  # folders of `crops`
REFERENCES = "references"
SIDE = 256  # HQ pixels: twice so wide, a window fills half of a screen and all of a phone's
AT_MOST = 8  # images of a run; five windows of 256 x 256 x 3 bytes each stay below 10 MB, however badly they compress
OF_A_SET = 4


@dataclass(frozen=True)
class Crop:
    """One window: image `index` of a validation set, `version` of the photograph `image`, with its recipe in words.

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


def chosen(sets: Mapping[str, ValidationSet], at_most: int = AT_MOST) -> list[tuple[str, int]]:
    """Choose what is shown, as (set, index): of each set the first images, each in its first version first."""
    each = min(OF_A_SET, max(1, at_most // max(1, len(sets))))
    found = []
    for name, images in sets.items():
        versions = {index: images.label(index).version for index in range(len(images))}
        found += [(name, index) for index in sorted(versions, key=versions.__getitem__)[:each]]
    return found[:at_most]


def reference_folder(run: Path, reference: str) -> Path:
    """Return where the windows of a network lie that a run is compared with; `reference` may be a path."""
    return run / CROPS / REFERENCES / re.sub(r"[^\w.-]+", "_", reference).strip("._")


def write_inputs(run: Path, name: str, index: int, images: ValidationSet, lq: Tensor, hq: Tensor | None) -> Crop:
    """Choose the window of an image, and write it of LQ (1, C, h, w), of bicubic and of HQ (1, C, H, W) or None.

    The window is the one with most detail in the HQ, or in bicubic where there is none: the same for every run.
    """
    import torch.nn.functional as F

    from wildsr.degradation.drawn import in_words
    from wildsr.images import most_detailed, to_uint8, write_image

    scale = images.scale
    bicubic = F.interpolate(lq, scale_factor=scale, mode="bicubic").clamp(0, 1)
    rows, columns = most_detailed((bicubic if hq is None else hq)[0].cpu(), SIDE, scale)
    small = lq[0, :, rows.start // scale : rows.stop // scale, columns.start // scale : columns.stop // scale]
    digest = hashlib.sha256(to_uint8(small).cpu().contiguous().numpy().tobytes()).hexdigest()[:12]
    window = (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
    recipe = images[index].params
    crop = Crop(name, index, *images.label(index), window, digest, "" if recipe is None else in_words(recipe))
    write_image(small, run / CROPS / LQ / crop.file)
    write_crop(run / CROPS / BICUBIC, crop, bicubic[0])
    if hq is not None:
        write_crop(run / CROPS / HQ, crop, hq[0])
    return crop


def write_crop(folder: Path, crop: Crop, image: Tensor) -> None:
    """Write the window of one method's image, (C, H, W)."""
    from wildsr.images import write_image

    write_image(image[:, *crop.slices], folder / crop.file)


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
