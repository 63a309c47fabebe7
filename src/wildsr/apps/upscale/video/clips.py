"""Videos as they come in: what a file holds, and its frames one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wildsr.apps.upscale.video.codecs import Brightness
from wildsr.apps.upscale.video.damage import Damage, decoded
from wildsr.apps.upscale.video.demuxing import opened, timing
from wildsr.apps.upscale.video.frames import FULL, Layout, matrix_of
from wildsr.io import UserError, printable

PROGRESSIVE = 1  # of FFmpeg's orders of fields; 0 is unknown
BRIGHTEST = 10000  # cd/m2 of a display: what the curve of HDR10 ends at, SMPTE ST 2084
MASTERING = "MASTERING_DISPLAY_METADATA"
LOST = {  # side data of a frame, by name, that no encoder here is given
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "A53_CC": "closed captions",
    "UNKNOWN": "data of a kind that PyAV cannot read",
}


@dataclass(frozen=True)
class Clip:
    """A video that was decoded once from end to end.

    Args:
        times: of each frame, in units of `time_base`, rising; 0 is where the file's clock begins.
        last: how long the last frame is shown, in the same units.
        rate: frames a second, on average.
        pixels: format of a frame, by FFmpeg's name.
        aspect: width of a pixel by its height; None where not declared.
        tags: range, primaries, transfer and matrix, by their numbers in H.273.
        rotation: FFmpeg's display matrix, or None.
        brightness: what HDR10 says of it.
        notes: what a person should know before the work, a line each.
        damage: what was lost.
    """

    path: Path
    times: tuple[int, ...]
    last: int
    time_base: Fraction
    rate: Fraction
    width: int
    height: int
    pixels: str
    aspect: Fraction | None
    tags: tuple[int, int, int, int]
    rotation: tuple[int, ...] | None
    brightness: Brightness
    notes: tuple[str, ...]
    damage: Damage

    def layout(self, pixels: str) -> Layout:
        """Return how frames of the pixel format `pixels` mean colours that come from this video.

        Raises:
            ValueError: by a matrix that is not known here.
        """
        spread, _, _, matrix = self.tags
        # Levels of grey are full unless declared otherwise: to take them for limited would clip them.
        full = spread == FULL or self.pixels.startswith("yuvj") or (self.pixels.startswith("gray") and spread != 1)
        return Layout(pixels, matrix_of(matrix, self.width, self.height), full)


def inspect(path: Path) -> Clip:
    """Decode a video from end to end: damage is better found before the work than in the midst of it.

    A decoder that conceals errors does not always tell of them. So the first try is strict; where that finds an error,
    a second takes what can be had.

    Raises:
        UserError: no video, or no frame of it can be decoded. One line, that begins with the path.
    """
    strict, errors = _read(path, is_strict=True)
    if strict is not None and not errors.skipped + errors.concealed:
        return strict
    clip, damage = _read(path, is_strict=False)
    if clip is None:
        raise UserError(f"{printable(path)}: no frame in it{f' ({damage})' if str(damage) else ''}")
    damage.concealed = max(damage.concealed, errors.skipped - damage.skipped)
    return clip


def _read(path: Path, is_strict: bool) -> tuple[Clip | None, Damage]:
    """Decode a video; no clip is one without a frame."""
    damage = Damage()
    with opened(path) as stream:
        first: VideoFrame | None = None
        times: list[int] = []
        losses = Losses(stream)
        last = 0
        for frame in decoded(stream, damage, is_strict):
            first = first or frame
            times.append(int(frame.pts or 0))
            last = frame.duration or 0
            losses.look_at(frame)
        if first is None:
            return None, damage
        time_base, rate, step = timing(stream)
        extra = _side_data(first)
        brightness = _brightness(extra)
        matrix: Any = extra.get("DISPLAYMATRIX")
        return Clip(
            path, tuple(times), last or step, time_base, rate,
            first.width, first.height, first.format.name, stream.sample_aspect_ratio,
            (first.color_range, first.color_primaries, first.color_trc, first.colorspace),
            tuple(np.frombuffer(memoryview(matrix), np.int32).tolist()) if matrix else None,
            brightness, tuple(losses.notes(MASTERING in extra and not brightness.mastering)), damage,
        ), damage  # fmt: skip


class Losses:
    """What enlarging a whole video loses, gathered frame by frame."""

    def __init__(self, stream: VideoStream) -> None:
        self.has_alpha = stream.metadata.get("alpha_mode") == "1"  # of WebM: beside the frames, no decoder here sees it
        self.is_interlaced = getattr(stream.codec_context, "field_order", 0) > PROGRESSIVE
        self.frames = self.resized = 0
        self.size: tuple[int, int] | None = None
        self.data: dict[str, None] = {}  # names of side data, each once

    def look_at(self, frame: VideoFrame) -> None:
        """Add what is lost of a frame."""
        self.size = self.size or (frame.width, frame.height)
        self.frames += 1
        self.resized += (frame.width, frame.height) != self.size
        self.is_interlaced |= frame.interlaced_frame
        self.has_alpha = self.has_alpha or is_transparent(frame)
        found = _side_data(frame)
        self.data |= {name: None for name in LOST if name in found}

    def notes(self, is_display_lost: bool) -> Iterator[str]:
        """Yield a line for each kind of loss."""
        if self.data:
            yield f"left out of its frames: {', '.join(LOST[name] for name in self.data)}"
        if is_display_lost:
            yield "left out: the display that it was made on, which it describes in part or as no display can be"
        if self.has_alpha:
            yield "its alpha is lost: no codec here holds any"
        if self.is_interlaced:
            yield "its frames are interlaced, and enlarged as if they were not; deinterlace it first"
        if self.resized:
            yield f"{self.resized} of its {self.frames} frames are of another size than the first, and scaled to that"


def frames_of(clip: Clip) -> Iterator[VideoFrame]:
    """Yield the frames once more, one at a time, all of the first one's size.

    Raises:
        UserError: the file has changed since.
    """
    is_strict = not clip.damage.skipped + clip.damage.concealed
    with opened(clip.path) as stream:
        for frame, time in zip_longest(decoded(stream, Damage(), is_strict), clip.times):
            if frame is None or frame.pts != time:
                raise UserError(f"{printable(clip.path)} has changed meanwhile")
            if (frame.width, frame.height) != (clip.width, clip.height):
                frame = frame.reformat(clip.width, clip.height)
                frame.pts = time
            yield frame


def is_transparent(frame: VideoFrame) -> bool:
    """Return whether any pixel of a frame is not opaque."""
    if not (frame.format.has_palette or any(component.is_alpha for component in frame.format.components)):
        return False
    alpha = frame.reformat(format="yuva444p").planes[3]
    rows = np.frombuffer(memoryview(alpha), np.uint8).reshape(alpha.height, -1)
    return bool(rows[:, : alpha.width].min() < 255)


def _side_data(frame: VideoFrame) -> Mapping[str, Any]:
    """Return what a frame carries besides its pixels, by PyAV's names."""
    try:
        return frame.side_data
    except ValueError:  # something that PyAV has no name for, such as Exif, hides the rest
        return {"UNKNOWN": None}


def _brightness(extra: Mapping[str, Any]) -> Brightness:
    """Keep what is whole, and possible."""
    mastering = light = None
    if data := extra.get(MASTERING):
        *numbers, has_points, has_range = np.frombuffer(memoryview(data), np.int32).tolist()
        if all((has_points, has_range, *numbers[1::2])):
            *points, least, most = values = tuple(map(Fraction, numbers[::2], numbers[1::2]))
            if all(0 <= point <= 1 for point in points) and 0 <= least < most <= BRIGHTEST:
                mastering = values
    if data := extra.get("CONTENT_LIGHT_LEVEL"):
        pixel, mean = np.frombuffer(memoryview(data), np.uint32).tolist()
        light = (pixel, mean) if 0 < max(pixel, mean) <= BRIGHTEST else None
    return Brightness(mastering, light)
