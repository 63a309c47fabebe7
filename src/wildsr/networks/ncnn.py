"""Reading the ncnn form of a released generator: a text graph (.param) beside its numbers (.bin).

The .bin holds, layer after layer in the graph's order: for a convolution a uint32 tag, the weights
(out, in, k, k) padded to 4 bytes, the float32 bias; for a PReLU its float32 slopes. Little-endian.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wildsr.io import UserError

MAGIC = "7767517"  # first line of every .param
TAGS: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    0x01306B47: np.dtype("<f2"),
}  # what precedes a convolution's weights in the .bin
WITHOUT_NUMBERS = {"Input", "Split", "Concat", "Eltwise", "BinaryOp", "PixelShuffle", "Interp"}
NEAREST = 1  # Interp's mode; the generators know no other

Layer = tuple[str, dict[int, str]]  # the kind, and its settings by ncnn's numbers


def read_ncnn(param: Path) -> dict[str, Tensor]:
    """Read the float32 state dict, in the released names, of the RRDBNet or CompactNet in `param` and its .bin.

    A graph with PReLUs is taken for a CompactNet, one without for an RRDBNet; whether the shapes agree with
    that shows when the weights are loaded into a network.

    Raises:
        ValueError: a file is missing, damaged or of another kind; the numbers are too few or too many; the
            graph holds a layer that neither generator has. The message names the file.
    """
    layers = _read_graph(param)
    blob = _Blob(param.with_suffix(".bin"))
    numbers: list[dict[str, Tensor]] = []
    for kind, settings in layers:
        try:
            if kind == "Convolution":
                numbers.append(_read_convolution(blob, settings))
            elif kind == "PReLU":
                numbers.append({"weight": blob.take(_setting(settings, 0), TAGS[0])})
        except KeyError as error:
            raise UserError(f"{param}: a {kind} lacks setting {error}") from None
    blob.finish()
    compact = any(kind == "PReLU" for kind, _ in layers)
    names = [f"body.{i}" for i in range(len(numbers))] if compact else _rrdb_names(len(numbers), param)
    return {
        f"{name}.{part}": tensor for name, parts in zip(names, numbers, strict=True) for part, tensor in parts.items()
    }


def _read_graph(param: Path) -> list[Layer]:
    """Read the layers of a .param in order, each line checked."""
    if not param.is_file():
        raise UserError(f"{param}: no such file")
    lines = [line.split() for line in param.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    if lines[:1] != [[MAGIC]]:
        raise UserError(f"{param}: not an ncnn graph; wanted {MAGIC} on the first line")
    layers: list[Layer] = []
    for number, fields in enumerate(lines[2:], start=3):
        try:
            kind, blobs = fields[0], int(fields[2]) + int(fields[3])
            pairs = [field.split("=", 1) for field in fields[4 + blobs :]]
            settings = {int(key): value for key, value in pairs}
        except (IndexError, ValueError):
            raise UserError(f"{param}: line {number} is no layer: {' '.join(fields)[:80]}") from None
        if kind not in WITHOUT_NUMBERS | {"Convolution", "PReLU"}:
            raise UserError(f"{param}: line {number} is a {kind[:40]}, which neither RRDBNet nor CompactNet has")
        if kind == "Interp" and settings.get(0) != str(NEAREST):
            raise UserError(f"{param}: line {number} resizes in mode {settings.get(0)}: wanted {NEAREST} (nearest)")
        layers.append((kind, settings))
    if len(lines) < 2 or lines[1][0] != str(len(layers)):
        wanted = " ".join(lines[1])[:40] if len(lines) > 1 else "nothing"
        raise UserError(f"{param}: damaged; it has {len(layers)} layers and announces {wanted}")
    return layers


class _Blob:
    """Read the .bin file from front to back; every read is checked against what is left."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        self.path, self.content, self.offset = path, path.read_bytes(), 0

    def take(self, count: int, dtype: np.dtype[Any]) -> Tensor:
        """Take the next `count` numbers as float32, and go past the padding to 4 bytes."""
        size = count * dtype.itemsize
        size += -size % 4
        left = len(self.content) - self.offset
        if not 0 < size <= left:
            raise UserError(f"{self.path}: damaged; {size} bytes wanted at {self.offset}, {left} left")
        values = np.frombuffer(self.content, dtype, count, self.offset).astype(np.float32)
        self.offset += size
        return torch.from_numpy(values)

    def take_tag(self) -> np.dtype[Any]:
        """Take the type of a convolution's weights."""
        tag = int.from_bytes(self.content[self.offset : self.offset + 4], "little")
        if self.offset + 4 > len(self.content) or tag not in TAGS:
            raise UserError(f"{self.path}: damaged; no weights of a known type at byte {self.offset}")
        self.offset += 4
        return TAGS[tag]

    def finish(self) -> None:
        if self.offset != len(self.content):
            raise UserError(f"{self.path}: {len(self.content) - self.offset} bytes too many for its graph")


def _read_convolution(blob: _Blob, settings: dict[int, str]) -> dict[str, Tensor]:
    # ncnn's numbers: 0 outputs, 1 kernel width, 5 whether there is a bias, 6 weights in all, 11 kernel height
    outputs, kernel, total = (_setting(settings, key) for key in (0, 1, 6))
    whole = min(outputs, kernel, total) > 0 and total % (outputs * kernel**2) == 0
    if not whole or settings.get(11, str(kernel)) != str(kernel):
        raise UserError(f"{blob.path}: a convolution to {outputs} channels cannot have {total} weights")
    weight = blob.take(total, blob.take_tag()).view(outputs, -1, kernel, kernel)
    return {"weight": weight, "bias": blob.take(outputs, TAGS[0])} if settings.get(5) == "1" else {"weight": weight}


def _setting(settings: dict[int, str], key: int) -> int:
    try:
        return int(settings[key])
    except ValueError:
        raise KeyError(key) from None


def _rrdb_names(convolutions: int, param: Path) -> list[str]:
    """Return the released names of an RRDBNet's convolutions in the order in which they run."""
    after = ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    blocks, rest = divmod(convolutions - 1 - len(after), 15)
    if blocks < 1 or rest:
        raise UserError(f"{param}: {convolutions} convolutions make neither an RRDBNet nor a CompactNet")
    dense = [f"rdb{j}.conv{k}" for j in range(1, 4) for k in range(1, 6)]
    return ["conv_first", *(f"body.{i}.{name}" for i in range(blocks) for name in dense), *after]
