"""Room on the disk: estimated and asked for before a long piece of work, so that it does not fail at its end."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from rich.filesize import decimal

from wildsr.apps.prepare.cutting import PNG_LEVEL, Task, decode, pieces
from wildsr.images import file_state
from wildsr.io import UserError

SAMPLED = 8  # images looked at for the estimate; decoding them takes a second
MARGIN = 1.1  # on that estimate: a sample errs


def require_space(folder: Path, needed: float, purpose: str) -> None:
    """Check that `needed` bytes are free where `folder` lies or will lie.

    Raises:
        UserError: there is less room than that.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"{folder}: {purpose} takes about {decimal(int(needed))}, and {decimal(int(free))} is free there"
        )


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
