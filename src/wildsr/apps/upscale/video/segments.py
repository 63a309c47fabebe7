"""A larger video, made in segments that survive a break, then put together without encoding again.

A segment is a small MP4 of SECONDS of frames that begins with a key frame. It is written whole or not at all, and
depends on nothing but the source and the choices: what a broken run has left is as good as what it would make.
"""

from __future__ import annotations

import heapq
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import av
import torch
from av.codec import Codec, find_best_pix_fmt_of_list
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from wildsr.apps.upscale.video.clips import Clip, copied, frames_of, open_input, picture_stream
from wildsr.apps.upscale.video.codecs import Coding
from wildsr.apps.upscale.video.frames import FULL, Layout, to_frame, to_picture
from wildsr.images import first_line, write_whole
from wildsr.io import UserError

SECONDS = 2  # of a segment: what a break loses, and the longest between two key frames; as streams have it
OF_THE_FILE = ("encoder", "major_brand", "minor_version", "compatible_brands")  # metadata that muxers write anew
KEPT = ("language", "title", "handler_name")  # of a stream's metadata; what it says of bytes and rates is no more true


def layout_of(clip: Clip, coding: Coding) -> Layout:
    """Return the encoder's layout nearest to the clip's own; bits and subsampling are kept where it can."""
    planar = [each.name for each in Codec(coding.encoder, "w").video_formats or []]
    planar = [name for name in planar if name.startswith(("yuv4", "gray"))]
    nearest, _ = find_best_pix_fmt_of_list(planar, clip.pixels)
    assert nearest is not None
    return clip.layout(nearest.name)


