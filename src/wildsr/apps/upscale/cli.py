"""`wildsr upscale`: images in, larger images out."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from PIL import ImageFile

from wildsr.apps.common.arguments import refuse_clashes
from wildsr.apps.common.progress import Bar
from wildsr.apps.upscale.arguments import READ, SHEET_SIDE
from wildsr.apps.upscale.blending import compare
from wildsr.apps.upscale.combinations import has_video
from wildsr.apps.upscale.enlarging import enlarge, flatten, num_pixels, result_size
from wildsr.apps.upscale.estimating import announce
from wildsr.apps.upscale.images.content import ImageContent, check_fits, encode_content, lost_metadata, read_content
from wildsr.apps.upscale.jobs import Job, Naming, left_out, plan, plan_video
from wildsr.apps.upscale.session import UpscaleSession
from wildsr.apps.upscale.video.codecs import Coding
from wildsr.apps.upscale.video.command import upscale_video
from wildsr.images import TooManyPixelsError, image_size, middle, save_pil
from wildsr.io import UserError, first_line, printable, write_whole
from wildsr.networks.memory import is_out_of_memory

SKIPS = " or --skip-existing"

log = logging.getLogger(__name__)


def main(given: argparse.Namespace) -> int:
    """Enlarge the inputs. Returns the exit code."""
    session = UpscaleSession(given)
    naming = Naming(given.output, given.format, session.suffix)
    if has_video(given):
        source, target, kind = plan_video(given.inputs, naming, given.codec)
        if given.skip_existing and target.exists():
            print(f"{printable(target)}: already exists, skipped")
            return 0
        refuse_clashes([target], given.overwrite, SKIPS)
        return upscale_video(session, Coding(given.codec, given.crf), source, target, kind)
    jobs = plan(given.inputs, naming)
    todo = [job for job in jobs if not (given.skip_existing and job.target and job.target.exists())]
    refuse_clashes([job.target for job in todo if job.target is not None], given.overwrite, SKIPS)
    if given.strengths:
        return write_strengths(session, jobs[0], given.strengths)
    others = left_out(given.inputs, jobs)  # before results are written, some of them into these folders
    failed = upscale_all(session, todo) if todo else 0
    if summary := summarize(jobs, len(todo), failed, others, given.output):
        print(summary)
    if failed and len(todo) > 1:  # of one alone its own line has said it
        log.error(f"{failed} of {len(todo)} images failed")
    return 1 if failed else 0


def upscale_all(session: UpscaleSession, jobs: Sequence[Job]) -> int:
    """Enlarge images one after the other. Returns how many failed."""
    announce(session, sizes_of(jobs), jobs[0].name if len(jobs) == 1 else f"{len(jobs)} images")
    with Bar(len(jobs), "MP") as bar:
        return sum(not attempt(session, job, bar) for job in jobs)


def summarize(jobs: Sequence[Job], todo: int, failed: int, others: str, output: str | None) -> str:
    """Return how many images were done, skipped and left out; "" where one that fails has said it all."""
    where = jobs[0].target if len(jobs) == 1 else output
    skipped = len(jobs) - todo
    if (len(jobs) == 1 and jobs[0].target is None) or not (todo > failed or skipped or others):
        return ""
    parts = [f"{todo - failed} of {len(jobs)} upscaled"]
    if skipped:
        parts.append(f"{skipped} skipped (already exists)")
    if others:
        parts.append(f"left out: {others}")
    return f"{printable(where or 'beside the inputs')}: {'; '.join(parts)}"


def sizes_of(jobs: Sequence[Job]) -> Iterator[tuple[int, int]]:
    """Yield (H, W) of the images that are files, by their headers; what cannot be read is named when it is its turn."""
    for job in jobs:
        try:
            if job.source is not None:
                yield image_size(job.source)
        except UserError:
            continue


def attempt(session: UpscaleSession, job: Job, bar: Bar) -> bool:
    """Enlarge one image; what is wrong with it is said in a line, and nothing is written.

    Raises:
        OSError: the result cannot be written, as on a full disk; the next ones could not either.
    """
    bar.begin(job.name)
    try:
        image = read(job, session.given.max_pixels, session.given.on_damage == READ)
    except ValueError as error:
        log.error(f"{error}{'; --max-pixels takes more' * isinstance(error, TooManyPixelsError)}")
        return False
    if image.frames > 1:
        log.warning(f"{job.name}: {image.frames} frames or pages; the first is taken")
    try:
        content = enlarged(session, image, job, bar)
    except Exception as error:
        if not (isinstance(error, ValueError) or is_out_of_memory(error)):
            raise
        log.error(f"{job.name}: {first_line(error)}")
        return False
    return deliver(content, job.target)


def deliver(content: bytes, target: Path | None) -> bool:
    """Write a result to its file or to the standard output; that its name is too long is said in a line."""
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return True
    try:
        write_whole(target, lambda file: file.write(content))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        log.error(f"{printable(target)}: {error.strerror}")
        return False
    return True


def read(job: Job, max_pixels: int | None, despite_damage: bool) -> ImageContent:
    """Read a job's image; despite damage, if asked for, as far as it can be decoded, and a line says so.

    Raises:
        UserError: it cannot be read.
    """
    source = source_of(job)
    try:
        return read_content(source, job.name, max_pixels)
    except UserError as error:
        if not despite_damage or isinstance(error, TooManyPixelsError):
            raise
        if not isinstance(source, Path):
            source.seek(0)
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True  # Pillow's switch for the process; what is missing is grey, or black
        try:
            image = read_content(source, job.name, max_pixels)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
        reason = first_line(error.__cause__ or error)
        log.warning(f"{job.name}: damaged ({reason}); what can be decoded of it is enlarged")
        return image


def enlarged(session: UpscaleSession, image: ImageContent, job: Job, bar: Bar) -> bytes:
    """Return the content of the result's file. What can be refused is refused before the work.

    Raises:
        ValueError: its format cannot hold it, or memory does not suffice.
    """
    given, upscaler = session.given, session.upscaler
    if given.background:
        image = flatten(image, given.background)
    if given.strip:
        image = replace(image, metadata=image.metadata.colours_alone())
    elif lost := lost_metadata(image, job.kind):
        log.warning(f"{job.name}: {job.kind} has no place for its {', '.join(lost)}")
    rows, columns = result_size(upscaler.scale, image, session.options)
    check_fits(job.kind, columns, rows, image.alpha is not None)
    tile, total = session.tile(image), num_pixels(image, session.options, upscaler.channels)
    megapixel = 1e6 / upscaler.scale**2  # of the result, in LQ pixels
    large = enlarge(upscaler, image, tile, session.options, lambda lq: bar.advance(lq / total, lq / megapixel))
    return encode_content(large, job.kind, given.quality, given.lossless)


def write_strengths(session: UpscaleSession, job: Job, strengths: list[float]) -> int:
    """Write a sheet of the middle of an image at several strengths of the second network."""
    assert session.second is not None and job.target is not None
    image = middle(read_content(source_of(job), job.name, session.given.max_pixels).colour, SHEET_SIDE)
    image = image.expand(3, -1, -1)
    with Bar(len(strengths), "MP") as bar:
        bar.begin(job.name)
        megapixels = image[0].numel() * int(session.generator.scale) ** 2 / 1e6  # type: ignore[arg-type]
        sheet = compare(
            session.generator, session.second, strengths, image, session.opened, lambda: bar.advance(1, megapixels)
        )
    save_pil(sheet, job.target)
    print(f"{printable(job.target)}: {len(strengths)} strengths")
    return 0


def source_of(job: Job) -> Path | IO[bytes]:
    return job.source or io.BytesIO(sys.stdin.buffer.read())
