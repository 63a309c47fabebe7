"""A store while it is built: levels are added to NAME.part, and NAME appears when it is whole.

What is there is never written over: a run that reads a store loses nothing where images are added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wildsr.apps.prepare.cutting import Outcome, copies, pieces
from wildsr.apps.prepare.plan import Plan
from wildsr.data.store import HEADER, Store, write_frame


class Packing:
    """The file that becomes a store.

    Args:
        target: NAME.

    Raises:
        UserError: NAME is there already and no sound store.
    """

    def __init__(self, target: Path) -> None:
        self.target, self.part = target, target.with_name(f"{target.name}.part")
        if target.exists():
            Store(target)
        there = self.part if self.part.exists() else target
        self.length = there.stat().st_size if there.exists() else 0

    @property
    def is_complete(self) -> bool:
        return self.target.exists() and not self.part.exists()

    def holds(self, outcome: Outcome, plan: Plan | None) -> bool:
        """Return whether an image's levels are in the file: after a power cut it may be shorter than known."""
        made = copies(outcome.width, outcome.height, plan.scales if plan else ())
        return HEADER + outcome.start + sum(3 * width * height for _, width, height in made) <= self.length

    def add(self, outcome: Outcome, planes: Iterable[np.ndarray]) -> Outcome:
        """Write the copies of an image, each (3, H, W) uint8; returns the outcome with the place of the first."""
        self._open()
        with self.part.open("ab") as file:
            file.write(bytes(max(HEADER - file.tell(), 0)))
            start = file.tell() - HEADER
            for copy in planes:
                file.write(copy.data)
        return replace(outcome, start=start)

    def finish(self, images: Iterable[tuple[str, Outcome, Plan | None]]) -> int:
        """Write the index, in the order that the files of a folder have, and give the store its name.

        Args:
            images: the key of each one, what became of it, and how it is cut.

        Returns:
            How many images are in the store.
        """
        rows: list[tuple[str, Sequence[int]]] = []
        for key, outcome, plan in images:
            start = outcome.start
            for width, height, cut in pieces(key, outcome.width, outcome.height, plan):
                for path, (left, top, right, bottom) in cut:
                    name = path.removeprefix("train/")
                    rows.append((name, (start + top * width + left, bottom - top, right - left, width, width * height)))
                start += 3 * width * height
        rows.sort(key=lambda row: row[0].split("/"))
        self._open()
        with self.part.open("r+b") as file:
            write_frame(file, np.array([row for _, row in rows]), [name for name, _ in rows])
        self.part.replace(self.target)
        return len(rows)

    def _open(self) -> None:
        if self.is_complete:
            self.target.replace(self.part)
