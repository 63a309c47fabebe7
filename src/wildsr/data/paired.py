"""Pairs on disk: LQ and HQ files that belong together, checked pair by pair before anything runs.

Shapes: h w LQ image, H = h * scale, W = w * scale, uint8 (3, H, W) as `images.read_image` gives it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import track
from torch import Tensor

from wildsr.data.photographs import corrupt_mask, first_readable
from wildsr.images import find_images, image_size, read_image
from wildsr.io import UserError, expanded

SHOWN = 3  # offenders that a refusal names
PROGRESS_FROM = 2000  # pairs; fewer are checked within a second


class PairedFiles:
    """Read pairs by number: `files[i]` is (lq (3, h, w), hq (3, H, W)) uint8.

    Args:
        files: LQ and HQ file by the name that they share.
        scale: HQ side / LQ side.
        replace: answer a file whose damage lies behind its header as `Photographs` answers it, the pair being left
            out whole; else refuse it by name, as an evaluation wants it.
    """

    def __init__(self, files: Mapping[str, tuple[Path, Path]], scale: int, replace: bool = True) -> None:
        self.names, self.paths, self.scale = list(files), list(files.values()), scale
        self.corrupt = corrupt_mask(len(files)) if replace else None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return first_readable(self._read, index, len(self), self.corrupt)

    def _read(self, index: int) -> tuple[Tensor, Tensor]:
        lq, hq = (read_image(path) for path in self.paths[index])
        return lq, hq

    def name(self, index: int) -> str:
        """Return what both files of a pair are called, without suffix and ending."""
        return self.names[index]

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest HQ side, in pixels, and the file it belongs to."""
        return min((min(image_size(hq)), hq) for _, hq in self.paths)


def paired_folders(
    lq: str | Path | None,
    hq: str | Path | None,
    scale: int,
    lq_ending: str = "",
    hq_ending: str = "",
    hint: str = "",
) -> PairedFiles:
    """Find the pairs of two folders and their sub-folders, all of them checked.

    Two files are a pair where their names below their folders are equal but for the suffix (`a.jpg`, `a.png`) and
    for the endings, sorted by that name. Every pair is there, and HQ is exactly `scale` times LQ.

    Args:
        lq, hq: folders.
        scale: HQ side / LQ side.
        lq_ending, hq_ending: what the names end in besides: `x4` and nothing for 0801x4.png and 0801.png (DIV2K),
            `_LR4` and `_HR` for RealSR.
        hint: what to say where a folder is missing, or none is given.

    Raises:
        UserError: a folder is missing or empty; a file without its other half, unreadable, or of another size: one
            line with the first few of them and their number.
    """
    if lq is None or hq is None:
        raise UserError(f"lq={lq}, hq={hq}: wanted two folders; {hint or 'one of LQ, one of HQ images'}")
    lq, hq = (expanded(folder) for folder in (lq, hq))
    for folder in (lq, hq):
        if hint and not folder.is_dir():
            raise UserError(f"{folder}: no such folder; {hint}")
    found = find_pairs(lq, hq, lq_ending, hq_ending)
    bar = Console(file=sys.stderr)
    off = len(found) < PROGRESS_FROM or bar.is_jupyter  # rich's bars want ipywidgets there
    looked = track(found.values(), "checking pairs", transient=True, console=bar, disable=off)
    problems = [fault for pair in looked if (fault := pair_fault(*pair, scale))]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise UserError(
            f"{lq} and {hq}: {len(problems)} of {len(found)} do not pair at scale={scale}: "
            f"{'; '.join(problems[:SHOWN])}{more}"
        )
    return PairedFiles({name: (one, other) for name, (one, other) in found.items() if one and other}, scale)


def find_pairs(
    lq: Path, hq: Path, lq_ending: str = "", hq_ending: str = ""
) -> dict[str, tuple[Path | None, Path | None]]:
    """Find LQ and HQ files by the name that they share, sorted by it; None where a file has no other half.

    Raises:
        UserError: a folder is missing or empty, or two files of one folder have one name.
    """
    lqs, hqs = _named(lq, lq_ending), _named(hq, hq_ending)
    return {name: (lqs.get(name), hqs.get(name)) for name in sorted(lqs.keys() | hqs.keys())}


def _named(folder: Path, ending: str) -> dict[str, Path]:
    """Find the image files of a folder by what a partner has to be called.

    Raises:
        UserError: two files have one name, such as a.png beside a.jpg.
    """
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix().removesuffix(ending)
        if name in found:
            raise UserError(f"{found[name]} and {path}: one name for two files of a pair's same side")
        found[name] = path
    return found


def pair_fault(lq: Path | None, hq: Path | None, scale: int) -> str:
    """Return what keeps two files from being a pair, in a few words; empty for a pair."""
    if lq is None or hq is None:
        return f"{lq or hq} has no {'LQ' if lq is None else 'HQ'}"
    try:
        (height, width), (large_height, large_width) = image_size(lq), image_size(hq)
    except UserError as error:
        return str(error)
    if (large_height, large_width) == (height * scale, width * scale):
        return ""
    return f"{hq} is {large_width} x {large_height}, wanted {width * scale} x {height * scale} for {lq.name}"
