"""`wildsr upscale`: pictures in, larger pictures out."""

from __future__ import annotations

import argparse
import io
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wildsr.commands.arguments import Parser, positive, refuse_clashes
from wildsr.images import (
    SUFFIXES,
    Picture,
    check_fits,
    encode_picture,
    first_line,
    middle,
    printable,
    read_picture,
    save_picture,
    write_whole,
)
from wildsr.networks import load_generator
from wildsr.upscale.backends import NAMES, open_backend
from wildsr.upscale.blending import Generator, blend, compare
from wildsr.upscale.enlarging import ALPHAS, Way, enlarge, result_size, work
from wildsr.upscale.jobs import STREAM, Job, Naming, plan
from wildsr.upscale.memory import free_memory, is_out_of_memory, result_bytes, tile_side
from wildsr.upscale.tiles import Upscaler

CPU = torch.device("cpu")
FACTORS = 0.01, 100.0  # of --scale: beyond them it is a slip of the finger
SHEET_SIDE = 128  # LQ pixels from the middle of the picture, in a sheet of strengths

DESCRIPTION = """Enlarge pictures: files, folders with their sub-folders, patterns, or the standard input.

  wildsr upscale photo.jpg -o large.png
  wildsr upscale photos/ more/*.tif -o large/ --format jpg --suffix _x4
  wildsr upscale photo.jpg -o large.png --scale 2.5         the network first, then Lanczos
  wildsr upscale drawing.png -o large.png --weights realesrgan-x4plus-anime
  wildsr upscale photo.jpg -o large.png --weights psnr.pth --blend gan.pth=0.7
  wildsr upscale photo.jpg -o sheet.png --weights psnr.pth --blend gan.pth --strengths 0,0.5,1
  curl -s https://example.org/photo.jpg | wildsr upscale - -o - --format webp > large.webp

Weights are a file (.safetensors, .pth, .ckpt) or the name of a released network: realesrgan-x4plus,
realesrgan-x4plus-anime, realesr-animevideov3. --blend mixes those of a second network in, weight by weight: 0 is the
first, 1 the second. That makes sense for networks that share their beginning, such as the two stages of a run.

Grey stays grey, and alpha is kept. 16 bits a channel stay 16 in PNG and TIFF, and become 8 in other formats. CMYK
becomes sRGB, a palette RGB. The picture is turned as its EXIF says; the colour profile, EXIF, XMP and the resolution
are kept, the thumbnail is not. Of several frames or pages the first is taken, and a line says so. JPEG and BMP have no
alpha: a picture with it is refused there.

Nothing is overwritten unless --overwrite is given, and no input ever. What cannot be read is named, the others are
done, and the exit code is 1. A name that begins with a dash goes after --, or is written ./-name."""


def main(words: Sequence[str]) -> int:
    given = parse(words)
    jobs = plan(given.inputs, Naming(given.output, given.format, given.suffix))
    refuse_clashes([job.target for job in jobs if job.target is not None], given.overwrite)
    run = Run(given)
    if given.strengths:
        return write_strengths(run, jobs[0], given.strengths)
    upscaler = run.opened(run.generator)
    with Bar(len(jobs)) as bar:
        failed = sum(not attempt(run, upscaler, job, bar) for job in jobs)
    where = jobs[0].target if len(jobs) == 1 else Path(given.output)
    if failed < len(jobs) and where is not None:
        print(f"{printable(where)}: {len(jobs) - failed} of {len(jobs)} upscaled")
    if failed:
        print(f"{failed} of {len(jobs)} pictures failed", file=sys.stderr)
    return 1 if failed else 0


