"""Videos as they come in: what a file holds, and its frames one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wildsr.apps.upscale.video.codecs import Brightness
from wildsr.apps.upscale.video.frames import FULL, Layout, matrix_of
from wildsr.images import printable
from wildsr.io import UserError

# No playlists among them, which name other files and addresses.
CONTAINERS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,mpeg,asf,flv,ogg"
EARLIER = 1.0  # seconds before its declared length that a whole file may end
BRIGHTEST = 10000  # cd/m2 of a display: what the curve of HDR10 ends at, SMPTE ST 2084
MASTERING = "MASTERING_DISPLAY_METADATA"
LOST = {  # side data of a frame, by name, that no encoder here is given
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "UNKNOWN": "data of a kind that PyAV cannot read",
}


@dataclass(frozen=True)
class Clip:
    """A video that was decoded once from end to end.

    Args:
        times: of each frame, in units of `time_base`, rising.
        rate: frames a second, on average.
        pixels: format of a frame, by FFmpeg's name.
        aspect: width of a pixel by its height; None where not declared.
        tags: range, primaries, transfer and matrix, by their numbers in H.273.
        rotation: FFmpeg's display matrix, or None.
        brightness: what HDR10 says of it.
        notes: what a person should know, a line each.
    """

    path: Path
    times: tuple[int, ...]
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

    Raises:
        ValueError: no video, damaged, or it ends before its declared length. One line, that begins with the path.
    """
    name = printable(path)
    with opened(path) as container:
        stream = picture_stream(container, name)
        first: VideoFrame | None = None
        times: list[int] = []
        interlaced = False
        for frame in decoded(container, stream, name):
            first = first or frame
            if (frame.width, frame.height, frame.format.name) != (first.width, first.height, first.format.name):
                raise UserError(f"{name}: frame {len(times) + 1} has another size or format than the first")
            times.append(int(frame.pts or 0))
            interlaced |= frame.interlaced_frame
        if first is None:
            raise UserError(f"{name}: no frame in it")
        extra = _side_data(first)
        brightness = _brightness(extra)
        matrix: Any = extra.get("DISPLAYMATRIX")
        return Clip(
            path, tuple(times), stream.time_base or Fraction(1, 1000), stream.average_rate or Fraction(25),
            first.width, first.height, first.format.name, stream.sample_aspect_ratio,
            (first.color_range, first.color_primaries, first.color_trc, first.colorspace),
            tuple(np.frombuffer(memoryview(matrix), np.int32).tolist()) if matrix else None,
            brightness, tuple(_notes(container, first, extra, brightness, interlaced)),
        )  # fmt: skip


def frames_of(clip: Clip) -> Iterator[VideoFrame]:
    """Yield the frames once more, one at a time.

    Raises:
        ValueError: the file has changed since.
    """
    name = printable(clip.path)
    count = 0
    with opened(clip.path) as container:
        for frame in decoded(container, picture_stream(container, name), name):
            if count == len(clip.times) or frame.pts != clip.times[count]:
                raise UserError(f"{name} has changed meanwhile")
            count += 1
            yield frame
    if count < len(clip.times):
        raise UserError(f"{name} has changed meanwhile")


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a video; what FFmpeg refuses within the block is a ValueError of one line."""
    name = printable(path)
    try:
        with open_input(path) as container:
            yield container
    except FileNotFoundError:
        raise UserError(f"{name}: no such file") from None
    except av.FFmpegError as error:
        raise UserError(f"{name}: not a readable video ({error.strerror})") from error


def open_input(path: Path) -> InputContainer:
    """Open a container for reading. Raises: av.FFmpegError."""
    # An absolute path: no scheme, such as http:, can be read into it.
    return av.open(str(path.absolute()), "r", options={"format_whitelist": CONTAINERS}, metadata_errors="replace")


def picture_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the stream of moving pictures, or the best of them; covers are none.

    Raises:
        ValueError: there is none.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or Disposition.attached_pic in stream.disposition:
        raise UserError(f"{name}: no video in it")
    if stream.codec_context is None:  # whatever its type says
        raise UserError(f"{name}: its video is of an unknown kind")
    # Damage is an error: what a decoder makes up instead would be enlarged with all its blocks.
    stream.codec_context.options = {"err_detect": "explode"}
    stream.thread_type = "AUTO"
    return stream


def copied(container: InputContainer) -> list[Stream]:
    """Return the streams that go into the result as they are: sound, subtitles, and fonts for these."""
    return [stream for stream in container.streams if stream.type in ("audio", "subtitle", "attachment")]


def decoded(container: InputContainer, stream: VideoStream, name: str) -> Iterator[VideoFrame]:
    """Yield a stream's frames, their time stamps rising: one that is missing is its neighbour's plus a frame's length.

    Raises:
        ValueError: a packet is damaged, or the file ends before its declared length.
    """
    base = stream.time_base or Fraction(1, 1000)
    step = max(round(1 / ((stream.average_rate or 25) * base)), 1)
    count, last, end = 0, None, Fraction(0)
    for packet in container.demux():
        if packet.pts is not None:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if packet.stream.index != stream.index:
            continue
        if packet.is_corrupt:
            raise UserError(f"{name}: damaged after frame {count}, where a packet is cut short")
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            raise UserError(f"{name}: damaged after frame {count} ({error.strerror})") from error
        for frame in frames:
            if frame.is_corrupt:
                raise UserError(f"{name}: damaged after frame {count}")
            count += 1
            if frame.pts is None:
                frame.pts = 0 if last is None else last + step
            frame.pts = last = frame.pts if last is None else max(frame.pts, last + 1)
            yield frame
    if container.duration:
        whole = Fraction(container.duration + (container.start_time or 0), av.time_base)
        if end < whole - EARLIER:
            raise UserError(f"{name}: it ends at {float(end):.1f} of {float(whole):.1f} seconds; the rest is missing")


def _side_data(frame: VideoFrame) -> Mapping[str, Any]:
    """Return what a frame carries besides the picture, by PyAV's names."""
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


def _notes(
    container: InputContainer, first: VideoFrame, extra: Mapping[str, Any], brightness: Brightness, interlaced: bool
) -> Iterator[str]:
    known = [*copied(container), container.streams.best("video")]
    if others := [stream.type for stream in container.streams if stream not in known]:
        yield f"left out, besides the first video: {', '.join(others)}"
    if any(component.is_alpha for component in first.format.components):
        yield "its alpha is left out"
    if lost := [words for name, words in LOST.items() if name in extra]:
        yield f"left out of its frames: {', '.join(lost)}"
    if MASTERING in extra and not brightness.mastering:
        yield "left out: the display that it was made on, which it describes in part or as no display can be"
    if interlaced:
        yield "its frames are interlaced, and enlarged as if they were not"
