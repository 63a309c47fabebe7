"""Windows of the images that are evaluated: what a page and comparison.png show of them.

Shapes: C = 1 or 3, H W image, h = H // scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from torch import Tensor

from wildsr.apps.evaluate.crops import (
    AT_MOST,
    BICUBIC,
    CROPS,
    HQ,
    LQ,
    Crop,
    chosen,
    write_crop,
    write_inputs,
    write_list,
)
from wildsr.apps.evaluate.panels import Notes, Panel, panels_of
from wildsr.data import ValidationSet
from wildsr.images.sheets import sheet
from wildsr.training.pairs import ValidationPair

ZOOM = 2  # times the sides of a window in the comparison


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

    def panels(self, notes: Notes) -> list[Panel]:
        """Return a panel a window: LQ, bicubic, each method, HQ."""
        inputs = {label: self.folder / CROPS / folder for label, folder in (("LQ", LQ), ("bicubic", BICUBIC))}
        folders = inputs | self.methods | {"HQ": self.folder / CROPS / HQ}
        return panels_of(self.folder, list(self.crops.values()), folders, notes)

    def comparison(self) -> Image.Image:
        """Lay out a row a window, enlarged for the eye, and without smoothing, so that pixels show."""
        rows = []
        for panel in self.panels({}):
            captions = {"LQ": f"input: {panel.crop.set}, {panel.crop.picture}", "HQ": "original"}
            _, _, height, width = panel.crop.window
            row = []
            for version in panel.versions:
                with Image.open(version.file) as window:
                    enlarged = window.resize((ZOOM * width, ZOOM * height), Image.Resampling.NEAREST)
                row.append((enlarged, captions.get(version.label, version.label)))
            rows.append(row)
        return sheet(rows)
