"""`wildsr upscale`: pictures in, larger pictures out."""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from wildsr.apps.common.arguments import Parser, positive, refuse_clashes
from wildsr.apps.common.progress import Bar
from wildsr.apps.upscale.backends import NAMES
from wildsr.apps.upscale.blending import compare
from wildsr.apps.upscale.enlarging import ALPHAS, enlarge, num_pixels, result_size
from wildsr.apps.upscale.jobs import STREAM, Job, Naming, is_video, plan, plan_video
from wildsr.apps.upscale.session import UpscaleSession
from wildsr.apps.upscale.video.codecs import CODECS, Coding, usual_codec
from wildsr.apps.upscale.video.command import upscale_video
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
from wildsr.networks.memory import is_out_of_memory
from wildsr.networks.tiling import Upscaler

FACTORS = 0.01, 100.0  # of --scale: beyond them it is a slip of the finger
SHEET_SIDE = 128  # LQ pixels from the middle of the picture, in a sheet of strengths

DESCRIPTION = """Enlarge pictures: files, folders with their sub-folders, patterns, or the standard input. Or one video.

  wildsr upscale photo.jpg -o large.png
  wildsr upscale photos/ more/*.tif -o large/ --format jpg --suffix _x4
  wildsr upscale photo.jpg -o large.png --scale 2.5         the network first, then Lanczos
  wildsr upscale drawing.png -o large.png --weights realesrgan-x4plus-anime
  wildsr upscale photo.jpg -o large.png --weights psnr.pth --blend gan.pth=0.7
  wildsr upscale photo.jpg -o sheet.png --weights psnr.pth --blend gan.pth --strengths 0,0.5,1
  wildsr upscale clip.mp4 -o large.mkv --codec h265 --weights realesr-animevideov3
  curl -s https://example.org/photo.jpg | wildsr upscale - -o - --format webp > large.webp

Weights are a file (.safetensors, .pth, .ckpt) or the name of a released network: realesrgan-x4plus,
realesrgan-x4plus-anime, realesr-animevideov3. --blend mixes those of a second network in, weight by weight: 0 is the
first, 1 the second. That makes sense for networks that share their beginning, such as the two stages of a run.

Grey stays grey, and alpha is kept; a network of four channels sees it beside the colour, opaque where there is none.
16 bits a channel stay 16 in PNG and TIFF, and become 8 in other formats. CMYK
becomes sRGB, a palette RGB. The picture is turned as its EXIF says; the colour profile, EXIF, XMP and the resolution
are kept, the thumbnail is not. Of several frames or pages the first is taken, and a line says so. JPEG and BMP have no
alpha: a picture with it is refused there.

Of a video every frame is enlarged; an animated GIF or PNG is one where the output is. Sound, subtitles, chapters and
fonts are copied byte for byte where the container holds them, else encoded anew or left out, and a line says so; time
stamps, rotation, tags of colour and the depth of 8 or 10 bits are kept. Of a damaged one what can be decoded is taken,
and what was lost is counted. After a break the same command goes on: finished parts wait in a hidden folder beside the
result. It needs PyAV: pip install 'av>=18.1,<19'.

Nothing is overwritten unless --overwrite is given, and no input ever. What cannot be read is named, the others are
done, and the exit code is 1. A name that begins with a dash goes after --, or is written ./-name."""


def main(words: Sequence[str]) -> int:
    given = parse(words)
    naming = Naming(given.output, given.format, given.suffix)
    if has_video(given):
        source, target, kind = plan_video(given.inputs, naming, given.codec)
        refuse_clashes([target], given.overwrite)
        return upscale_video(UpscaleSession(given), Coding(given.codec, given.crf), source, target, kind)
    jobs = plan(given.inputs, naming)
    refuse_clashes([job.target for job in jobs if job.target is not None], given.overwrite)
    run = UpscaleSession(given)
    if given.strengths:
        return write_strengths(run, jobs[0], given.strengths)
    upscaler = run.opened(run.generator)
    with Bar(len(jobs), "MP") as bar:
        failed = sum(not attempt(run, upscaler, job, bar) for job in jobs)
    where = jobs[0].target if len(jobs) == 1 else Path(given.output)
    if failed < len(jobs) and where is not None:
        print(f"{printable(where)}: {len(jobs) - failed} of {len(jobs)} upscaled")
    if failed:
        print(f"{failed} of {len(jobs)} pictures failed", file=sys.stderr)
    return 1 if failed else 0


def attempt(run: UpscaleSession, upscaler: Upscaler, job: Job, bar: Bar) -> bool:
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