def write_segments(
    clip: Clip, coding: Coding, folder: Path, enlarge: Callable[[Tensor], Tensor], begun: Callable[[int], object]
) -> list[Path]:
    """Make those segments that are not in the folder yet; returns all of them.

    Args:
        enlarge: (C, H, W) in [0, 1] to a larger one.
        begun: called once, before the first frame that is enlarged, with the number of those that were done before.
    """
    layout = layout_of(clip, coding)
    folder = folder.absolute()  # as in `open_input`: 12:30.mkv alone would be a file of the protocol 12
    length = max(round(SECONDS * clip.rate), 1)
    segments = [folder / f"{number:06}.mp4" for number in range(-(-len(clip.times) // length))]
    missing = next((number for number, segment in enumerate(segments) if not segment.exists()), len(segments))
    begun(min(missing * length, len(clip.times)))
    if missing == len(segments):
        return segments
    frames = islice(enumerate(frames_of(clip)), missing * length, None)
    for number, group in groupby(frames, lambda pair: pair[0] // length):
        larger = (_larger(frame, layout, enlarge) for _, frame in group)
        content = encode(larger, clip, coding)
        write_whole(segments[number], lambda file, content=content: file.write(content))  # type: ignore[misc]
    return segments


def encode(frames: Iterable[VideoFrame], clip: Clip, coding: Coding) -> bytes:
    """Encode some successive frames as an MP4, in the order of their time stamps."""
    os.environ.setdefault("SVT_LOG", "1")  # of libsvtav1, on the standard error output: errors alone
    content = io.BytesIO()
    stream: VideoStream | None = None
    packets: list[Packet] = []
    with av.open(content, "w", format="mp4") as segment:
        for frame in frames:
            if stream is None:
                start = frame.pts or 0
                added = segment.add_stream(
                    coding.encoder, clip.rate, coding.options(clip.brightness),
                    width=frame.width, height=frame.height, pix_fmt=frame.format.name, time_base=clip.time_base,
                )  # fmt: skip
                assert isinstance(added, VideoStream)
                stream = added
                _declare(stream, clip, layout_of(clip, coding))
            frame.pts = (frame.pts or 0) - start
            packets += stream.encode(frame)
        if stream is not None:
            packets += stream.encode(None)
        shown = [packet.pts or 0 for packet in packets]
        # Their own are wrong for a handful of frames (libx265).
        for packet, time in zip(packets, decoding_times(_ranks(shown), sorted(shown)), strict=True):
            packet.dts = time
            segment.mux(packet)
    return content.getvalue()


def rehearse(clip: Clip, coding: Coding, height: int, width: int, kind: str) -> None:
    """See that a result of H x W pixels can be encoded, and held by a container together with what is copied.

    Raises:
        ValueError: it cannot.
    """
    if coding.codec == "av1" and kind in ("matroska", "webm") and clip.aspect not in (None, 1):
        raise UserError(
            f"{kind} with av1 would lose the shape of a pixel, {clip.aspect}; wanted .mp4, or another codec"
        )
    layout = layout_of(clip, coding)
    black = _framed(torch.zeros(1 if layout.is_grey else 3, height, width), layout)
    try:
        first = io.BytesIO(encode([black], clip, coding))
    except (av.FFmpegError, ValueError) as error:
        raise UserError(f"{coding.codec} cannot hold {width} x {height} pixels ({_reason(error)})") from error
    # All that is copied goes the whole way here: time stamps that a container refuses may stand anywhere.
    with open_input(clip.path) as source:
        try:
            with av.open(first, "r") as segment, av.open(os.devnull, "w", format=kind) as result:
                _, others = _add_streams(clip, coding, source, segment, result)
                result.start_encoding()
                for packet in _copies(source, others):
                    result.mux(packet)
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{kind} cannot hold it ({_reason(error)}); wanted a container as the input's") from error


def assemble(clip: Clip, coding: Coding, segments: Sequence[Path], path: Path, kind: str) -> None:
    """Write the result: the segments' packets with the time stamps of the source, and its other streams as they are.

    Raises:
        ValueError: a segment is damaged.
        av.FFmpegError: the file cannot be written.
    """
    ranks = _ranks(
        [(number, packet.pts or 0) for number, segment in enumerate(segments) for packet in _packets(segment)]
    )
    if sorted(ranks) != list(range(len(clip.times))):
        raise UserError(f"{segments[0].parent}: {len(ranks)} of {len(clip.times)} frames; remove it to begin anew")
    with (
        open_input(clip.path) as source,
        av.open(segments[0]) as first,
        av.open(path.absolute(), "w", format=kind) as result,
    ):
        pictures, others = _add_streams(clip, coding, source, first, result)
        packets = heapq.merge(
            _stamped(segments, ranks, clip, pictures), _copies(source, others),
            key=lambda packet: float(_time(packet) * packet.time_base),
        )  # fmt: skip
        for packet in packets:
            result.mux(packet)


def _add_streams(
    clip: Clip, coding: Coding, source: InputContainer, first: InputContainer, result: OutputContainer
) -> tuple[VideoStream, dict[int, Stream]]:
    """Add the result's stream of pictures, and those of what is copied, by the index of each in the source."""
    pictures = result.add_stream_from_template(first.streams.video[0], opaque=True)
    _declare(pictures, clip, layout_of(clip, coding))
    pictures.time_base, pictures.codec_context.framerate = clip.time_base, clip.rate
    if coding.codec == "h265" and result.format.name in ("mp4", "mov"):
        pictures.codec_context.codec_tag = "hvc1"  # Apple's players know no other
    if clip.rotation is not None:
        pictures.set_display_matrix(clip.rotation)
    others = {stream.index: result.add_stream_from_template(stream) for stream in copied(source)}
    pairs = [(picture_stream(source, str(clip.path)), pictures)]
    for old, new in [*pairs, *((source.streams[index], stream) for index, stream in others.items())]:
        new.metadata.update({key: text for key, text in old.metadata.items() if key in KEPT})
        new.disposition = old.disposition
    result.metadata.update({key: text for key, text in source.metadata.items() if key not in OF_THE_FILE})
    result.set_chapters(source.chapters())
    return pictures, others


def _declare(stream: VideoStream, clip: Clip, layout: Layout) -> None:
    """Declare colour and the shape of a pixel; the matrix is named even where the source leaves it to its size."""
    context = stream.codec_context
    spread, primaries, transfer, _ = clip.tags
    context.color_range, context.color_primaries = FULL if layout.full else spread, primaries
    context.color_trc, context.colorspace = transfer, layout.matrix
    if clip.aspect:
        context.sample_aspect_ratio = clip.aspect


def decoding_times(ranks: Sequence[int], times: Sequence[int]) -> list[int]:
    """Return when packets are decoded: rising, and none after it is shown.

    Args:
        ranks: the place of each packet, in the order of decoding, among the frames as they are shown.
        times: when frames are shown, rising.
    """
    delay = max((index - rank for index, rank in enumerate(ranks)), default=0)
    step = times[1] - times[0] if len(times) > 1 else 1
    return [times[0] - back * step for back in range(delay, 0, -1)] + list(times[: len(times) - delay])


def _ranks(shown: Sequence[Any]) -> list[int]:
    """Return the place of each among all, in rising order."""
    ranks = [0] * len(shown)
    for rank, index in enumerate(sorted(range(len(shown)), key=shown.__getitem__)):
        ranks[index] = rank
    return ranks


def _stamped(segments: Sequence[Path], ranks: list[int], clip: Clip, stream: VideoStream) -> Iterator[Packet]:
    """Yield the packets of all segments, shown when the source's frames are."""
    ends = (*clip.times[1:], clip.times[-1] + max(round(1 / (clip.rate * clip.time_base)), 1))
    packets = (packet for segment in segments for packet in _packets(segment))
    for packet, rank, time in zip(packets, ranks, decoding_times(ranks, clip.times), strict=True):
        packet.time_base, packet.stream = clip.time_base, stream
        packet.pts, packet.dts, packet.duration = clip.times[rank], time, ends[rank] - clip.times[rank]
        yield packet


def _packets(segment: Path) -> Iterator[Packet]:
    with av.open(segment, options={"ignore_editlist": "1"}) as container:
        yield from (packet for packet in container.demux(container.streams.video[0]) if packet.size)


def _copies(source: InputContainer, streams: dict[int, Stream]) -> Iterator[Packet]:
    """Yield the packets that are copied; where times of decoding go back, which muxers refuse, they wait."""
    last: dict[int, int] = {}
    for packet in source.demux():
        if packet.stream_index in streams and packet.size:
            if packet.dts is not None:
                packet.dts = last[packet.stream_index] = max(packet.dts, last.get(packet.stream_index, packet.dts))
                packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
            packet.stream = streams[packet.stream_index]
            yield packet


def _time(packet: Packet) -> int:
    return next((time for time in (packet.dts, packet.pts) if time is not None), 0)


def _framed(image: Tensor, layout: Layout) -> VideoFrame:
    """Make a frame of a picture, whose last row or column is left out where chroma wants an even number."""
    rows, columns = layout.steps
    height, width = image.shape[1] // rows * rows, image.shape[2] // columns * columns
    if not (height and width):
        raise UserError(f"{image.shape[2]} x {image.shape[1]} pixels are too few for {layout.pixels}")
    return to_frame(image[:, :height, :width], layout)


def _larger(frame: VideoFrame, layout: Layout, enlarge: Callable[[Tensor], Tensor]) -> VideoFrame:
    larger = _framed(enlarge(to_picture(frame, layout)), layout)
    larger.pts, larger.time_base, larger.duration = frame.pts, frame.time_base, frame.duration
    return larger


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, av.FFmpegError) else None) or first_line(error)
