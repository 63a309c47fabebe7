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

from PIL import Image
from torch import Tensor

from wildsr.images import find_images, read_image

CORRUPT_SHARE = 0.01  # above this share of damaged files a data set is not what its owner thinks it is


class Photographs:
    """Image files by number: `photographs[i]` decodes the i-th one, (3, H, W) uint8.

    A damaged file is named in a warning, counted, and replaced by the next readable one, so that the
    picture behind a number depends on the files alone.

    Args:
        root: a folder (searched with its sub-folders), or with `names` the folder they stand in.
        names: file names under `root`; None takes every image found there.
        keep: how many decoded pictures stay in memory, for sets smaller than that.
        hint: what to say where the folder is missing, such as the command that brings the data.

    Raises:
        ValueError: the folder is missing or holds no image; on reading, nothing readable remains or
            more than 1 % of the files is damaged.
    """

    def __init__(self, root: str | Path, names: Sequence[str] | None = None, keep: int = 0, hint: str = "") -> None:
        root = Path(root).expanduser()
        if hint and not root.is_dir():
            raise ValueError(f"{root}: no such folder; {hint}")
        self.paths = find_images(root) if names is None else [root / name for name in names]
        self.corrupt: set[Path] = set()
        self._read = lru_cache(maxsize=keep)(read_image) if keep else read_image

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        last = Path()
        for step in range(len(self)):
            path = self.paths[(index + step) % len(self)]
            if path in self.corrupt:
                continue
            try:
                image = self._read(path)
            except ValueError as error:
                self.corrupt.add(path)
                last = path
                print(f"left out: {error}", file=sys.stderr)
                continue
            if len(self.corrupt) > CORRUPT_SHARE * len(self):
                raise ValueError(
                    f"{len(self.corrupt)} of {len(self)} image files not readable, more than "
                    f"{CORRUPT_SHARE:.0%}; the last one: {last}"
                )
            return image
        raise ValueError(f"none of {len(self)} image files is readable; the last one: {last}")

    def smallest(self) -> tuple[int, Path]:
        """The shortest side, in pixels, among all files, and the file it belongs to; unreadable ones aside."""
        found = []
        for path in self.paths:
            with suppress(OSError, Image.DecompressionBombError), Image.open(path) as picture:
                found.append((min(picture.size), path))
        return min(found, default=(0, Path()))


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
