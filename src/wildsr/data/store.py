"""A prepared store: images as plain levels in one file, of which a crop reads only its own pages.

On disk it is a safetensors file with three tensors: `pixels`, a row of canvases, each of three planes; `index`,
a row of five numbers an image: where its first level stands, height, width, and the steps from row to row and
plane to plane; `names`, the images' file names. Images may be windows of one canvas: sub-images that overlap
take no room twice.

Shapes: N images, H W image.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from wildsr.data.selection import names_of
from wildsr.io import UserError, expanded

FORMAT, VERSION = "wildsr store", "1"
HEADER = 512  # bytes before the pixels, enough for any lengths; blanks fill it up, as safetensors allows


class Store:
    """Read images by number: `store[i]` is (3, H, W) uint8, a view of the file that may not be written to.

    Nothing is read before it is touched, so that a store opens at once whatever its size, and all processes of a
    machine share the system's one copy of what was read.

    Args:
        root: the file that `wildsr prepare --store` made.
        names: of the images to take, or a file that lists them, one a line; None takes all.
        hint: what to say where it is missing, such as the command that makes it.

    Raises:
        UserError: the file is missing, no store, of another version, damaged or cut short, or has no image
            of a name.
    """

    def __init__(self, root: str | Path, names: Sequence[str] | str | None = None, hint: str = "") -> None:
        self.root, self._taken = expanded(root), names
        if not self.root.is_file():
            raise UserError(f"{self.root}: no such file{f'; {hint}' if hint else ''}")
        sections = _sections(self.root)
        self._index, self._names = sections["index"], sections["names"]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it need not be
            self._pixels = torch.from_numpy(sections["pixels"])
        if names is not None:
            self._take(names_of(names))

    def __reduce__(self) -> tuple[type[Store], tuple[Any, ...]]:
        return Store, (self.root, self._taken)  # a process that is handed one opens the file itself

    def _take(self, names: Sequence[str]) -> None:
        places = {name: place for place, name in enumerate(self.names)}
        unknown = next((name for name in names if name not in places), None)
        if unknown is not None:
            raise UserError(f"{self.root}: no image {unknown!r} in this store, which the list names")
        self._index = self._index[[places[name] for name in names]]
        self.names = list(names)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Tensor:
        start, height, width, row, plane = self._index[index].tolist()
        try:
            return self._pixels.as_strided((3, height, width), (plane, row, 1), start)
        except RuntimeError:  # it would reach outside of the file
            raise UserError(f"{self.root}: damaged store: no such pixels for image {index}") from None

    @cached_property
    def names(self) -> list[str]:
        """Return the images' file names, in order, as the prepared folder would have them; decoded at first use."""
        return self._names.tobytes().decode(errors="surrogateescape").split("\0")

    def name(self, index: int) -> str:
        """Return the file name behind a number."""
        return self.names[index]

    def sides(self) -> np.ndarray:
        """Return the shortest side of every image in pixels, (N,)."""
        return self._index[:, 1:3].min(axis=1)

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest side, in pixels, among all images, and the name of the one it belongs to."""
        sides = self.sides()
        return int(sides.min()), self.root / self.names[sides.argmin()]


def _sections(path: Path) -> dict[str, np.ndarray]:
    """Map the tensors of a store, after a check of its header and of its length. Raises as `Store`."""
    try:
        # numpy: torch would map the file as if it wrote to it, which a file larger than the memory is refused.
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: no store, damaged or cut short ({error})") from None
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        given = metadata.get("version") if metadata.get("format") == FORMAT else metadata.get("format")
        raise UserError(f"{path}: given {given!r}, wanted a {FORMAT} of version {VERSION}; prepare it again")
    with path.open("rb") as plain:
        length = int.from_bytes(plain.read(8), "little")
        header = json.loads(plain.read(length))
    try:
        found: dict[str, np.ndarray] = {}
        for name, (kind, columns) in {"pixels": ("U8", ()), "index": ("I64", (5,)), "names": ("U8", ())}.items():
            shape, (start, _) = header[name]["shape"], header[name]["data_offsets"]
            if header[name]["dtype"] != kind or tuple(shape[1:]) != columns:
                raise ValueError(f"{name} is {header[name]['dtype']} {shape}")
            dtype = np.dtype("u1" if kind == "U8" else "<i8")
            found[name] = np.memmap(path, dtype, "r", 8 + length + start, tuple(shape))
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: damaged store ({error})") from None
    return found


def write_frame(file: IO[bytes], rows: np.ndarray, names: Sequence[str]) -> None:
    """Make a file of pixels, which begin at HEADER, a store: index and names behind them, then the header.

    Args:
        file: open for reading and writing.
        rows: the index, (N, 5).
        names: of the images, N.
    """
    end = file.seek(0, os.SEEK_END)
    text = "\0".join(names).encode(errors="surrogateescape")
    blanks = -end % 8  # the index wants a multiple of 8
    file.write(bytes(blanks) + rows.astype("<i8").tobytes() + text)
    header: dict[str, object] = {"__metadata__": {"format": FORMAT, "version": VERSION}}
    begin = 0
    for name, kind, shape, length in (
        ("pixels", "U8", [end + blanks - HEADER], end + blanks - HEADER),
        ("index", "I64", list(rows.shape), 8 * rows.size),
        ("names", "U8", [len(text)], len(text)),
    ):
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, begin + length]}
        begin += length
    file.seek(0)
    file.write((HEADER - 8).to_bytes(8, "little") + json.dumps(header).encode().ljust(HEADER - 8))
    file.flush()
    os.fsync(file.fileno())
