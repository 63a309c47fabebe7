"""A result put together: the segments' packets on the source's clock, with what goes beside the video."""

from __future__ import annotations

import heapq
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import torch
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from wildsr.apps.upscale.video.clips import Clip
from wildsr.apps.upscale.video.codecs import Coding
from wildsr.apps.upscale.video.demuxing import open_input, start_of, video_stream
from wildsr.apps.upscale.video.frames import to_frame
from wildsr.apps.upscale.video.segments import declare, decoding_times, encode, layout_of, ranks_of
from wildsr.apps.upscale.video.streams import SideStream, Writer, add_side_stream, keep_names, written
from wildsr.io import UserError, first_line

OF_THE_FILE = ("encoder", "major_brand", "minor_version", "compatible_brands")  # metadata that muxers write anew


def dry_run(clip: Clip, coding: Coding, height: int, width: int, kind: str, plans: Sequence[SideStream]) -> None:
    """See that a result of H x W pixels can be encoded, and held by a container together with its side streams.

    Raises:
        UserError: it cannot.
    """
    if coding.codec == "av1" and kind in ("matroska", "webm") and clip.aspect not in (None, 1):
        raise UserError(
            f"{kind} with av1 would lose the shape of a pixel, {clip.aspect}; wanted .mp4, or .mkv with another codec"
        )
    layout = layout_of(clip, coding)
    black = to_frame(torch.zeros(1 if layout.is_grey else 3, height, width), layout)
    try:
        first = io.BytesIO(encode([black], clip, coding))
    except (av.FFmpegError, ValueError) as error:
        raise UserError(f"{coding.codec} cannot hold {width} x {height} pixels ({_reason(error)})") from error
    with open_input(clip.path) as source:
        try:
            with av.open(first, "r") as segment, av.open(os.devnull, "w", format=kind) as result:
                _add_streams(clip, coding, source, segment, result, plans)
                result.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise UserError(f"{kind} cannot hold it ({_reason(error)}); wanted a container as the input's") from error


def assemble(
    clip: Clip, coding: Coding, segments: Sequence[Path], path: Path, kind: str, plans: Sequence[SideStream]
) -> None:
    """Write the result: the segments' packets with the time stamps of the source, and its side streams.

    Raises:
        UserError: a segment is damaged.
        av.FFmpegError: the file cannot be written.
    """
    ranks = ranks_of(
        [(number, packet.pts or 0) for number, segment in enumerate(segments) for packet in _packets(segment)]
    )
    if len(ranks) != len(clip.times):
        raise UserError(f"{segments[0].parent}: {len(ranks)} of {len(clip.times)} frames; remove it to begin anew")
    with (
        open_input(clip.path) as source,
        av.open(segments[0]) as first,
        av.open(path.absolute(), "w", format=kind) as result,
    ):
        video, writers = _add_streams(clip, coding, source, first, result, plans)
        for packet in heapq.merge(_stamped(segments, ranks, clip, video), written(source, writers), key=_seconds):
            result.mux(packet)


def _add_streams(
    clip: Clip, coding: Coding, source: InputContainer, first: InputContainer, result: OutputContainer,
    plans: Sequence[SideStream],
) -> tuple[VideoStream, dict[int, Writer]]:  # fmt: skip
    """Add the result's video, and its side streams, by the index of each in the source."""
    video = result.add_stream_from_template(first.streams.video[0], opaque=True)
    declare(video, clip, layout_of(clip, coding))
    video.time_base, video.codec_context.framerate = clip.time_base, clip.rate
    if coding.codec == "h265" and result.format.name in ("mp4", "mov"):
        video.codec_context.codec_tag = "hvc1"  # Apple's players know no other
    if clip.rotation is not None:
        video.set_display_matrix(clip.rotation)
    keep_names(video_stream(source, str(clip.path)), video)
    writers = {plan.index: add_side_stream(plan, source.streams[plan.index], result) for plan in plans}
    result.metadata.update({key: text for key, text in source.metadata.items() if key not in OF_THE_FILE})
    result.set_chapters([_shifted(chapter, source) for chapter in source.chapters()])
    return video, {index: writer for index, writer in writers.items() if writer is not None}


def _shifted(chapter: Any, source: InputContainer) -> Any:
    """Return a chapter on the result's clock, which begins at 0."""
    ticks = round(start_of(source) / chapter["time_base"])
    return {**chapter, "start": max(chapter["start"] - ticks, 0), "end": max(chapter["end"] - ticks, 0)}


def _stamped(segments: Sequence[Path], ranks: list[int], clip: Clip, stream: VideoStream) -> Iterator[Packet]:
    """Yield the packets of all segments, shown when the source's frames are."""
    ends = (*clip.times[1:], clip.times[-1] + clip.last)
    packets = (packet for segment in segments for packet in _packets(segment))
    for packet, rank, time in zip(packets, ranks, decoding_times(ranks, clip.times, clip.last), strict=True):
        packet.time_base, packet.stream = clip.time_base, stream
        packet.pts, packet.dts, packet.duration = clip.times[rank], time, ends[rank] - clip.times[rank]
        yield packet


def _packets(segment: Path) -> Iterator[Packet]:
    with av.open(segment, options={"ignore_editlist": "1"}) as container:
        yield from (packet for packet in container.demux(container.streams.video[0]) if packet.size)


def _seconds(packet: Packet) -> float:
    """Return when a packet is decoded, or shown where only that is known."""
    time = packet.pts if packet.dts is None else packet.dts
    return float((time or 0) * packet.time_base)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, av.FFmpegError) else None) or first_line(error)
