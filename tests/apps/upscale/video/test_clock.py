"""A result is as long as its source, wherever the source's clock starts, and sound stays with the images."""

from fractions import Fraction

import pytest

av = pytest.importorskip("av", reason="video needs PyAV")

from wildsr.apps.upscale.video.clips import inspect  # noqa: E402
from wildsr.apps.upscale.video.segments import decoding_times  # noqa: E402

FRAME = Fraction(1, 25)
MILLISECOND = Fraction(1, 1000)  # Matroska's ticks
KINDS = {"ts": Fraction(1, 90000), "mkv": MILLISECOND, "mp4": Fraction(1, 12800), "flv": MILLISECOND}


def presented(path):
    """Return when frames are shown, when sound is first heard, and the length of the file."""
    with av.open(str(path)) as clip:
        shown = [frame.pts * frame.time_base for frame in clip.decode(video=0)]
        length = Fraction(clip.duration, av.time_base)
    with av.open(str(path)) as clip:
        heard = (
            next((frame.pts * frame.time_base for frame in clip.decode(audio=0)), None) if clip.streams.audio else None
        )
    return shown, heard, length


def even(base, frames=50):
    return [round(n * FRAME / base) for n in range(frames)]


@pytest.mark.parametrize("start", [Fraction(10), Fraction(40000)])
@pytest.mark.parametrize("target", ["mkv", "mp4"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_result_begins_at_0_and_is_as_long_as_its_source(make_clip, run, tmp_path, kind, target, start):
    base = KINDS[kind]
    source = make_clip(tmp_path / f"in.{kind}", even(base), base=base, rate=Fraction(25), sound="aac", start=start)
    before, sound_before, _ = presented(source)
    assert before[0] >= start
    code, _, errors = run(source, "-o", tmp_path / f"out.{target}")
    assert (code, "warning" in errors) == (0, False), errors
    after, sound, length = presented(tmp_path / f"out.{target}")
    assert len(after) == 50
    assert 0 <= min(after[0], sound) <= MILLISECOND
    assert abs((after[0] - sound) - (before[0] - sound_before)) <= 2 * MILLISECOND
    assert abs(after[-1] - after[0] - 49 * FRAME) <= MILLISECOND
    assert abs(length - 2) <= FRAME + Fraction(1024, 48000)  # AAC begins a packet earlier, and ends in a whole one


@pytest.mark.parametrize("encoder", ["mpeg4", "libx264"])
def test_frames_of_an_avi_are_shown_at_its_times_of_decoding(make_clip, run, tmp_path, encoder):
    # It holds no others: B-frames make FFmpeg guess, which puts them late or in another order.
    options = {"bf": "2"} if encoder == "mpeg4" else {"bf": "2", "b_strategy": "0", "x264-params": "log-level=none"}
    source = make_clip(
        tmp_path / "in.avi", range(50), encoder=encoder, base=FRAME, rate=Fraction(25), sound="libmp3lame",
        options=options,
    )  # fmt: skip
    with av.open(str(source)) as clip:
        assert any(frame.pict_type == av.video.frame.PictureType.B for frame in clip.decode(video=0))
    assert inspect(source).times == tuple(range(50))
    assert run(source, "-o", tmp_path / "out.mp4")[0] == 0
    shown, heard, length = presented(tmp_path / "out.mp4")
    assert shown == [n * FRAME for n in range(50)]
    assert heard <= Fraction(1, 20)
    assert abs(length - 2) <= 2 * FRAME


@pytest.mark.parametrize("target", ["mkv", "mp4"])
def test_what_an_edit_list_hides_stays_hidden(make_clip, run, tmp_path, target):
    """MP4 cut without encoding: the frames from the last key frame on are there, and not shown."""
    make_clip(tmp_path / "whole.mp4", even(Fraction(1, 12800)), rate=Fraction(25), sound="aac")
    with av.open(str(tmp_path / "whole.mp4")) as old, av.open(str(tmp_path / "in.mp4"), "w") as new:
        streams = [new.add_stream_from_template(stream, opaque=True) for stream in old.streams]
        for packet in old.demux():
            if packet.size:
                ticks = round(Fraction(4, 5) / packet.time_base)
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    assert run(tmp_path / "in.mp4", "-o", tmp_path / f"out.{target}")[0] == 0
    shown, heard, length = presented(tmp_path / f"out.{target}")
    assert len(shown) == 30
    assert abs(shown[0] - heard) <= Fraction(1024, 48000)
    assert abs(length - 30 * FRAME) <= FRAME


@pytest.mark.parametrize(("kind", "target"), [("mkv", "mp4"), ("mp4", "mkv"), ("ts", "webm"), ("gif", "mp4")])
def test_frames_of_unequal_length_stay_so_the_last_one_too(make_clip, run, tmp_path, kind, target):
    base = {"mkv": MILLISECOND, "mp4": Fraction(1, 12800), "ts": Fraction(1, 90000), "gif": Fraction(1, 100)}[kind]
    wanted = [Fraction(n, 100) for n in (0, 10, 20, 50, 60, 100, 110)]
    given = {"encoder": "gif", "pixels": "bgr8", "tags": (0, 2, 2, 0)} if kind == "gif" else {"options": {"bf": "0"}}
    source = make_clip(
        tmp_path / f"in.{kind}", [round(time / base) for time in wanted], base=base, rate=Fraction(10), **given
    )
    assert run(source, "-o", tmp_path / f"out.{target}")[0] == 0
    shown, _, length = presented(tmp_path / f"out.{target}")
    assert max(abs(time - shown[0] - want) for time, want in zip(shown, wanted, strict=True)) <= MILLISECOND
    assert abs(length - Fraction(12, 10)) <= Fraction(1, 10)


@pytest.mark.parametrize(
    ("ranks", "times", "last", "wanted"),
    [
        ([0, 1, 2], [0, 10, 40], 20, [0, 10, 40]),
        ([0, 2, 1], [0, 10, 20], 10, [-10, 0, 10]),
        # Decoded last is the one shown from 10 to 40, as long; so 10 + 30 is to be 20 before the end at 60: 20 early.
        ([0, 2, 1], [0, 10, 40], 20, [-20, 0, 10]),
        # Two behind; the one decoded last is shown from 60 to 70. Decoded at 40, for 10, it is 20 before the end.
        ([0, 3, 2, 1, 4], [0, 10, 40, 50, 60], 10, [-20, -10, 0, 10, 40]),
    ],
)
def test_packets_are_decoded_for_as_long_as_they_are_shown(ranks, times, last, wanted):
    assert decoding_times(ranks, times, last) == wanted
    shown = [*times, times[-1] + last]
    assert wanted[-1] + shown[ranks[-1] + 1] - shown[ranks[-1]] - wanted[0] == shown[-1] - shown[0]


@pytest.mark.parametrize("target", ["mkv", "mp4"])
def test_subtitles_from_before_the_first_frame_do_not_delay_it(make_clip, run, tmp_path, target):
    # One a second from 0 on, each shown for half a second; the images begin at 1.25.
    source = make_clip(
        tmp_path / "in.mkv", even(MILLISECOND), base=MILLISECOND, rate=Fraction(25), start=Fraction(5, 4),
        words=[b"gone", b"cut", b"whole"],
    )  # fmt: skip
    assert run(source, "-o", tmp_path / f"out.{target}")[0] == 0
    shown, _, length = presented(tmp_path / f"out.{target}")
    assert (shown[0], length) == (0, 2)
    with av.open(str(tmp_path / f"out.{target}")) as clip:
        read = [
            (packet.pts * packet.time_base, packet.duration * packet.time_base, line.dialogue)
            for packet in clip.demux(subtitles=0) if packet.size
            for line in packet.stream.decode(packet)
        ]  # fmt: skip
    assert read == [(0, Fraction(1, 4), b"cut"), (Fraction(3, 4), Fraction(1, 2), b"whole")]


def test_chapters_move_with_the_clock(make_clip, run, tmp_path):
    make_clip(tmp_path / "plain.mkv", even(MILLISECOND), base=MILLISECOND, rate=Fraction(25), start=Fraction(10))
    with av.open(str(tmp_path / "plain.mkv")) as old, av.open(str(tmp_path / "in.mkv"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        chapter = {"id": 1, "start": 10500, "end": 11500, "time_base": MILLISECOND, "metadata": {"title": "Uphill"}}
        new.set_chapters([chapter])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    assert run(tmp_path / "in.mkv", "-o", tmp_path / "out.mkv")[0] == 0
    with av.open(str(tmp_path / "out.mkv")) as clip:
        [chapter] = clip.chapters()
        assert [chapter[end] * chapter["time_base"] for end in ("start", "end")] == [Fraction(1, 2), Fraction(3, 2)]
