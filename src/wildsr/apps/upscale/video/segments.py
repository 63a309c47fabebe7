"""A larger video, made in segments that survive a break, to be put together without encoding again.

A segment is a small MP4 of SECONDS of frames that begins with a key frame. It is written whole or not at all, and
depends on nothing but the source and the choices: what a broken run has left is as good as what it would make.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby, islice, takewhile
from pathlib import Path
from typing import Any

import av
from av.codec import Codec, find_best_pix_fmt_of_list
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from wildsr.apps.upscale.video.clips import Clip, frames_of
from wildsr.apps.upscale.video.codecs import Coding
from wildsr.apps.upscale.video.frames import FULL, Layout, to_frame, to_image
from wildsr.io import write_whole

SECONDS = 2  # of a segment: what a break loses, and the longest between two key frames; as streams have it


def layout_of(clip: Clip, coding: Coding) -> Layout:
    """Return the encoder's layout nearest to the clip's own; bits and subsampling are kept where it can."""
    planar = [each.name for each in Codec(coding.encoder, "w").video_formats or []]
    planar = [name for name in planar if name.startswith(("yuv4", "gray"))]
    nearest, _ = find_best_pix_fmt_of_list(planar, clip.pixels)
    assert nearest is not None
    return clip.layout(nearest.name)


def plan_segments(clip: Clip, folder: Path) -> tuple[list[Path], int]:
    """Return the files of all segments, and how many frames are in those that an earlier call has finished."""
    folder = folder.absolute()  # as in `open_input`: 12:30.mkv alone would be a file of the protocol 12
    length = _frames_each(clip)
    segments = [folder / f"{number:06}.mp4" for number in range(-(-len(clip.times) // length))]
    finished = len(list(takewhile(Path.exists, segments)))
    return segments, min(finished * length, len(clip.times))


def write_segments(
    clip: Clip, coding: Coding, segments: Sequence[Path], done: int, enlarge: Callable[[Tensor], Tensor]
) -> None:
    """Write the segments that are not finished yet.

    Args:
        segments, done: as `plan_segments` gives them.
        enlarge: (C, H, W) in [0, 1] to a larger one.
    """
    if done == len(clip.times):
        return
    layout, length = layout_of(clip, coding), _frames_each(clip)
    frames = islice(enumerate(frames_of(clip)), done, None)
    for number, group in groupby(frames, lambda pair: pair[0] // length):
        larger = (_larger(frame, layout, enlarge) for _, frame in group)
        content = encode(larger, clip, coding)
        write_whole(segments[number], lambda file, content=content: file.write(content))  # type: ignore[misc]


def _frames_each(clip: Clip) -> int:
    """Return the number of frames of a segment; the last one may have fewer."""
    return max(round(SECONDS * clip.rate), 1)


def encode(frames: Iterable[VideoFrame], clip: Clip, coding: Coding) -> bytes:
    """Encode successive frames, one at least, as an MP4, in the order of their time stamps."""
    os.environ.setdefault("SVT_LOG", "1")  # of libsvtav1, on the standard error output: errors alone
    frames = iter(frames)
    first = next(frames)
    start = first.pts or 0
    content = io.BytesIO()
    packets: list[Packet] = []
    with av.open(content, "w", format="mp4") as segment:
        stream = segment.add_stream(
            coding.encoder, clip.rate, coding.options(clip.brightness),
            width=first.width, height=first.height, pix_fmt=first.format.name, time_base=clip.time_base,
        )  # fmt: skip
        assert isinstance(stream, VideoStream)
        declare(stream, clip, layout_of(clip, coding))
        for frame in chain([first], frames):
            frame.pts = (frame.pts or 0) - start
            packets += stream.encode(frame)
        packets += stream.encode(None)
        shown = [packet.pts or 0 for packet in packets]
        # Their own are wrong for a handful of frames (libx265).
        for packet, time in zip(packets, decoding_times(ranks_of(shown), sorted(shown)), strict=True):
            packet.dts = time
            segment.mux(packet)
    return content.getvalue()


def declare(stream: VideoStream, clip: Clip, layout: Layout) -> None:
    """Declare colour and the shape of a pixel; the matrix is named even where the source leaves it to its size."""
    context = stream.codec_context
    spread, primaries, transfer, _ = clip.tags
    context.color_range, context.color_primaries = FULL if layout.full else spread, primaries
    context.color_trc, context.colorspace = transfer, layout.matrix
    if clip.aspect:
        context.sample_aspect_ratio = clip.aspect


def decoding_times(ranks: Sequence[int], times: Sequence[int], last: int | None = None) -> list[int]:
    """Return when packets are decoded: rising, none after it is shown, and as long in all as the frames are shown.

    A track of MP4 is as long as its times of decoding say. So the first comes as long before the first frame is shown
    as the last ends before the last frame does.

    Args:
        ranks: the place of each packet, in the order of decoding, among the frames as they are shown.
        times: when frames are shown, rising.
        last: how long the last frame is shown; None is as long as the first.
    """
    delay = max((index - rank for index, rank in enumerate(ranks)), default=0)
    if not delay:
        return list(times)
    ends = (*times[1:], times[-1] + (times[1] - times[0] if last is None else last))
    lead = ends[-1] - times[-1 - delay] - (ends[ranks[-1]] - times[ranks[-1]])
    return [times[0] - lead * back // delay for back in range(delay, 0, -1)] + list(times[: len(times) - delay])


def ranks_of(shown: Sequence[Any]) -> list[int]:
    """Return the place of each among all, in rising order."""
    ranks = [0] * len(shown)
    for rank, index in enumerate(sorted(range(len(shown)), key=shown.__getitem__)):
        ranks[index] = rank
    return ranks


def _larger(frame: VideoFrame, layout: Layout, enlarge: Callable[[Tensor], Tensor]) -> VideoFrame:
    larger = to_frame(enlarge(to_image(frame, layout)), layout)
    larger.pts, larger.time_base, larger.duration = frame.pts, frame.time_base, frame.duration
    return larger
