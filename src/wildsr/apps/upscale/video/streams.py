"""What a file holds beside its video: copied, encoded anew where the result's container wants that, or left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from wildsr.apps.upscale.video.codecs import SOUND, SOUND_RATES, WORDS
from wildsr.apps.upscale.video.demuxing import Timeline, is_cover, open_input

# Of a stream's metadata; what it says of bytes and rates is no more true. From a timecode, MP4 and MOV make a stream.
KEPT = ("language", "title", "handler_name", "timecode")
WITH_COVERS = ("mp4", "matroska")
TRIED = 200  # packets of a stream that are encoded to see whether that can be done
PRE_ROLL = Fraction(1, 10)  # seconds of hidden sound that are copied: more than any decoder needs to get going
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # of channels, that AAC and Opus both know


@dataclass(frozen=True)
class SideStream:
    """A stream beside the video, and how it goes into the result.

    Args:
        index: in the source.
        encoder: FFmpeg's name; "" copies the packets.
        layout: of channels, of encoded sound.
    """

    index: int
    encoder: str = ""
    layout: str = ""


class Copier:
    """Packets as they are; where times of decoding go back, which muxers refuse, they wait."""

    def __init__(self, old: Stream, result: OutputContainer) -> None:
        self.new = result.add_stream_from_template(old)
        self.hides = result.format.name in ("mp4", "mov")  # what lies before 0; to others it would be a delay
        self.last: int | None = None

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        """Yield what a packet of the source becomes; None is the end."""
        if packet is None:
            return
        # What is hidden just before the begin wakes the decoder.
        is_pre_roll = self.hides and (packet.pts or 0) * packet.time_base >= -PRE_ROLL
        if packet.is_discard and not is_pre_roll:
            return
        if packet.dts is not None:
            if self.new.type == "audio" and self.last is not None and packet.dts < self.last:
                return  # at a join: it would be heard with what is there already
            packet.dts = self.last = packet.dts if self.last is None else max(packet.dts, self.last)
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        packet.stream = self.new
        yield packet


class SoundEncoder:
    """Sound in another codec."""

    def __init__(self, old: AudioStream, result: OutputContainer, plan: SideStream) -> None:
        rates = Codec(plan.encoder, "w").audio_rates or []
        rate = old.codec_context.sample_rate
        channels = old.codec_context.channels
        self.old, self.time_base = old, old.time_base or Fraction(1, rate)
        self.end = Fraction(0)  # seconds: of what was encoded
        self.resampler, self.heard = AudioResampler(), ("", "", 0)
        self.new: Any = result.add_stream(
            plan.encoder, rate if rate in rates else 48000,
            layout=plan.layout, bit_rate=SOUND_RATES[plan.encoder] * channels,
        )  # fmt: skip

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        """Yield what the encoder makes of a packet, which may be nothing; None is the end."""
        try:
            frames = self.old.decode(packet)
        except av.FFmpegError:  # a moment of silence, as in every player
            frames = []
        for frame in frames:
            frame.time_base = self.time_base  # of those that come at the end, PyAV does not know it
            length = Fraction(frame.samples, frame.sample_rate)
            begin = self.end if frame.pts is None else frame.pts * self.time_base
            if begin < self.end - length / 2:
                continue  # at a join: it would be heard with what is there already
            self.end = begin + length
            yield from self.encode(frame)
        if packet is None:
            yield from self.encode(None)
            yield from self.new.encode(None)

    def encode(self, frame: AudioFrame | None) -> Iterator[Packet]:
        """Yield the packets of a frame as the encoder wants it: rate and channels may change in the middle."""
        heard = self.heard if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        if heard != self.heard:
            encoder = self.new.codec_context
            self.resampler = AudioResampler(encoder.format, encoder.layout, encoder.sample_rate)
            self.heard = heard
        for part in self.resampler.resample(frame) if self.end else ():
            yield from self.new.encode(part)


class WordsEncoder:
    """Subtitles of text in another codec."""

    def __init__(self, old: SubtitleStream, result: OutputContainer, plan: SideStream) -> None:
        self.old: Any = old.codec_context
        new = result.add_stream(plan.encoder)
        assert isinstance(new, SubtitleStream)
        self.new = new
        self.old.open(strict=False)
        self.new.codec_context.subtitle_header = self.old.subtitle_header  # ASS, what all are made of
        self.new.codec_context.time_base = old.time_base or Fraction(1, 1000)

    def feed(self, packet: Packet | None) -> Iterator[Packet]:
        """Yield what a packet becomes; None is the end."""
        if packet is None:
            return
        try:
            shown = self.old.decode2(packet)
        except av.FFmpegError:  # one line less, as in every player
            return
        if shown is not None and len(shown):
            new = self.new.codec_context.encode_subtitle(shown)
            new.pts = new.dts = packet.pts
            new.duration, new.time_base, new.stream = packet.duration, packet.time_base, self.new
            yield new


Writer = Copier | SoundEncoder | WordsEncoder


def plan_streams(path: Path, kind: str) -> tuple[list[SideStream], list[str]]:
    """Return how each stream beside the video goes into a container, and what a person should know, a line each.

    Whether a container holds a stream is seen by writing it: all of what is copied, since time stamps that are refused
    may stand anywhere.

    Raises:
        av.FFmpegError: the source cannot be read.
    """
    with open_input(path) as source:
        best = source.streams.best("video")
        others = [stream for stream in source.streams if best is None or stream.index != best.index]
        if best is not None and "timecode" in best.metadata:
            others = [stream for stream in others if "timecode" not in stream.metadata or stream.type != "data"]
        names = {stream.index: _describe(stream) for stream in others}
        candidates = {stream.index: _candidates(stream, kind) for stream in others}
    plans: dict[int, SideStream] = {}
    while candidates:
        tried = {index: ways.pop(0) for index, ways in candidates.items() if ways}
        plans |= {index: tried[index] for index in _held(path, kind, tried)}
        candidates = {index: ways for index, ways in candidates.items() if ways and index not in plans}
    notes = []
    for index, name in names.items():
        if index not in plans:
            notes.append(f"left out: {name}")
        elif plans[index].encoder:
            codec = Codec(plans[index].encoder, "w").canonical_name
            notes.append(f"encoded anew as {codec}, since {kind} does not take it as it is: {name}")
    return [plans[index] for index in sorted(plans)], notes


def add_side_stream(plan: SideStream, old: Stream, result: OutputContainer) -> Writer | None:
    """Add a stream to the result as planned; returns what writes its packets, None where it has none.

    Raises:
        ValueError, av.FFmpegError: the container cannot hold it.
    """
    if is_cover(old) and result.format.name == "matroska":
        mime = "image/png" if old.codec_context.name == "png" else "image/jpeg"
        result.add_attachment(f"cover.{mime[6:]}", mime, _cover(old))
        return None
    writer: Writer
    if isinstance(old, AudioStream) and plan.encoder:
        writer = SoundEncoder(old, result, plan)
    elif isinstance(old, SubtitleStream) and plan.encoder:
        writer = WordsEncoder(old, result, plan)
    else:
        writer = Copier(old, result)
    keep_names(old, writer.new)
    return None if old.type == "attachment" else writer


def keep_names(old: Stream, new: Stream) -> None:
    """Give a stream of the result its names, its language and its role."""
    new.metadata.update({key: text for key, text in old.metadata.items() if key in KEPT})
    new.disposition = old.disposition


def written(source: InputContainer, writers: dict[int, Writer]) -> Iterator[Packet]:
    """Yield the packets of the result's side streams, by the index of each in the source."""
    for packet in Timeline(source).packets():
        if writer := writers.get(packet.stream.index):
            yield from writer.feed(packet)
    for writer in writers.values():
        yield from writer.feed(None)


