"""Windows of the images that are evaluated: what a page and comparison.png show of them.

Shapes: C = 1 or 3, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from wildsr.apps.common.drawn import in_words
from wildsr.apps.evaluate.crops import BICUBIC, CROPS, HQ, LQ, Crop, write_list
from wildsr.apps.evaluate.labels import method_label
from wildsr.apps.evaluate.panels import Notes, Panel, Source, panels_of
from wildsr.data import ValidationSet
from wildsr.images import most_detailed, to_uint8, write_image
from wildsr.images.sheets import GAP, NAMES, PAPER, Cell, sheet
from wildsr.training.pairs import ValidationPair

SIDE = 256  # HQ pixels: twice so wide, a window fills half of a screen and all of a phone's
AT_MOST = 8  # images of a run; five windows of 256 x 256 x 3 bytes each stay below 10 MB, however badly they compress
OF_A_SET = 4
ZOOM = 2  # times the sides of a window in the comparison, where there is room
WIDTH = 1600  # pixels of the comparison at most: what a screen shows whole


class Windows:
    """The windows of some images, written to a folder while the images are evaluated.

    Args:
        folder: of LQ, bicubic and HQ.
        methods: the folder of each other method's windows; its name may be a path.
        sets: what images are chosen from.
        at_most: how many images are shown.

    Attributes:
        chosen: the images that are shown, as (set, index).
    """

    def __init__(
        self, folder: Path, methods: Mapping[str, Path], sets: Mapping[str, ValidationSet], at_most: int = AT_MOST
    ) -> None:
        self.folder, self.methods, self.chosen = folder, dict(methods), chosen(sets, at_most)
        self.crops: dict[tuple[str, int], Crop] = {}

    def write(
        self, name: str, index: int, images: ValidationSet, pair: ValidationPair, outputs: Mapping[str, Tensor]
    ) -> None:
        """Write the window with most detail of image `index` of the set `name`.

        Args:
            outputs: method -> (1, C, H, W); those of bicubic and of the input are written once, with the first.
        """
        crop = self.crops.get((name, index)) or write_inputs(self.folder, name, index, images, pair.lq, pair.hq)
        self.crops[name, index] = crop
        for method in self.methods.keys() & outputs.keys():
            write_crop(self.methods[method], crop, outputs[method][0])

    def write_list(self) -> None:
        """Write the list of the windows, for the report of a run."""
        write_list(self.folder, list(self.crops.values()))

    def panels(self, notes: Mapping[str, Notes]) -> list[Panel]:
        """Return a panel a window: LQ, bicubic, each method, HQ."""
        methods = [
            Source(method_label(method), self.folder, folder, notes.get(method, {}))
            for method, folder in self.methods.items()
        ]
        return panels_of(self.folder, list(self.crops.values()), methods, notes)

    def comparison(self, notes: Mapping[str, Notes]) -> Image.Image:
        """Lay out a row a window and a column a method, at most WIDTH wide, without smoothing, so that pixels show.

        Args:
            notes: what stands below a method's window, by method.
        """
        panels = self.panels(notes)
        heads = list(dict.fromkeys(version.label for panel in panels for version in panel.versions))
        heads.sort(key=lambda head: head == "HQ")  # a set without HQ may have been the first
        room = (WIDTH - NAMES - GAP * (len(heads) + 2)) // len(heads)
        rows: list[list[Cell]] = []
        for panel in panels:
            cells = {
                version.label: (fitted(version.file, panel.crop, room), version.note) for version in panel.versions
            }
            rows.append([cells.get(head, (Image.new("RGB", (1, 1), PAPER), "")) for head in heads])
        return sheet(rows, heads=heads, names=[panel.title for panel in panels])


def fitted(file: Path, crop: Crop, room: int) -> Image.Image:
    """Open a window at a whole multiple of its HQ size that fits `room` pixels; else the middle of its HQ size."""
    _, _, height, width = crop.window
    zoom = max(1, min(ZOOM, room // width))
    with Image.open(file) as window:
        image = window.convert("RGB").resize((zoom * width, zoom * height), Image.Resampling.NEAREST)
    sides = [min(side, room) for side in image.size]
    left, top = ((side - kept) // 2 for side, kept in zip(image.size, sides, strict=True))
    return image.crop((left, top, left + sides[0], top + sides[1]))


def chosen(sets: Mapping[str, ValidationSet], at_most: int = AT_MOST) -> list[tuple[str, int]]:
    """Choose what is shown, as (set, index): of each set the first images, each in its first version first."""
    each = min(OF_A_SET, max(1, at_most // max(1, len(sets))))
    found = []
    for name, images in sets.items():
        versions = {index: images.label(index).version for index in range(len(images))}
        found += [(name, index) for index in sorted(versions, key=versions.__getitem__)[:each]]
    return found[:at_most]


def write_inputs(run: Path, name: str, index: int, images: ValidationSet, lq: Tensor, hq: Tensor | None) -> Crop:
    """Choose the window of an image, and write it of LQ (1, C, h, w), of bicubic and of HQ (1, C, H, W) or None.

    The window is the one with most detail in the HQ, or in bicubic where there is none: the same for every run.
    """
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
    write_image(image[:, *crop.slices], folder / crop.file)