def enlarged(run: UpscaleSession, upscaler: Upscaler, picture: Picture, job: Job, bar: Bar) -> bytes:
    """Return the content of the result's file. What can be refused is refused before the work.

    Raises:
        ValueError: its format cannot hold it, or memory does not suffice.
    """
    rows, columns = result_size(upscaler.scale, picture, run.options)
    check_fits(job.kind, columns, rows, picture.alpha is not None)
    tile, total = run.tile(upscaler, picture), num_pixels(picture, run.options, upscaler.channels)
    megapixel = 1e6 / upscaler.scale**2  # of the result, in LQ pixels
    large = enlarge(upscaler, picture, tile, run.options, lambda lq: bar.advance(lq / total, lq / megapixel))
    return encode_picture(large, job.kind)


def write_strengths(run: UpscaleSession, job: Job, strengths: list[float]) -> int:
    """Write a sheet of the middle of a picture at several strengths of the second network."""
    assert run.second is not None and job.target is not None
    image = middle(read_picture(source_of(job), job.name).colour, SHEET_SIDE)
    image = image.expand(3, -1, -1)
    with Bar(len(strengths), "MP") as bar:
        bar.begin(job.name)
        pixels = image[0].numel() * run.generator.scale**2
        sheet = compare(run.generator, run.second, strengths, image, run.opened, lambda: bar.advance(1, pixels))
    save_picture(sheet, job.target)
    print(f"{printable(job.target)}: {len(strengths)} strengths")
    return 0


def source_of(job: Job) -> Path | IO[bytes]:
    return job.source or io.BytesIO(sys.stdin.buffer.read())


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a wrong one ends with exit code 2."""
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
    parser.add_argument("--codec", choices=list(CODECS), help="of a video (default: h264; av1 in .webm)")
    parser.add_argument(
        "--crf", type=int, metavar="N", help="of a video: 0 is the best, larger is smaller (default: "
        + ", ".join(f"{usual} for {name}" for name, (_, usual, _) in CODECS.items()) + ")",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    parser.add_argument("--tile", type=positive, help="side of a tile, input pixels (as large as memory allows)")
    parser.add_argument("--batch", type=positive, default=1, help="tiles at once, for small ones (%(default)s)")
    parser.add_argument("--half", action="store_true", help="compute in 16 bits, and in 32 where that overflows")
    parser.add_argument(
        "--backend", choices=NAMES, default="auto",
        help="what runs the network; auto: the fastest that is installed for it (default: %(default)s)",
    )  # fmt: skip
    # Options may stand between inputs; only the plain way knows that after -- there are none.
    given = parser.parse_args(words) if "--" in words else parser.parse_intermixed_args(words)
    given.codec = given.codec or usual_codec(given.inputs[0], given.output)
    if wrong := misuse(given):
        parser.error(wrong)
    return given


def has_video(given: argparse.Namespace) -> bool:
    """Return whether a video is among the inputs of a call."""
    return any(is_video(word, given.output) for word in given.inputs)


def misuse(given: argparse.Namespace) -> str:
    """Return what is wrong with a call whose words are right one by one; "" where nothing is."""
    if given.strengths and (given.blend is None or given.blend[1] is not None):
        return "--strengths wants the second network, without a strength: --blend B"
    if given.strengths and (len(given.inputs) > 1 or Path(given.inputs[0]).is_dir() or given.output == STREAM):
        return "--strengths wants one picture, and a file as output"
    if given.blend is not None and given.blend[1] is None and not given.strengths:
        return f"--blend {given.blend[0]}: wanted a strength from 0 to 1 after it, such as {given.blend[0]}=0.5"
    if given.strengths and has_video(given):
        return "--strengths wants a picture, not a video"
    if given.format and has_video(given):
        return f"--format {given.format} is of pictures; a video's kind is that of the output's name"
    try:
        Coding(given.codec, given.crf)
    except ValueError as error:
        return f"--{error}"
    if given.crf is not None and not has_video(given):
        return f"--crf {given.crf} is of videos, and no input is one"
    if set(given.suffix) & set("/\\"):
        return f"--suffix {given.suffix}: wanted a part of a name, without slashes"
    return ""


def second(text: str) -> tuple[str, float | None]:
    """Read B=STRENGTH, or B alone, for `type=`."""
    source, _, number = text.rpartition("=")
    try:
        float(number)
    except ValueError:
        return text, None  # a name may hold an equals sign
    return (source, strength(number)) if source else (text, None)


def strength(text: str) -> float:
    """Read a number from 0 to 1."""
    return between(text, 0, 1)


def strengths(text: str) -> list[float]:
    """Read several of them, with commas, for `type=`."""
    return [strength(word) for word in text.split(",")]


def factor(text: str) -> float:
    """Read a factor of enlargement, for `type=`."""
    return between(text, *FACTORS)


def between(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a number from {low:g} to {high:g}")
    return value