def _candidates(stream: Stream, kind: str) -> list[SideStream]:
    """Return the ways to keep a stream, the best first."""
    if stream.type == "video":
        return [SideStream(stream.index)] if is_cover(stream) and kind in WITH_COVERS else []
    found = [SideStream(stream.index)]
    if isinstance(stream, AudioStream) and stream.codec_context is not None:
        own, usual = stream.codec_context.layout.name, LAYOUTS.get(stream.codec_context.channels, "stereo")
        encoder = SOUND.get(kind, "aac")
        found += [SideStream(stream.index, encoder, layout) for layout in dict.fromkeys((own, usual, "stereo"))]
    if isinstance(stream, SubtitleStream) and stream.codec_context is not None and stream.codec_context.codec.text_sub:
        found.append(SideStream(stream.index, WORDS[kind]))
    return found


def _held(path: Path, kind: str, plans: dict[int, SideStream]) -> set[int]:
    """Return which streams a container takes, each written into one of its own."""
    held = set(plans)
    with open_input(path) as source:
        results: dict[int, OutputContainer] = {}
        writers: dict[int, Writer] = {}
        left = dict.fromkeys(plans, TRIED)

        @contextmanager
        def trial(index: int) -> Iterator[None]:
            try:
                yield
            except (av.FFmpegError, ValueError):
                held.discard(index)
                writers.pop(index, None)

        for index, plan in plans.items():
            with trial(index):
                result = results[index] = av.open(os.devnull, "w", format=kind)
                writer = add_side_stream(plan, source.streams[index], result)
                result.start_encoding()
                if writer is not None:
                    writers[index] = writer
        for packet in Timeline(source).packets():
            index = packet.stream.index
            if index in writers and (not plans[index].encoder or left[index] > 0):
                left[index] -= 1
                with trial(index):
                    results[index].mux(list(writers[index].feed(packet)))
        for index, result in results.items():
            with trial(index):
                if index in writers:
                    result.mux(list(writers[index].feed(None)))
            with trial(index):
                result.close()
    return held


def _describe(stream: Stream) -> str:
    codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "unknown"
    what = {"audio": "sound", "subtitle": "subtitles", "video": "another video"}
    name = "cover" if is_cover(stream) else what.get(stream.type, stream.type)
    return f"{name} (stream {stream.index}, {codec})"


def _cover(stream: Stream) -> bytes:
    """Return the file of a cover."""
    with open_input(Path(stream.container.name)) as again:
        return next(bytes(packet) for packet in again.demux(again.streams[stream.index]) if packet.size)
