"""A video in `wildsr upscale`: what was done before a break is kept, and gone on with."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from wildsr import __version__
from wildsr.apps.common.progress import Bar
from wildsr.apps.upscale.choices import is_installed
from wildsr.apps.upscale.enlarging import enlarge, result_size
from wildsr.apps.upscale.estimating import announce
from wildsr.apps.upscale.images.content import ImageContent
from wildsr.apps.upscale.session import UpscaleSession
from wildsr.apps.upscale.video.codecs import Coding
from wildsr.io import UserError, first_line, printable, write_whole
from wildsr.locking import HOLDER, LOCK, lock_folder
from wildsr.networks.memory import is_out_of_memory
from wildsr.networks.states import weights_digest

log = logging.getLogger(__name__)

CHOICES = "choices.json"  # in the folder of segments: what these depend on


def upscale_video(run: UpscaleSession, coding: Coding, source: Path, target: Path, kind: str) -> int:
    """Enlarge one video, or go on with it. Returns 0.

    Args:
        kind: of container, by FFmpeg's name.

    Raises:
        UserError: no readable video, or one that the codec or the container cannot hold; PyAV is not installed.
    """
    if not is_installed("av"):
        raise UserError("video needs PyAV; pip install 'av>=18.1,<19'")
    from wildsr.apps.upscale.video.assembly import assemble, dry_run
    from wildsr.apps.upscale.video.clips import inspect
    from wildsr.apps.upscale.video.segments import plan_segments, write_segments
    from wildsr.apps.upscale.video.streams import plan_streams

    name = printable(source)
    with Console(stderr=True).status(f"reading {escape(name)}"):
        clip = inspect(source)
        like = ImageContent(torch.empty(3, clip.height, clip.width))
        plans, changes = plan_streams(source, kind)
        dry_run(clip, coding, *result_size(run.upscaler.scale, like, run.options), kind, plans)
        tile = run.tile(like)
    folder = target.with_name(f".{target.name}.parts")
    with lock_folder(folder, "wildsr upscale"):
        claim(folder, choices(run, coding, source), run.given.overwrite)
        for note in (*clip.notes, *changes):
            log.warning("%s: %s", name, note)
        segments, done = plan_segments(clip, folder)
        frames = len(clip.times)
        if done:
            log.info("%s: goes on after %d of %d frames", name, done, frames)
        with Bar(frames, "frames") as bar, explained_failures(name, folder, target):
            bar.begin(name)
            bar.advance(done, 0)
            left = frames - done
            announce(run, [(clip.height, clip.width)] * left, f"{name}, {left} frames")
            write_segments(clip, coding, segments, done, partial(enlarge_frame, run, tile, bar))
            write_whole(target, lambda file: assemble(clip, coding, segments, Path(file.name), kind, plans))
        clear(folder)
    with suppress(OSError):  # another call has begun in it by now
        folder.rmdir()
    if lost := str(clip.damage):
        log.warning("%s: lost or mended: %s", name, lost)
    print(f"{printable(target)}: {frames} frames upscaled")
    return 0


@contextmanager
def explained_failures(name: str, folder: Path, target: Path) -> Iterator[None]:
    """Say how an interrupted block goes on; where memory or FFmpeg ends it, raise a UserError of one line."""
    import av

    try:
        yield
    except KeyboardInterrupt:
        log.info("%s: what is done is kept in %s; the same command goes on", name, printable(folder))
        raise
    except av.FFmpegError as error:
        raise UserError(f"{printable(target)}: {error.strerror}") from error
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"{name}: {first_line(error)}") from error


def enlarge_frame(run: UpscaleSession, tile: int, bar: Bar, image: Tensor) -> Tensor:
    """Enlarge a frame, (C, H, W) in [0, 1], and advance the bar by it. Raises: UserError: not all is finite."""
    pixels = image.shape[1] * image.shape[2]
    return enlarge(
        run.upscaler, ImageContent(image), tile, run.options, lambda lq: bar.advance(lq / pixels, lq / pixels)
    ).colour


def choices(run: UpscaleSession, coding: Coding, source: Path) -> dict[str, Any]:
    """Return all that a segment depends on."""
    file = source.stat()
    sizes = [run.given.width, run.given.height, run.given.max_side]
    return {
        "input": [file.st_size, file.st_mtime_ns],
        "weights": weights_digest(run.generator.state_dict()),
        "scale": sizes if any(sizes) else run.given.scale,
        "half": run.given.half,
        "codec": coding.codec,
        "crf": coding.crf,
        "PyAV": version("av"),  # other encoders may write other headers, and a stream has one
        "wildsr": __version__,
    }


def claim(folder: Path, wanted: dict[str, Any], anew: bool) -> None:
    """Make the folder of segments, or find it as a call with the same choices has left it.

    Args:
        anew: what a call with other choices has left is thrown away.

    Raises:
        ValueError: it is another call's.
    """
    file = folder / CHOICES
    if file.exists():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            other = [key for key in wanted if found.get(key) != wanted[key]]
        except (ValueError, AttributeError):
            other = [CHOICES]
        if other and not anew:
            raise UserError(f"{printable(folder)}: begun with another {' and '.join(other)}; --overwrite begins anew")
        if other:
            clear(folder)
    write_whole(file, lambda content: content.write(json.dumps(wanted).encode()))


def clear(folder: Path) -> None:
    """Remove what a folder of segments holds, but for its lock."""
    for file in folder.iterdir():
        if file.name not in (LOCK, HOLDER):
            file.unlink()
