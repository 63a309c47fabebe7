"""The photographs of a run: which files, and how a damaged one is answered.

Shapes: H W image, uint8 (3, H, W) as `images.read_image` gives it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wildsr.data.selection import listed
from wildsr.images import find_images, read_image

CORRUPT_SHARE = 0.01  # above this share of damaged files a data set is not what its owner thinks it is


class Photographs:
    """Image files by number: `photographs[i]` decodes the i-th one, (3, H, W) uint8.

    A damaged file is named in a warning, counted, and replaced by the next readable one, so that the
    picture behind a number depends on the files alone.

    Args:
        root: a folder (searched with its sub-folders), or with `names` the folder they stand in.
        names: file names under `root`, or a file that lists them, one a line; None takes every image found there.
        keep: how many decoded pictures stay in memory, for sets smaller than that.
        hint: what to say where the folder is missing, such as the command that brings the data.

    Raises:
        ValueError: the folder is missing or holds no image, or `names` names what is not in it; on reading,
            nothing readable remains or more than 1 % of the files is damaged.
    """

    def __init__(
        self, root: str | Path, names: Sequence[str] | str | None = None, keep: int = 0, hint: str = ""
    ) -> None:
        root = Path(root).expanduser()
        if hint and not root.is_dir():
            raise ValueError(f"{root}: no such folder; {hint}")
        self.paths = find_images(root) if names is None else listed(root, names)
        # In shared memory: what one worker finds damaged counts for all, and is named once.
        self.corrupt = torch.zeros(len(self.paths), dtype=torch.bool).share_memory_()
        self._read = lru_cache(maxsize=keep)(read_image) if keep else read_image

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        if index >= len(self):
            raise IndexError(index)  # or a loop over the pictures would have no end
        last = Path()
        for step in range(len(self)):
            place = (index + step) % len(self)
            if self.corrupt[place]:
                continue
            try:
                image = self._read(self.paths[place])
            except ValueError as error:
                self.corrupt[place], last = True, self.paths[place]
                print(f"left out: {error}", file=sys.stderr)
                continue
            if last.name:
                check_share(int(self.corrupt.sum()), len(self), str(last))
            return image
        raise ValueError(f"none of {len(self)} image files is readable; the last one: {last}")

    def sides(self) -> np.ndarray:
        """The shortest side of every picture in pixels, by its header; 0 where that is not readable."""
        found = np.zeros(len(self), dtype=np.int64)
        for place, path in enumerate(self.paths):
            with suppress(OSError, Image.DecompressionBombError), Image.open(path) as picture:
                found[place] = min(picture.size)
        return found

    def smallest(self) -> tuple[int, Path]:
        """The shortest side, in pixels, among all files, and the file it belongs to; unreadable ones aside."""
        found = [(int(side), path) for side, path in zip(self.sides(), self.paths, strict=True) if side]
        return min(found, default=(0, Path()))


def check_share(damaged: int, total: int, last: str) -> None:
    """Stop where more pictures are damaged than a sound set has.

    Raises:
        ValueError: they are more than 1 %.
    """
    if damaged > CORRUPT_SHARE * total:
        raise ValueError(
            f"{damaged} of {total} pictures not readable, more than {CORRUPT_SHARE:.0%}; the last one: {last}"
        )


def sample_photographs(names: Sequence[str], keep: int = 16) -> Photographs:
    """Photographs that the scikit-image wheel carries, by file name: no download.

    Raises:
        ValueError: scikit-image is not installed, or has no such picture.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise ValueError("the sample photographs come with scikit-image; pip install scikit-image==0.26.0")
    folder = Path(package.origin).parent / "data"
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"scikit-image carries no picture {name!r}; wanted one of its data folder")
    return Photographs(folder, names, keep)
