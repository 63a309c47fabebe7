"""The command line of `wildsr upscale`: its options by groups."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from contextlib import suppress

from PIL import ImageColor

from wildsr.apps.common.arguments import Parser, positive
from wildsr.apps.upscale.choices import ALPHAS, NAMES, check_device
from wildsr.apps.upscale.combinations import misuses
from wildsr.apps.upscale.jobs import STREAM, require_inputs
from wildsr.apps.upscale.video.codecs import CODECS, usual_codec
from wildsr.images import OUTPUT_SUFFIXES
from wildsr.io import UserError

FACTORS = 0.01, 100.0  # of --scale: beyond them it is a slip of the finger
SHEET_SIDE = 128  # LQ pixels from the middle of the image, in a sheet of strengths
SKIP, READ = "skip", "read"  # of --on-damage

DESCRIPTION = """Enlarge images: files, folders with their sub-folders, patterns, or the standard input. Or one video.

  wildsr upscale photo.jpg                                  writes photo_x4.png beside it
  wildsr upscale photo.jpg -o large.png
  wildsr upscale photos/ more/*.tif -o large/ --format jpg --quality 90 --suffix _x4
  wildsr upscale photos/ -o large/ --max-side 3840 --skip-existing
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
What alpha hides does not change what is seen. 16 bits a channel stay 16 in PNG and TIFF, and become 8 in other formats.
CMYK becomes sRGB, a palette RGB. The image is turned as its EXIF says; the colour profile, the colours that a PNG
declares, EXIF, XMP, IPTC, comments, texts and the resolution are kept where the format of the result has a place for
them, and a line says what it has none for; the thumbnail is not kept. Of several frames or pages the first is taken,
and a line says so. JPEG and BMP have no alpha: an image with it is refused there, or laid over --background. Where two
images of a folder differ in nothing but their format, such as a.png and a.jpg, their results are a_png.png and
a_jpg.png.

Besides what is written, GIF, JPEG 2000, PPM, TGA, DDS, ICO, PCX, QOI and SGI are read; HEIC with pip install pi-heif,
JPEG XL with pip install pillow-jxl-plugin.

Of a video every frame is enlarged; an animated GIF or PNG is one where the output is. Sound, subtitles, chapters and
fonts are copied byte for byte where the container holds them, else encoded anew or left out, and a line says so; time
stamps, rotation, tags of colour and the depth of 8 or 10 bits are kept. Of a damaged one what can be decoded is taken,
and what was lost is counted. After a break the same command goes on: finished parts wait in a hidden folder beside the
result. It needs PyAV: pip install 'av>=18.1,<19'.

Nothing is overwritten unless --overwrite is given, and no input ever. What cannot be read is named, the others are
done, and the exit code is 1. A name that begins with a dash goes after --, or is written ./-name."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a wrong one ends with exit code 2.

    Raises:
        UserError: an input does not exist.
    """
    parser = Parser("upscale", DESCRIPTION)
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="Files, folders or patterns; - is the standard input."
    )
    add_results(parser)
    add_network(parser)
    add_sizes(parser)
    add_encoding(parser)
    add_execution(parser)
    # Options may stand between inputs; only the plain way knows that after -- there are none.
    given = parser.parse_args(words) if "--" in words else parser.parse_intermixed_args(words)
    if given.output is None and given.inputs == [STREAM]:
        given.output = STREAM
    given.codec = given.codec or usual_codec(given.inputs[0], given.output or "")
    if wrong := next(misuses(given), None):
        parser.error(wrong)
    if given.device is not None:
        from wildsr.apps.upscale.backends import find_device  # imports torch, which knows what is there

        try:
            given.device = find_device(given.device)
        except UserError as error:
            parser.error(f"argument --device: {error}")
    require_inputs(given.inputs)  # before the network is loaded
    return given


def add_results(parser: Parser) -> None:
    """Add the options about which files are read and written."""
    group = parser.add_argument_group("files")
    group.add_argument(
        "-o", "--output", metavar="PATH",
        help="Output file or folder; - is the standard output (default: beside each input, such as photo_x4.png).",
    )  # fmt: skip
    group.add_argument(
        "--format", choices=(formats := [suffix[1:] for suffix in OUTPUT_SUFFIXES]), metavar="FORMAT",
        help=f"Image format where -o names none: {', '.join(formats)} (default: png).",
    )  # fmt: skip
    group.add_argument("--suffix", metavar="TEXT", help="Append this to output names, such as _x4.")
    there = group.add_mutually_exclusive_group()
    there.add_argument("--overwrite", action="store_true", help="Replace existing files.")
    there.add_argument("--skip-existing", action="store_true", help="Skip images whose output exists.")
    group.add_argument(
        "--on-damage", choices=(SKIP, READ), metavar=f"{{{SKIP},{READ}}}",
        help=f"Skip damaged images ({SKIP}, default), or enlarge what can be decoded of them ({READ}).",
    )  # fmt: skip


def add_network(parser: Parser) -> None:
    """Add the options about which network enlarges."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--weights",
        default="realesrgan-x4plus",
        metavar="NAME",
        help="Weights: a file, or the name of a released network (default: %(default)s).",
    )
    group.add_argument(
        "--blend", type=second, metavar="WEIGHTS=ALPHA", help="Interpolate with these weights (ALPHA: 0 to 1)."
    )
    group.add_argument(
        "--strengths", type=strengths, metavar="LIST",
        help=f"Write a sheet instead: the middle {SHEET_SIDE} pixels at each of these ALPHAs, such as 0,0.5,1.",
    )  # fmt: skip
    group.add_argument(
        "--alpha", choices=ALPHAS, default=ALPHAS[0], help="How alpha is enlarged; interpolate is Lanczos, in half of "
        "the time (default: %(default)s).",
    )  # fmt: skip


def add_sizes(parser: Parser) -> None:
    """Add the options about the size of the result."""
    group = parser.add_argument_group(
        "size of the result", "The network enlarges, then Lanczos resamples. Default: the network's scale."
    )
    group.add_argument("--scale", type=factor, metavar="FACTOR", help="Scale of the output, such as 2.5.")
    group.add_argument("--width", type=positive, metavar="PX", help="Width of the output; --height follows.")
    group.add_argument("--height", type=positive, metavar="PX", help="Height of the output; --width follows.")
    group.add_argument("--max-side", type=positive, metavar="PX", help="Longer side of the output.")


def add_encoding(parser: Parser) -> None:
    """Add the options about what goes into the files."""
    group = parser.add_argument_group("encoding")
    group.add_argument(
        "--quality", type=quality, metavar="N", help="Quality of JPEG, WebP and AVIF, 1-100 (default: 95)."
    )
    group.add_argument("--lossless", action="store_true", help="Write lossless WebP; PNG, TIFF and BMP always are.")
    group.add_argument(
        "--background", type=colour, metavar="COLOUR",
        help="Flatten alpha onto this colour: a name such as white, or RRGGBB.",
    )  # fmt: skip
    group.add_argument("--strip", action="store_true", help="Drop all metadata but the colour profile.")
    group.add_argument("--codec", choices=list(CODECS), help="Video codec (default: h264; av1 in .webm).")
    group.add_argument(
        "--crf", type=int, metavar="N", help="Constant rate factor of a video, 0 is best (default: "
        + ", ".join(f"{usual} for {name}" for name, (_, usual, _) in CODECS.items()) + ").",
    )  # fmt: skip


def add_execution(parser: Parser) -> None:
    """Add the options about where and how the network runs."""
    group = parser.add_argument_group("execution")
    group.add_argument(
        "--device", type=device, metavar="DEVICE", help="One of cpu, cuda, cuda:1 or mps (default: cuda where there "
        "is one, else cpu).",
    )  # fmt: skip
    group.add_argument(
        "--backend", choices=NAMES, default="auto",
        help="What runs the network; auto is the fastest installed (default: %(default)s).",
    )  # fmt: skip
    group.add_argument(
        "--max-pixels", type=positive, metavar="N",
        help="Refuse inputs of more pixels (default: what free memory has room for).",
    )  # fmt: skip
    group.add_argument("--half", action="store_true", help="Compute in 16 bits, and in 32 where that overflows.")
    group.add_argument("--tile", type=positive, metavar="PX", help="Side of the tiles (default: as memory allows).")
    group.add_argument("--batch", type=positive, metavar="N", default=1, help="Tiles at once (default: %(default)s).")


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


def quality(text: str) -> int:
    """Read a whole number from 1 to 100, for `type=`."""
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a whole number from 1 to 100")
    return int(text)


def colour(text: str) -> tuple[int, int, int]:
    """Read an opaque colour as RGB of 8 bits, for `type=`. Its # may be missing: to a shell it begins a comment."""
    for word in (text, f"#{text}"):
        with suppress(ValueError):
            if len(levels := ImageColor.getrgb(word)) == 3:  # four are a colour with alpha
                return levels[0], levels[1], levels[2]
    raise argparse.ArgumentTypeError(f"{text!r} given, wanted a colour such as white or ffcc00")


def device(text: str) -> str:
    """Read the name of a device, for `type=`."""
    try:
        return check_device(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def between(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a number from {low:g} to {high:g}")
    return value