class Run:
    """What all pictures of a call share."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.way = Way(given.scale, given.alpha, given.batch)
        self.generator = load_generator(given.weights)
        self.second: Generator | None = None
        if given.blend:
            source, share = given.blend
            self.second = load_generator(source)
            try:
                self.generator = blend(self.generator, self.second, share or 0)
            except ValueError as error:
                raise ValueError(f"{source} with {given.weights}: {error}") from error

    def opened(self, generator: Generator) -> Upscaler:
        """A generator on the backend that was asked for."""
        return open_backend(generator, self.given.backend, self.device, self.given.half)


def attempt(run: Run, upscaler: Upscaler, job: Job, bar: Bar) -> bool:
    """Enlarge one picture; what is wrong with it is said in a line, and nothing is written.

    Raises:
        OSError: the result cannot be written, as on a full disk; the next ones could not either.
    """
    bar.begin(job.name)
    try:
        picture = read_picture(source_of(job), job.name)
    except ValueError as error:
        bar.say(f"error: {error}")
        return False
    if picture.frames > 1:
        bar.say(f"{job.name}: {picture.frames} frames or pages; the first is taken")
    try:
        content = enlarged(run, upscaler, picture, job, bar)
    except Exception as error:
        if not (isinstance(error, ValueError) or is_out_of_memory(error)):
            raise
        bar.say(f"error: {job.name}: {first_line(error)}")
        return False
    if job.target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_whole(job.target, lambda file: file.write(content))
    return True


def enlarged(run: Run, upscaler: Upscaler, picture: Picture, job: Job, bar: Bar) -> bytes:
    """The content of the result's file. What can be refused is refused before the work.

    Raises:
        ValueError: its format cannot hold it, or memory does not suffice.
    """
    height, width = picture.colour.shape[-2:]
    rows, columns = result_size(upscaler.scale, picture, run.way)
    check_fits(job.kind, columns, rows, picture.alpha is not None)
    planes = picture.colour.shape[0] + (picture.alpha is not None)
    free = free_memory(CPU)
    free -= result_bytes(max(columns, width * upscaler.scale), max(rows, height * upscaler.scale), planes, free)
    if run.device != CPU:
        free = free_memory(run.device)
    tile = run.given.tile or tile_side(run.generator, upscaler.overlap, height, width, free)
    total = work(picture, run.way)
    large = enlarge(
        upscaler, picture, tile, run.way, lambda pixels: bar.advance(pixels / total, pixels * upscaler.scale**2)
    )
    return encode_picture(large, job.kind)


def write_strengths(run: Run, job: Job, strengths: list[float]) -> int:
    """A sheet of the middle of a picture at several strengths of the second network."""
    assert run.second is not None and job.target is not None
    image = middle(read_picture(source_of(job), job.name).colour, SHEET_SIDE)
    image = image.expand(3, -1, -1)
    with Bar(len(strengths)) as bar:
        bar.begin(job.name)
        sheet = compare(run.generator, run.second, strengths, image, run.opened, lambda: bar.advance(1, 0))
    save_picture(sheet, job.target)
    print(f"{printable(job.target)}: {len(strengths)} strengths")
    return 0


def source_of(job: Job) -> Path | IO[bytes]:
    return job.source or io.BytesIO(sys.stdin.buffer.read())


class Bar:
    """How far a call is, and at what speed: pictures done, megapixels of results a second."""

    def __init__(self, pictures: int) -> None:
        bar = Console(stderr=True)
        # Names are not markup: a file may be called [red].png.
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[speed]}", markup=False),
            TimeRemainingColumn(),
            console=bar,
            disable=bar.is_jupyter,  # rich's bars want ipywidgets there
        )
        self.task = self.progress.add_task("upscaling", total=pictures, speed="")
        self.started, self.megapixels, self.begun = time.monotonic(), 0.0, -1

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.progress.update(self.task, completed=self.progress.tasks[0].total)
        self.progress.stop()

    def begin(self, name: str) -> None:
        """The next picture; what the one before had left is done, or never will be."""
        self.begun += 1
        self.progress.update(self.task, description=shortened(name), completed=self.begun)

    def advance(self, share: float, pixels: int) -> None:
        """A share of the present picture is done, so many pixels of its result."""
        self.megapixels += pixels / 1e6
        speed = self.megapixels / (time.monotonic() - self.started)
        self.progress.update(self.task, advance=share, speed=f"{speed:.2f} MP/s")

    def say(self, line: str) -> None:
        """A line above the bar, on the standard error output."""
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The call; a wrong one ends with exit code 2."""
    parser = Parser("upscale", DESCRIPTION)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files, folders, quoted patterns, or - alone")
    parser.add_argument("-o", "--output", required=True, help="a file or a folder, or - for the standard output")
    parser.add_argument("--weights", default="realesrgan-x4plus", help="file or name (default: %(default)s)")
    parser.add_argument("--blend", type=second, metavar="B=STRENGTH", help="mix these weights in, from 0 to 1")
    parser.add_argument(
        "--strengths", type=strengths, metavar="LIST",
        help=f"instead of a result, a sheet: the middle {SHEET_SIDE} pixels with B at each of these, such as 0,0.5,1",
    )  # fmt: skip
    parser.add_argument("--scale", type=factor, metavar="F", help="of the result (default: the network's)")
    parser.add_argument(
        "--alpha", choices=ALPHAS, default=ALPHAS[0], help="what enlarges it (default: %(default)s); interpolate is "
        "by Lanczos, and spares half of the time",
    )  # fmt: skip
    parser.add_argument("--format", choices=[suffix[1:] for suffix in SUFFIXES], help="of results in a folder (png)")
    parser.add_argument("--suffix", default="", help="appended to the names of results in a folder, such as _x4")
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
    parser.add_argument("--tile", type=positive, help="side of a tile, input pixels (as large as memory allows)")
    parser.add_argument("--batch", type=positive, default=1, help="tiles at once, for small ones (%(default)s)")
    parser.add_argument("--half", action="store_true", help="compute in 16 bits, and in 32 where that overflows")
    parser.add_argument(
        "--backend", choices=NAMES, default="auto",
        help="what runs the network; auto: the fastest that is installed for it (default: %(default)s)",
    )  # fmt: skip
    # Options may stand between inputs; only the plain way knows that after -- there are none.
    given = parser.parse_args(words) if "--" in words else parser.parse_intermixed_args(words)
    if wrong := misuse(given):
        parser.error(wrong)
    return given


