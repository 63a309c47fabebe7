"""The photographs of a run: which files, and how a damaged one is answered.

Shapes: H W image, uint8 (3, H, W) as `images.read_image` gives it.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from wildsr.data.selection import listed
from wildsr.images import find_images, image_size, read_image
from wildsr.io import UserError, expanded

log = logging.getLogger(__name__)

CORRUPT_SHARE = 0.01  # above this share of damaged files a data set is not what its owner thinks it is
Read = TypeVar("Read")


class Photographs:
    """Decode image files by number: `photographs[i]` is the i-th one, (3, H, W) uint8.

    A damaged file is named in a warning, counted, and replaced by the next readable one, so that the
    image behind a number depends on the files alone.

    Args:
        root: a folder (searched with its sub-folders), or with `names` the folder they stand in.
        names: file names under `root`, or a file that lists them, one a line; None takes every image found there.
        cache_size: how many decoded images stay in memory, for sets smaller than that.
        hint: what to say where the folder is missing, such as the command that brings the data.
        replace: how a damaged file is answered; False refuses it by name, as an evaluation wants it.

    Raises:
        UserError: the folder is missing or holds no image, or `names` names what is not in it; on reading,
            nothing readable remains or more than 1 % of the files is damaged.
    """

    def __init__(
        self,
        root: str | Path,
        names: Sequence[str] | str | None = None,
        cache_size: int = 0,
        hint: str = "",
        replace: bool = True,
    ) -> None:
        self.root = expanded(root)
        if hint and not self.root.is_dir():
            raise UserError(f"{self.root}: no such folder; {hint}")
        self.paths = find_images(self.root) if names is None else listed(self.root, names)
        self.cache_size = cache_size
        self.corrupt = corrupt_mask(len(self.paths)) if replace else None
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return first_readable(self._read, index, len(self), self.corrupt)

    def _read(self, index: int) -> Tensor:
        if index in self._kept:
            return self._kept[index]
        image = read_image(self.paths[index])
        if len(self._kept) < self.cache_size:
            self._kept[index] = image
        return image

    def name(self, index: int) -> str:
        """Return the file behind a number, as a path under the root; once read, a damaged one's replacement."""
        place = index
        if self.corrupt is not None:
            steps = ((index + step) % len(self) for step in range(len(self)))
            place = next((place for place in steps if not self.corrupt[place]), index)
        return self.paths[place].relative_to(self.root).as_posix()

    def sides(self) -> np.ndarray:
        """Return the shortest side of every image in pixels, by its header; 0 where that is not readable."""
        found = np.zeros(len(self), dtype=np.int64)
        for place, path in enumerate(self.paths):
            with suppress(UserError):
                found[place] = min(image_size(path))
        return found

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest side, in pixels, among all files, and the file it belongs to; unreadable ones aside."""
        found = [(int(side), path) for side, path in zip(self.sides(), self.paths, strict=True) if side]
        return min(found, default=(0, Path()))


def corrupt_mask(count: int) -> Tensor:
    """Return marks of damaged files, (count,) bool, in shared memory: what one worker finds counts for all."""
    return torch.zeros(count, dtype=torch.bool).share_memory_()


def check_corrupt_share(damaged: int, total: int, last: object) -> None:
    """Refuse a set of which more images are damaged than of a sound one; `last` names one. Raises: UserError."""
    if damaged > CORRUPT_SHARE * total:
        raise UserError(f"{damaged} of {total} images not readable, more than {CORRUPT_SHARE:.0%}; the last: {last}")


def first_readable(read: Callable[[int], Read], index: int, count: int, corrupt: Tensor | None) -> Read:
    """Return what `read` gives for the first readable number from `index` on, round and round.

    Args:
        read: number to content, or a UserError that names the file.
        count: how many there are.
        corrupt: `corrupt_mask` at first; what is found damaged is marked, and named once. None: number `index` or none.

    Raises:
        IndexError: there is no such number.
        UserError: nothing readable remains, or more than 1 % is damaged.
    """
    if index >= count:
        raise IndexError(index)  # or a loop over the images would have no end
    if corrupt is None:
        return read(index)
    last: object = ""
    for step in range(count):
        place = (index + step) % count
        if corrupt[place]:
            continue
        try:
            found = read(place)
        except UserError as error:
            corrupt[place], last = True, error
            log.warning("left out: %s", error)
            continue
        if last:
            check_corrupt_share(int(corrupt.sum()), count, last)
        return found
    raise UserError(f"none of {count} image files is readable; the last: {last or 'said before'}")


def sample_photographs(names: Sequence[str], cache_size: int = 16) -> Photographs:
    """Open photographs that the scikit-image wheel carries, by file name: no download.

    Raises:
        UserError: scikit-image is not installed, or has no such image.
    """
    folder = sample_folder()
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"scikit-image carries no image {name!r}; wanted one of its data folder")
    return Photographs(folder, names, cache_size)


def sample_folder() -> Path:
    """Return where the scikit-image wheel keeps its images.

    Raises:
        UserError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError("the sample photographs come with scikit-image; pip install scikit-image==0.26.0")
    return Path(package.origin).parent / "data"
