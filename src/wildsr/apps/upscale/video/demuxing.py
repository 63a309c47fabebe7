"""Packets of a video's file, on one clock that begins at 0 and never goes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from wildsr.io import UserError, printable

# No playlists among them, which name other files and addresses.
CONTAINERS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,mpeg,asf,flv,ogg,gif,apng,mxf"
RESTARTING = ("mpegts", "mpeg")  # whose files can be joined by writing one behind the other: their clocks then restart
BACK, AHEAD = Fraction(1, 10), 10  # seconds that a clock may jump; FFmpeg's own limits (ffmpeg -dts_delta_threshold)


@contextmanager
def opened(path: Path) -> Iterator[VideoStream]:
    """Open a video, as `video_stream` finds it; what FFmpeg refuses within the block is a UserError of one line."""
    name = printable(path)
    try:
        with open_input(path) as container:
            yield video_stream(container, name)
    except FileNotFoundError:
        raise UserError(f"{name}: no such file") from None
    except av.FFmpegError as error:
        raise UserError(f"{name}: not a readable video ({error.strerror})") from error


def open_input(path: Path) -> InputContainer:
    """Open a container for reading. Raises: av.FFmpegError."""
    # An absolute path: no scheme, such as http:, can be read into it.
    return av.open(str(path.absolute()), "r", options={"format_whitelist": CONTAINERS}, metadata_errors="replace")


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the stream of moving images, or the best of them; covers are none.

    Raises:
        UserError: there is none.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or is_cover(stream):
        raise UserError(f"{name}: no video in it")
    if stream.codec_context is None:  # whatever its type says
        raise UserError(f"{name}: its video is of an unknown kind")
    return stream


def timing(stream: VideoStream) -> tuple[Fraction, Fraction, int]:
    """Return seconds a tick, frames a second and ticks a frame, on average; usual ones where none are declared."""
    time_base, rate = stream.time_base or Fraction(1, 1000), stream.average_rate or Fraction(25)
    return time_base, rate, max(round(1 / (rate * time_base)), 1)


def is_cover(stream: Stream) -> bool:
    """Return whether a stream is a still image of the whole file."""
    return stream.type == "video" and Disposition.attached_pic in stream.disposition


def start_of(container: InputContainer) -> Fraction:
    """Return the seconds on a file's own clock at which it begins."""
    return Fraction(container.start_time or 0, av.time_base)


class Timeline:
    """The clock of a result: that of its source from 0 on, without the jumps where recordings were joined.

    A stream is in the newest recording once its own clock has jumped: at a join the streams do not jump together.
    """

    def __init__(self, container: InputContainer) -> None:
        self.container = container
        self.can_restart = container.format.name in RESTARTING
        self.breaks_off = False  # set where the container cannot be read on
        self.offsets = [-start_of(container)]  # seconds, of each recording
        self.recording: dict[int, int] = {}  # by the stream's index
        self.last: dict[int, Fraction] = {}  # time of the stream's last packet, on the source's clock
        self.steps: dict[int, Fraction] = {}  # its length; where that is not declared, from the one before

    @property
    def restarts(self) -> int:
        return len(self.offsets) - 1

    def packets(self) -> Iterator[Packet]:
        """Yield the packets that hold something, on the result's clock, up to where the container can be read.

        Subtitles alone may lie before it begins. They end there: in the result all would wait for them.
        """
        try:
            for packet in self.container.demux():
                if packet.size:
                    ticks = round(self.offset(packet) / packet.time_base)
                    packet.pts = None if packet.pts is None else packet.pts + ticks
                    packet.dts = None if packet.dts is None else packet.dts + ticks
                    if packet.stream.type == "subtitle" and packet.pts is not None and packet.pts < 0:
                        if packet.duration and packet.pts + packet.duration <= 0:
                            continue
                        packet.duration = max((packet.duration or 0) + packet.pts, 0)
                        packet.pts = packet.dts = 0
                    yield packet
        except av.FFmpegError:  # of reading: what is raised where packets are used does not come here
            self.breaks_off = True

    def offset(self, packet: Packet) -> Fraction:
        """Return the seconds to add to a packet's time stamps."""
        index, stamp = packet.stream.index, packet.pts if packet.dts is None else packet.dts
        recording = self.recording.setdefault(index, 0)
        if stamp is None:
            return self.offsets[recording]
        time = stamp * packet.time_base
        if self.can_restart and packet.stream.type in ("video", "audio"):
            last = self.last.setdefault(index, time)
            expected = last + self.steps.get(index, 0)
            # A stream may rest for long, as a second sound; ahead of all others together it does not.
            newest = max(self.last[other] for other in self.last if self.recording[other] == recording)
            if time < last - BACK or time > max(newest, expected) + AHEAD:
                if packet.is_corrupt:  # its time, too, may be
                    return self.offsets[recording]
                if recording == self.restarts:
                    self.offsets.append(expected + self.offsets[recording] - time)
                self.recording[index] = recording = self.restarts
            elif not packet.duration and time > last:
                self.steps[index] = time - last
            if packet.duration:
                self.steps[index] = packet.duration * packet.time_base
            self.last[index] = time
        return self.offsets[recording]
