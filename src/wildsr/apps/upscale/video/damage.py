"""Frames of a video as FFmpeg decodes them, damaged or not, and a count of what was lost."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wildsr.apps.upscale.video.demuxing import Timeline, start_of, timing

EARLIER = 1.0  # seconds before its declared length that a whole file may end


@dataclass
class Damage:
    """What of a video is lost, or was made up by its decoder.

    Args:
        skipped: packets that could not be decoded.
        concealed: packets or frames with errors that the decoder has painted over.
        incomplete: packets, of sound too, that the container knows to be cut short or joined to another recording's.
        restarts: how often the clock began anew.
        ends: where the file breaks off, and its declared length, if any; in seconds.
    """

    skipped: int = 0
    concealed: int = 0
    incomplete: int = 0
    restarts: int = 0
    ends: tuple[float, float | None] | None = None

    def __str__(self) -> str:
        """Return it in words; empty where nothing is lost."""
        counted = (
            ("packets skipped, since they could not be decoded", self.skipped),
            ("errors concealed by the decoder", self.concealed),
            ("packets cut short, or last before a join", self.incomplete),
            ("restarts of its clock, evened out", self.restarts),
        )
        words = [f"{what}: {count}" for what, count in counted if count]
        if self.ends:
            end, whole = self.ends
            words.append(f"it breaks off at {end:.1f}{'' if whole is None else f' of {whole:.1f}'} seconds")
        return "; ".join(words)


def decoded(stream: VideoStream, damage: Damage, is_strict: bool) -> Iterator[VideoFrame]:
    """Yield a stream's frames on the result's clock, their time stamps rising; a missing one continues the last.

    Args:
        damage: is filled meanwhile.
        is_strict: an error within a packet makes the decoder refuse it, instead of concealing the error.
    """
    if is_strict:
        stream.codec_context.options = {"err_detect": "explode"}
        stream.thread_type = "AUTO"
    else:
        stream.codec_context.thread_count = 1  # what threads make up around an error depends on chance
    _, _, step = timing(stream)
    last: int | None = None
    for frame in _frames(stream, damage):
        if frame.pts is None:
            frame.pts = 0 if last is None else last + step
        frame.pts = last = frame.pts if last is None else max(frame.pts, last + 1)
        yield frame


def _frames(stream: VideoStream, damage: Damage) -> Iterator[VideoFrame]:
    container = stream.container
    assert isinstance(container, InputContainer)
    timeline, (time_base, _, _) = Timeline(container), timing(stream)
    # An AVI holds no times at which frames are shown, and what FFmpeg guesses is late or even out of order: the first
    # frame shown is shown at the first time of decoding, and so on.
    is_guessed = container.format.name == "avi"
    shown: list[int] = []
    end = Fraction(0)
    for packet in chain(timeline.packets(), [None]):  # at None a decoder gives what it still holds
        if packet is not None:
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            damage.incomplete += packet.is_corrupt  # of sound, too
            if packet.stream.index != stream.index:
                continue
            if packet.dts is not None:
                heapq.heappush(shown, packet.dts)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            damage.skipped += 1
            frames = []
            if packet is not None and packet.dts in shown:
                shown.remove(packet.dts)
                heapq.heapify(shown)
        for frame in frames:
            damage.concealed += frame.is_corrupt
            frame.time_base = time_base  # of those that come at the end, PyAV does not know it
            if is_guessed and shown:
                frame.pts = heapq.heappop(shown)
            yield frame
    damage.restarts = timeline.restarts
    # Some declare the length from where their clock begins, some from 0: what is shorter counts.
    whole = Fraction(container.duration or 0, av.time_base) - max(start_of(container), Fraction(0))
    is_known = bool(container.duration) and not timeline.restarts  # FFmpeg takes the last time stamp for it
    if timeline.breaks_off or (is_known and end < whole - EARLIER):
        damage.ends = float(end), float(whole) if is_known else None