def misuse(given: argparse.Namespace) -> str:
    """What is wrong with a call whose words are right one by one; "" where nothing is."""
    if given.strengths and (given.blend is None or given.blend[1] is not None):
        return "--strengths wants the second network, without a strength: --blend B"
    if given.strengths and (len(given.inputs) > 1 or Path(given.inputs[0]).is_dir() or given.output == STREAM):
        return "--strengths wants one picture, and a file as output"
    if given.blend is not None and given.blend[1] is None and not given.strengths:
        return f"--blend {given.blend[0]}: wanted a strength from 0 to 1 after it, such as {given.blend[0]}=0.5"
    if set(given.suffix) & set("/\\"):
        return f"--suffix {given.suffix}: wanted a part of a name, without slashes"
    return ""


def second(text: str) -> tuple[str, float | None]:
    """B=STRENGTH, or B alone, for `type=`."""
    source, _, number = text.rpartition("=")
    try:
        float(number)
    except ValueError:
        return text, None  # a name may hold an equals sign
    return (source, strength(number)) if source else (text, None)


def strength(text: str) -> float:
    """A number from 0 to 1."""
    return between(text, 0, 1)


def strengths(text: str) -> list[float]:
    """Several of them, with commas, for `type=`."""
    return [strength(word) for word in text.split(",")]


def factor(text: str) -> float:
    """A factor of enlargement, for `type=`."""
    return between(text, *FACTORS)


def between(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a number from {low:g} to {high:g}")
    return value


def shortened(name: str, most: int = 30) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"
