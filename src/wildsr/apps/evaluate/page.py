"""The page of a judgement: methods by sets, the same windows of all methods, and where each is weak."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from wildsr.apps.evaluate.crops import CROPS, HQ, LQ, Crop, keep, keep_inputs
from wildsr.apps.evaluate.html import panel_of, render
from wildsr.apps.evaluate.pictures import Panel, Version, embed, notes_of
from wildsr.apps.evaluate.results import IMAGES, SCORES, STRATA
from wildsr.apps.evaluate.tables import Row, read_table, strata_of, tables_of
from wildsr.data import ValidationSet
from wildsr.images import write_whole
from wildsr.scores import read_scores


class Windows:
    """The windows that the page shows, written to a folder while the pictures are judged.

    Args:
        folder: for as long as the page is not written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: list[tuple[Crop, list[str]]] = []

    def keep(
        self,
        name: str,
        index: int,
        pictures: ValidationSet,
        lq: Tensor,
        hq: Tensor | None,
        results: Mapping[str, Tensor],
    ) -> None:
        """Keep the window with most detail of picture `index` of the set `name`.

        Args:
            lq: (1, C, h, w).
            hq: (1, C, H, W), or None.
            results: method -> (1, C, H, W).
        """
        crop = keep_inputs(self.folder, name, index, pictures, pictures.scale, lq, hq)
        for number, sr in enumerate(results.values()):
            keep(self._place(number), crop, sr[0])
        self.kept.append((crop, list(results)))

    def panels(self, notes: Mapping[tuple[str, str, str, str], str]) -> list[Panel]:
        """Return a panel a window: LQ, each method, HQ; LQ beside the last method at first."""
        inputs, panels = self.folder / CROPS, []
        for crop, methods in self.kept:
            versions = [Version("LQ", inputs / LQ / crop.file)]
            for number, method in enumerate(methods):
                note = notes.get((crop.set, crop.picture, str(crop.version), method), "")
                versions.append(Version(method, self._place(number) / crop.file, note))
            if (inputs / HQ / crop.file).is_file():
                versions.append(Version("HQ", inputs / HQ / crop.file))
            panels.append(panel_of(crop, versions, 0, len(methods)))
        return panels

    def _place(self, number: int) -> Path:
        return self.folder / CROPS / str(number)  # a method's name may be a path


def write_judgement(folder: Path, windows: Windows, settings: Mapping[str, Any], file: Path) -> None:
    """Write the page of a judgement, whole or not at all, from what it has left in its folder.

    Args:
        folder: with scores.json, images.csv and, where recipes are known, strata.csv.
        settings: of the judgement: `weights`, `sets` and further ones.

    Raises:
        UserError: a file is damaged.
        OSError: the page cannot be written.
    """
    scores = read_scores(folder / SCORES)
    text = render(
        "judgement.html",
        title=folder.resolve().name,
        methods=list(scores),
        settings=settings,
        tables=tables_of([Row(method, [figures]) for method, figures in scores.items()]),
        found=embed(windows.panels(notes_of(read_table(folder / IMAGES)))),
        strata=strata_of(read_table(folder / STRATA)),
    )
    write_whole(file, lambda stream: stream.write(text.encode()))
