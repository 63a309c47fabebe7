"""Photographs into sub-images: smaller copies of each, and overlapping squares out of every one.

W H picture in pixels, S side of a sub-image, T step from one to the next.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

from PIL import Image

from wildsr.images import read_image, to_pil, write_whole

# Measured on 400 x 400 crops of photographs: level 1 takes 16 ms and 259 kB, level 4 27 ms and 237 kB,
# level 6 (Pillow's own) 48 ms and 236 kB.
PNG_LEVEL = 4

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Plan:
    """How pictures are cut.

    Args:
        size: S.
        step: T.
        scales: of the smaller copies, each a factor below 1 or the shortest edge in pixels.

    Raises:
        ValueError: the step skips pixels, or a scale is neither.
    """

    size: int = 400
    step: int = 200
    scales: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.size:
            raise ValueError(f"step={self.step}, size={self.size}: wanted 0 < step <= size, or pixels would be lost")
        for scale in self.scales:
            if scale <= 0 or (scale >= 1 and (scale.denominator != 1 or scale == 1)):
                raise ValueError(f"scale {scale}: wanted a factor between 0 and 1, or the shortest edge in pixels")


@dataclass(frozen=True)
class Job:
    """A picture to prepare: from `source` to `key` under `folder`, cut by the plan, or whole without one."""

    key: str
    source: Path
    folder: Path
    plan: Plan | None


@dataclass(frozen=True)
class Outcome:
    """What became of a picture: its size in pixels as decoded, or why it could not be read."""

    width: int = 0
    height: int = 0
    damaged: str = ""


def positions(length: int, size: int, step: int) -> list[int]:
    """Where squares begin along a side of `length` >= `size` pixels: every `step`, the last at the border."""
    last = length - size
    return [*range(0, last, step), last]


def copies(width: int, height: int, scales: Sequence[Fraction]) -> list[tuple[str, int, int]]:
    """The picture itself and its smaller copies, as (beginning of the name, W, H); sides are rounded down.

    A copy with a given shortest edge is made of larger pictures only: enlarged pixels are no high resolution.
    """
    made = [("", width, height)]
    for number, scale in enumerate(scales):
        factor = scale if scale < 1 else scale / min(width, height)
        if factor < 1:
            made.append((f"T{number}_", max(int(width * factor), 1), max(int(height * factor), 1)))
    return made


def squares(width: int, height: int, plan: Plan) -> list[tuple[str, Box]]:
    """Names and boxes (left, top, right, bottom) of the sub-images of one copy, row by row.

    Every pixel is in at least one. A copy with a side below S is one sub-image, "whole".
    """
    if min(width, height) < plan.size:
        return [("whole", (0, 0, width, height))]
    corners = [
        (left, top)
        for top in positions(height, plan.size, plan.step)
        for left in positions(width, plan.size, plan.step)
    ]
    return [
        (f"s{number:03d}", (left, top, left + plan.size, top + plan.size))
        for number, (left, top) in enumerate(corners, 1)
    ]


def tally(width: int, height: int, plan: Plan) -> tuple[int, int, int]:
    """How many smaller copies, sub-images, and copies kept whole a picture gives."""
    smaller, cut, whole = -1, 0, 0
    for _, w, h in copies(width, height, plan.scales):
        smaller += 1
        if min(w, h) < plan.size:
            whole += 1
        else:
            cut += len(positions(w, plan.size, plan.step)) * len(positions(h, plan.size, plan.step))
    return smaller, cut, whole


def outputs(key: str, width: int, height: int, plan: Plan | None) -> list[str]:
    """The paths of what a W x H picture becomes, in a folder of its own; itself where it is not cut.

    Two pictures never share a path: `a.png` is cut into `a_png/`, `a.jpg` into `a_jpg/`.
    """
    if plan is None:
        return [key]
    path = PurePosixPath(key)
    folder = path.with_name(f"{path.stem}_{path.suffix[1:]}")
    return [
        f"{folder}/{prefix}{name}.png"
        for prefix, w, h in copies(width, height, plan.scales)
        for name, _ in squares(w, h, plan)
    ]


def prepare(job: Job) -> Outcome:
    """Read a picture, and write what becomes of it, each file whole or not at all.

    Raises:
        OSError: a file cannot be written.
    """
    picture = decode(job.source)
    if isinstance(picture, str):
        return Outcome(damaged=picture)
    if job.plan is None:
        with job.source.open("rb") as source:
            write_whole(job.folder / job.key, lambda file: shutil.copyfileobj(source, file))
        return Outcome(*picture.size)
    names = iter(outputs(job.key, *picture.size, job.plan))
    for _, width, height in copies(*picture.size, job.plan.scales):
        copy = scaled(picture, width, height)
        for _, box in squares(width, height, job.plan):
            write_png(copy.crop(box), job.folder / next(names))
    return Outcome(*picture.size)


def decode(source: Path) -> Image.Image | str:
    """The picture as `read_image` has it, or why it is not readable."""
    with warnings.catch_warnings():
        # Large panoramas are welcome here; what is beyond Pillow's limit is still refused.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return to_pil(read_image(source))
        except ValueError as error:
            return str(error)


def scaled(picture: Image.Image, width: int, height: int) -> Image.Image:
    """A smaller copy by Lanczos; the picture itself at its own size."""
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def write_png(picture: Image.Image, path: Path) -> None:
    """Write a PNG whole or not at all."""
    write_whole(path, lambda file: picture.save(file, "PNG", compress_level=PNG_LEVEL))
