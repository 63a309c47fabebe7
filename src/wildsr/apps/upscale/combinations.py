"""What does not go together in a call of `wildsr upscale` whose words are right one by one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from wildsr.apps.upscale.jobs import STREAM, Naming, is_video
from wildsr.apps.upscale.video.codecs import Coding
from wildsr.images.formats import LOSSY, WITH_QUALITY
from wildsr.io import expanded


def has_video(given: argparse.Namespace) -> bool:
    """Return whether a video is among the inputs of a call."""
    return any(is_video(word, given.output) for word in given.inputs)


def misuses(given: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with a call whose words are right one by one."""
    videos = [word for word in given.inputs if is_video(word, given.output)]
    yield from misuses_of_blending(given)
    yield from misuses_of_encoding(given, videos)
    sizes = [name for name in ("scale", "width", "height", "max_side") if getattr(given, name)]
    if len(sizes) > 1 and sizes != ["width", "height"]:
        yield f"{' and '.join(map(option, sizes))}: wanted one of them"
    if given.suffix and set(given.suffix) & set("/\\"):
        yield f"--suffix {given.suffix}: wanted a part of a name, without slashes"
    if given.device is not None and given.device != "cpu" and given.backend not in ("auto", "torch"):
        yield f"--backend {given.backend} runs on the CPU, and --device is {given.device}; wanted torch"
    if given.output == STREAM and sys.stdout.isatty():
        yield "the standard output is a terminal; wanted -o FILE, or a pipe"


def misuses_of_blending(given: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with --blend and --strengths."""
    if not given.strengths:
        if given.blend is not None and given.blend[1] is None:
            yield f"--blend {given.blend[0]}: wanted a strength from 0 to 1 after it, such as {given.blend[0]}=0.5"
        return
    if given.blend is None or given.blend[1] is not None:
        yield "--strengths wants the second network, without a strength: --blend B"
    if has_video(given):
        yield "--strengths wants an image, not a video"
    if len(given.inputs) > 1 or expanded(given.inputs[0]).is_dir() or given.output in (None, STREAM):
        yield "--strengths wants one image, and a file as output"
    names = ("scale", "width", "height", "max_side", "quality", "lossless", "background", "strip", "on_damage")
    for name in (*names, "skip_existing"):
        if getattr(given, name):
            yield f"{option(name)} is of results, and --strengths makes a sheet"


def misuses_of_encoding(given: argparse.Namespace, videos: list[str]) -> Iterator[str]:
    """Yield which options do not go with what is encoded."""
    if videos and given.format:
        yield f"--format {given.format} is of images; a video's kind is that of the output's name"
    if videos and (given.quality or given.lossless):
        yield f"{option('quality' if given.quality else 'lossless')} is of images; a video has --crf"
    for name in ("background", "strip", "on_damage", "max_pixels"):
        if videos and getattr(given, name):
            yield f"{option(name)} is of images, and {videos[0]} is a video"
    try:
        Coding(given.codec, given.crf)
    except ValueError as error:
        yield f"--{error}"
    if given.crf is not None and not videos:
        yield f"--crf {given.crf} is of videos, and no input is one"
    if videos or not (given.quality or given.lossless):
        return
    kind = Naming(given.output, given.format).kind
    if given.quality and (kind not in WITH_QUALITY or given.lossless):
        without = "--lossless" if given.lossless else kind
        yield f"--quality {given.quality}: {without} has none; choose from jpg, webp, avif"
    if given.lossless and kind in LOSSY:
        yield f"--lossless: {kind} has no lossless form here; choose from png, webp, tif, bmp"


def option(name: str) -> str:
    """Return an option as it is typed."""
    return f"--{name.replace('_', '-')}"
