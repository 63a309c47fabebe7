"""Clips of a few frames."""

import os
from contextlib import contextmanager
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

os.environ["SVT_LOG"] = "1"  # libsvtav1 would describe itself
av = pytest.importorskip("av", reason="video needs PyAV")

TICKS = Fraction(1, 12800)
EVEN = tuple(6400 * n for n in range(10))  # two frames a second: four of them are a segment


def write_clip(
    path, times=EVEN, *, encoder="libx264", pixels="yuv420p", size=(32, 24), base=TICKS, tags=(1, 1, 1, 1),
    sound=None, words=None, rotation=None, aspect=None, metadata=None, options=None,
    start=Fraction(0), rate=Fraction(2), layout="mono",
):  # fmt: skip
    """Make a moving gradient.

    Args:
        sound: an encoder of two seconds of a tone, on channels of this layout.
        words: lines of subtitles, one a second.
        start: seconds on the file's clock where image and sound begin.
    """
    options = ({"crf": "10"} if "26" in encoder else {}) | (options or {})
    if encoder == "libx265":
        options.setdefault("x265-params", "log-level=none")
    with av.open(str(path), "w") as clip:
        video = clip.add_stream(encoder, rate, options, width=size[0], height=size[1], pix_fmt=pixels, time_base=base)
        context = video.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = tags
        if aspect:
            context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        clip.metadata.update(metadata or {})
        audio = clip.add_stream(sound, 48000, layout=layout, bit_rate=96000) if sound else None
        subtitles = clip.add_mux_stream("subrip" if path.suffix == ".mkv" else "mov_text") if words else None
        for number, stamp in enumerate(times):
            frame = gradient(size, number).reformat(format=pixels, dst_colorspace=tags[3], dst_color_range=tags[0] or 1)
            frame.pts, frame.time_base = stamp + round(start / base), base
            clip.mux(video.encode(frame))
        clip.mux(video.encode(None))
        if audio:
            tone = np.sin(np.arange(48000 * 2) / 20).astype(np.float32)[None]
            tone = np.repeat(tone, audio.codec_context.layout.nb_channels, axis=0)
            for first in range(0, tone.shape[1], 1024):
                part = av.AudioFrame.from_ndarray(tone[:, first : first + 1024].copy(), "fltp", layout)
                part.sample_rate, part.pts = 48000, first + round(start * 48000)
                clip.mux(audio.encode(part))
            clip.mux(audio.encode(None))
        for second, line in enumerate(words or []):
            packet = av.Packet(line if path.suffix == ".mkv" else len(line).to_bytes(2, "big") + line)
            packet.stream, packet.time_base = subtitles, Fraction(1, 1000)
            packet.pts = packet.dts = 1000 * second
            packet.duration = 500
            clip.mux(packet)
    return path


def gradient(size, number):
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    levels = np.stack([40 + 4 * rows, 40 + 4 * columns, 90 + 10 * np.full_like(rows, number)], axis=2)
    return av.VideoFrame.from_ndarray(levels.clip(0, 255).astype(np.uint8), format="rgb24")


@pytest.fixture
def make_clip():
    """Write a clip; see `write_clip`."""
    return write_clip


def read_frames(path):
    with av.open(str(path)) as clip:
        return list(clip.decode(video=0))


def read_levels(path):
    return np.stack([frame.to_ndarray(format="rgb24").astype(int) for frame in read_frames(path)])


def read_seconds(path):
    return [frame.pts * frame.time_base for frame in read_frames(path)]


def read_packets(path, kind):
    with av.open(str(path)) as clip:
        stream = clip.streams.get({kind: 0})[0]
        return [bytes(packet) for packet in clip.demux(stream) if packet.size]


@pytest.fixture
def read():
    """Read a clip: its frames, their levels, their times in seconds, the packets of its stream of a kind."""
    return SimpleNamespace(frames=read_frames, levels=read_levels, seconds=read_seconds, packets=read_packets)


@contextmanager
def stop_after(count):
    """Stop the enlarging of frames after so many, as by Ctrl-C."""
    from wildsr.apps.upscale.video import command

    enlarge, left = command.enlarge, iter(range(count))

    def stopping(*arguments):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return enlarge(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "enlarge", stopping)
        yield


@pytest.fixture
def interrupted():
    """Give a context in which enlarging is interrupted; see `stop_after`."""
    return stop_after
