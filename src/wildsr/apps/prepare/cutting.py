"""Photographs into sub-images: smaller copies of each, and overlapping squares out of every one.

W H image in pixels, S side of a sub-image, T step from one to the next.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePosixPath
from statistics import fmean

import numpy as np
from PIL import Image

from wildsr.apps.prepare.plan import Plan
from wildsr.images import file_state, from_pil, read_image, to_pil
from wildsr.io import UserError, write_whole

# Measured on 400 x 400 crops of photographs: level 1 takes 16 ms and 259 kB, level 4 27 ms and 237 kB,
# level 6 (Pillow's own) 48 ms and 236 kB.
PNG_LEVEL = 4
SAMPLED = 8  # images looked at for the estimate of the room; decoding them takes a second
MARGIN = 1.1  # on that estimate: a sample errs

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Task:
    """An image to prepare: from `source` to `key` under `folder`, cut by the plan, or whole without one."""

    key: str
    source: Path
    folder: Path
    plan: Plan | None


@dataclass(frozen=True)
class Outcome:
    """Result of preparing an image: its size in pixels as decoded, or why it could not be read."""

    width: int = 0
    height: int = 0
    damaged: str = ""
    start: int = 0  # where its first level stands in a store


def positions(length: int, size: int, step: int) -> list[int]:
    """Return where squares begin along a side of `length` >= `size` pixels: every `step`, the last at the border."""
    last = length - size
    return [*range(0, last, step), last]


def copies(width: int, height: int, scales: Sequence[Fraction]) -> list[tuple[str, int, int]]:
    """Return the image itself and its smaller copies, as (beginning of the name, W, H); sides are rounded down.

    A copy with a given shortest edge is made of larger images only: enlarged pixels are no high resolution.
    """
    made = [("", width, height)]
    for number, scale in enumerate(scales):
        factor = scale if scale < 1 else scale / min(width, height)
        if factor < 1:
            made.append((f"T{number}_", max(int(width * factor), 1), max(int(height * factor), 1)))
    return made


def squares(width: int, height: int, plan: Plan) -> list[tuple[str, Box]]:
    """Return names and boxes (left, top, right, bottom) of the sub-images of one copy, row by row.

    Every pixel is in at least one. A copy with a side below S is one sub-image, "whole".
    """
    if min(width, height) < plan.size:
        return [("whole", (0, 0, width, height))]
    columns, rows = (positions(side, plan.size, plan.step) for side in (width, height))
    boxes = [(left, top, left + plan.size, top + plan.size) for top in rows for left in columns]
    return [(f"s{number:03d}", box) for number, box in enumerate(boxes, 1)]


def pieces(key: str, width: int, height: int, plan: Plan | None) -> list[tuple[int, int, list[tuple[str, Box]]]]:
    """Return what a W x H image becomes: its copies, as W, H, and the paths and boxes of what is cut out of each.

    The paths lie in a folder of the image's own, or are the image's where it is not cut. Two images never
    share a path: `a.png` is cut into `a_png/`, `a.jpg` into `a_jpg/`.
    """
    if plan is None:
        return [(width, height, [(key, (0, 0, width, height))])]
    path = PurePosixPath(key)
    folder = path.with_name(f"{path.stem}_{path.suffix[1:]}")
    return [
        (w, h, [(f"{folder}/{prefix}{name}.png", box) for name, box in squares(w, h, plan)])
        for prefix, w, h in copies(width, height, plan.scales)
    ]


def outputs(key: str, width: int, height: int, plan: Plan | None) -> list[str]:
    """Return the paths of all that a W x H image becomes."""
    return [path for *_, cut in pieces(key, width, height, plan) for path, _ in cut]


def tally(width: int, height: int, plan: Plan) -> tuple[int, int, int]:
    """Count how many smaller copies, sub-images, and copies kept whole an image gives."""
    made = copies(width, height, plan.scales)
    whole = sum(min(w, h) < plan.size for _, w, h in made)
    return len(made) - 1, len(outputs("a.png", width, height, plan)) - whole, whole


def prepare(task: Task) -> Outcome:
    """Read an image, and write what becomes of it, each file whole or not at all.

    Raises:
        OSError: a file cannot be written.
    """
    image = decode(task.source)
    if isinstance(image, str):
        return Outcome(damaged=image)
    if task.plan is None:
        with task.source.open("rb") as source:
            write_whole(task.folder / task.key, lambda file: shutil.copyfileobj(source, file))
        return Outcome(*image.size)
    for copy, cut in scaled(task, image):
        for path, box in cut:
            save = partial(copy.crop(box).save, format="PNG", compress_level=PNG_LEVEL)
            write_whole(task.folder / path, save)
    return Outcome(*image.size)


def levels(task: Task) -> tuple[Outcome, list[np.ndarray]]:
    """Read an image: the levels of its copies, each (3, H, W) uint8, for a store."""
    image = decode(task.source)
    if isinstance(image, str):
        return Outcome(damaged=image), []
    return Outcome(*image.size), [from_pil(copy).numpy() for copy, _ in scaled(task, image)]


def scaled(task: Task, image: Image.Image) -> Iterator[tuple[Image.Image, list[tuple[str, Box]]]]:
    """Yield an image's copies, the smaller ones by Lanczos, and what is cut out of each."""
    for width, height, cut in pieces(task.key, *image.size, task.plan):
        same = image.size == (width, height)
        yield (image if same else image.resize((width, height), Image.Resampling.LANCZOS)), cut


def decode(source: Path) -> Image.Image | str:
    """Read the image as `read_image` has it, or why it is not readable."""
    try:
        return to_pil(read_image(source))
    except UserError as error:
        return str(error)


def space_needed(tasks: Sequence[Task], packed: bool) -> float:
    """Estimate the bytes that the outputs of `tasks` will take, from a few of the images, evenly spread."""
    sample = [tasks[len(tasks) * place // SAMPLED] for place in range(SAMPLED)] if len(tasks) > SAMPLED else tasks
    sizes = [size for task in sample if (size := size_of(task, packed)) is not None]
    return MARGIN * len(tasks) * fmean(sizes) if sizes else 0.0


def size_of(task: Task, packed: bool) -> float | None:
    """Estimate the bytes of an image's outputs, as files from a square of its middle; None: it is damaged."""
    if task.plan is None and not packed:
        return file_state(task.source).st_size
    image = decode(task.source)
    if isinstance(image, str):
        return None
    made = pieces(task.key, *image.size, task.plan)
    if packed:
        return sum(3 * width * height for width, height, _ in made)
    boxes = [box for *_, cut in made for _, box in cut]
    pixels = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
    _, _, of_the_image = made[0]
    _, middle = of_the_image[len(of_the_image) // 2]
    square, file = image.crop(middle), io.BytesIO()
    square.save(file, "PNG", compress_level=PNG_LEVEL)
    return file.tell() / (square.width * square.height) * pixels
