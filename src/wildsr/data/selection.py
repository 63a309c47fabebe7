"""Selection of the images that a run takes: those that a list names, those that are large enough."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Subset

from wildsr.io import UserError, expanded

log = logging.getLogger(__name__)


def names_of(names: Sequence[str] | str) -> list[str]:
    """Return names as they are, or out of a file that lists them, one a line; empty lines are passed over.

    Raises:
        UserError: the file is missing or no text, or nothing is named.
    """
    found = names
    if isinstance(names, str):
        try:
            found = [line.strip() for line in expanded(names).read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{names}: no readable list, wanted a text file, a name a line ({error})") from None
    if not found:
        raise UserError(f"names: given {names or 'nothing'}, which names no image; wanted one at least")
    return list(found)


def listed(root: Path, names: Sequence[str] | str) -> list[Path]:
    """List the files under `root` that are named, in that order; `names` as `names_of` takes them.

    Links under `root` are followed, wherever they lead.

    Raises:
        UserError: a file is missing, or a name leads out of the folder.
    """
    paths = []
    for name in names_of(names):
        path = root / name
        if not _stands_in(root, path):
            raise UserError(f"{name}: given as an image in {root}, and leads out of it")
        if not path.is_file():
            raise UserError(f"{path}: no such file; wanted every image that the list names")
        paths.append(path)
    return paths


def _stands_in(root: Path, path: Path) -> bool:
    """Return whether a path leads into a folder by its own words: a link there may lead on, `..` may not lead out."""
    if path.is_relative_to(root) and ".." not in path.relative_to(root).parts:
        return True
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


class Selection(Subset[Tensor]):
    """Give some of other images, by numbers of their own, under the names that they have there."""

    dataset: Any

    def name(self, index: int) -> str:
        """Return the name of the image behind a number."""
        return str(self.dataset.name(self.indices[index]))


def large_enough(images: Any, side: int) -> Any:
    """Return `images` without those whose shortest side is below `side` pixels; how many that are is logged.

    Images whose size cannot be read stay: they are named and counted when it is their turn.

    Args:
        images: images that know their names and `sides`: Photographs, a Store.

    Raises:
        UserError: none is large enough.
    """
    sides = images.sides()
    selected = np.flatnonzero((sides >= side) | (sides == 0))
    if not selected.size:
        raise UserError(f"data.undersized=leave_out leaves nothing: all {len(sides)} images are below {side} pixels")
    if selected.size == len(sides):
        return images
    log.warning("left out: %d of %d images, below %d pixels a side", len(sides) - selected.size, len(sides), side)
    return Selection(images, selected.tolist())
