"""What ffmpeg decodes is decoded; what was lost is counted, and said in one line at the end."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av", reason="video needs PyAV")

from wildsr.apps.upscale.video.clips import frames_of, inspect  # noqa: E402


def damaged(make_clip, tmp_path, kind):
    path = tmp_path / f"{kind.partition(' ')[0]}.{kind.rpartition(' ')[2]}"
    clip = make_clip(tmp_path / f"sound.{path.suffix[1:]}", sound="aac" if path.suffix == ".mp4" else "libopus")
    content = bytearray(clip.read_bytes())
    if kind.startswith("cut"):
        content = content[: len(content) // 2]
    if kind.startswith("flipped"):
        with av.open(str(clip)) as container:
            packet = [packet for packet in container.demux(video=0) if packet.size][4]
            for index in range(packet.pos + 4, packet.pos + packet.size):
                content[index] ^= 0x5A
    if kind.startswith("empty"):
        content = b""
    if kind.startswith("list"):  # a playlist would open other files
        content = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{clip}\n#EXT-X-ENDLIST\n".encode()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("cut mp4", "not a readable video (Invalid data found when processing input)"),
        ("empty mp4", "not a readable video"),
        ("list mp4", "not a readable video"),
    ],
)
def test_an_unreadable_video_is_named_in_one_line_before_any_work(make_clip, run, tmp_path, kind, words):
    code, said, errors = run(damaged(make_clip, tmp_path, kind), "-o", tmp_path / "out.mkv")
    assert (code, said, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"error: {tmp_path / kind.partition(' ')[0]}")
    assert words in errors
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("cut mkv", "it breaks off at {} of 5.0 seconds"),
        ("flipped mp4", "packets skipped, since they could not be decoded: 1"),
    ],
)
def test_of_a_damaged_video_all_that_decodes_is_enlarged_and_the_loss_is_said(
    make_clip, run, read, tmp_path, kind, words
):
    source = damaged(make_clip, tmp_path, kind)
    with av.open(str(source)) as clip:
        shown, end = [], 0
        for packet in clip.demux(video=0):
            try:
                shown += [frame.pts * frame.time_base for frame in packet.decode()]
            except av.FFmpegError:
                continue
            end = max(end, (packet.pts + packet.duration) * packet.time_base) if packet.size else end
    code, said, errors = run(source, "-o", tmp_path / "out.mkv")
    assert 0 < len(shown) < 10
    assert (code, said) == (0, f"{tmp_path / 'out.mkv'}: {len(shown)} frames upscaled\n"), errors
    assert read.seconds(tmp_path / "out.mkv") == shown
    [line] = [line for line in errors.splitlines() if line.startswith("warning: ")]
    assert line.startswith(f"warning: {source}: lost or mended: ")
    assert words.format(f"{float(end):.1f}") in line


def test_a_whole_video_has_nothing_lost(make_clip, tmp_path):
    for suffix in ("mp4", "mkv", "ts", "avi"):
        encoder, sound = ("mpeg4", "libmp3lame") if suffix == "avi" else ("libx264", "aac")
        base = Fraction(1, 2) if suffix == "avi" else Fraction(1, 1000)
        clip = inspect(
            make_clip(
                tmp_path / f"in.{suffix}", [round(n / 2 / base) for n in range(10)],
                encoder=encoder, sound=sound, base=base,
            )
        )  # fmt: skip
        assert (str(clip.damage), clip.notes, len(clip.times)) == ("", (), 10)


def test_damage_that_a_decoder_paints_over_is_found(make_clip, tmp_path):
    content = make_clip(tmp_path / "whole.mp4").read_bytes()
    with av.open(str(tmp_path / "whole.mp4")) as clip:
        start = [packet.pos for packet in clip.demux(video=0) if packet.size][4]
    found = 0
    for bit in range(64, 88):  # of a frame's blocks: behind its length and header
        flipped = bytearray(content)
        flipped[start + bit // 8] ^= 1 << bit % 8
        (tmp_path / "in.mp4").write_bytes(flipped)
        try:
            with av.open(str(tmp_path / "in.mp4")) as clip:
                shown = list(clip.decode(video=0))
        except av.FFmpegError:
            continue
        if len(shown) == 10 and not any(frame.is_corrupt for frame in shown):
            clip = inspect(tmp_path / "in.mp4")
            assert len(clip.times) == 10
            found += "concealed by the decoder" in str(clip.damage)
    assert found


def test_what_a_decoder_makes_up_is_the_same_each_time(make_clip, tmp_path):
    clip = inspect(damaged(make_clip, tmp_path, "flipped mp4"))
    assert clip.damage.skipped == 1
    once, again = ([frame.to_ndarray() for frame in frames_of(clip)] for _ in range(2))
    assert len(once) == len(clip.times)
    assert all(np.array_equal(*pair) for pair in zip(once, again, strict=True))


@pytest.mark.parametrize("frames", [9, 11])
def test_a_video_that_changes_during_the_work_is_refused(make_clip, tmp_path, frames):
    clip = inspect(make_clip(tmp_path / "in.mp4"))  # of ten frames
    assert len(list(frames_of(clip))) == 10
    make_clip(tmp_path / "in.mp4", [6400 * n for n in range(frames)])
    with pytest.raises(ValueError, match=r"in\.mp4 has changed meanwhile$"):
        list(frames_of(clip))


def joined(make_clip, path, *recordings, **both):
    """Write recordings behind each other, as `cat` joins them."""
    parts = []
    for number, given in enumerate(recordings):
        part = path.with_name(f"part{number}{path.suffix}")
        parts.append(make_clip(part, **both | given).read_bytes())
    path.write_bytes(b"".join(parts))
    return path


TRANSPORT = {"times": range(0, 450000, 45000), "base": Fraction(1, 90000), "sound": "aac"}  # 5 seconds
PROGRAM = {  # 2 seconds, of a rate that MPEG-2 knows
    "times": range(50), "base": Fraction(1, 25), "rate": Fraction(25), "encoder": "mpeg2video", "sound": "mp2",
    "options": {"g": "3", "bf": "0"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "frames", "length"),
    [("in.ts", TRANSPORT, 10, Fraction(1, 2)), ("in.mpg", PROGRAM, 50, Fraction(1, 25))],
)
@pytest.mark.parametrize("target", ["out.mkv", "out.mp4", "out.webm"])
def test_joined_recordings_follow_each_other(make_clip, run, read, tmp_path, name, given, frames, length, target):
    source = joined(make_clip, tmp_path / name, {"start": Fraction(7)}, {"start": Fraction(2)}, **given)
    code, said, errors = run(source, "-o", tmp_path / target)
    assert (code, said) == (0, f"{tmp_path / target}: {2 * frames} frames upscaled\n"), errors
    assert "restarts of its clock, evened out: 1\n" in errors
    shown = read.seconds(tmp_path / target)
    gaps = [later - earlier for earlier, later in itertools.pairwise(shown)]
    assert max(abs(gap - length) for gap in gaps) <= Fraction(1, 500)
    # Each recording's two seconds of sound begin with its images; encoders put up to 60 ms of silence before them.
    with av.open(str(tmp_path / target)) as clip:
        heard = [packet.pts * packet.time_base for packet in clip.demux(audio=0) if packet.size]
    for begin in (shown[0], shown[frames]):
        assert min(abs(time - begin) for time in heard) <= Fraction(60, 1000)
    assert abs(max(heard) - shown[frames] - 2) <= Fraction(60, 1000)
    if frames * length > 2:  # and between them is none
        assert not [time for time in heard if 2.1 < time - shown[0] < frames * length - Fraction(1, 10)]


def test_encoded_sound_goes_on_where_its_channels_change(make_clip, run, tmp_path):
    source = joined(make_clip, tmp_path / "in.ts", {}, {"layout": "stereo"}, **TRANSPORT)
    code, _, errors = run(source, "-o", tmp_path / "out.webm")
    assert code == 0, errors
    with av.open(str(tmp_path / "out.webm")) as clip:
        heard = [(part.pts * part.time_base, np.abs(part.to_ndarray()).mean()) for part in clip.decode(audio=0)]
    for begin in (Fraction(0), Fraction(5)):  # a sine of 1 is 0.64 on average
        levels = [level for time, level in heard if 0.3 < time - begin < 1.7]
        assert len(levels) > 60
        assert 0.4 < min(levels) <= max(levels) < 0.8


def test_another_size_in_the_middle_is_scaled_to_the_first_and_said(make_clip, run, tmp_path):
    source = joined(make_clip, tmp_path / "in.ts", {}, {"size": (48, 32)}, **TRANSPORT)
    code, said, errors = run(source, "-o", tmp_path / "out.mkv")
    assert (code, said) == (0, f"{tmp_path / 'out.mkv'}: 20 frames upscaled\n"), errors
    assert "in.ts: 10 of its 20 frames are of another size than the first, and scaled to that" in errors
    with av.open(str(tmp_path / "out.mkv")) as clip:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in clip.decode(video=0)]
    assert {frame.shape for frame in shown} == {(48, 64, 3)}


def test_a_clock_that_restarts_is_told_from_one_that_only_rests(make_clip, tmp_path):
    stamps = [0, 45000, 90000, 450000]  # four seconds of rest
    clip = inspect(make_clip(tmp_path / "in.ts", stamps, base=Fraction(1, 90000)))
    assert (clip.times, clip.damage.restarts) == (tuple(stamps), 0)


def test_a_sound_that_rests_for_long_is_no_restart(make_clip, run, read, tmp_path):
    make_clip(tmp_path / "plain.ts", **TRANSPORT | {"times": range(0, 32 * 45000, 45000)})
    with av.open(str(tmp_path / "plain.ts")) as old, av.open(str(tmp_path / "in.ts"), "w") as new:
        video, audio = (new.add_stream_from_template(stream, opaque=True) for stream in old.streams)
        packets = [packet for packet in old.demux() if packet.size]
        begin = packets[0].stream.start_time
        for packet in packets:
            packet.stream = video if packet.stream.type == "video" else audio
            if packet.stream is audio and packet.pts - begin > 90000:
                packet.pts, packet.dts = packet.pts + 12 * 90000, packet.dts + 12 * 90000
        for packet in sorted(packets, key=lambda packet: packet.dts):
            new.mux(packet)
    code, _, errors = run(tmp_path / "in.ts", "-o", tmp_path / "out.mkv")
    assert (code, "restarts" in errors) == (0, False), errors
    shown = read.seconds(tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as clip:
        heard = [packet.pts * packet.time_base - shown[0] for packet in clip.demux(audio=0) if packet.size]
    assert 0.9 < max(time for time in heard if time < 5) < 1.1
    assert 12.9 < min(time for time in heard if time > 5) < 13.1


def test_a_rest_of_the_whole_recording_is_taken_out(make_clip, run, read, tmp_path):
    source = joined(make_clip, tmp_path / "in.ts", {"start": Fraction(2)}, {"start": Fraction(60)}, **TRANSPORT)
    code, _, errors = run(source, "-o", tmp_path / "out.mkv")
    assert (code, "restarts of its clock, evened out: 1\n" in errors) == (0, True), errors
    shown = read.seconds(tmp_path / "out.mkv")
    assert {later - earlier for earlier, later in itertools.pairwise(shown)} == {Fraction(1, 2)}
    with av.open(str(tmp_path / "out.mkv")) as clip:
        heard = [packet.pts * packet.time_base for packet in clip.demux(audio=0) if packet.size]
    assert min(abs(time - shown[10]) for time in heard) <= Fraction(60, 1000)
    assert abs(max(heard) - shown[10] - 2) <= Fraction(60, 1000)


def test_a_damaged_video_goes_on_after_a_break_and_gives_the_same(make_clip, run, interrupted, read, tmp_path):
    source = damaged(make_clip, tmp_path, "flipped mp4")
    assert run(source, "-o", tmp_path / "whole.mkv")[0] == 0
    with interrupted(6):
        assert run(source, "-o", tmp_path / "out.mkv")[0] == 1
    code, _, errors = run(source, "-o", tmp_path / "out.mkv")
    assert code == 0
    assert "goes on after 4 of 9 frames" in errors
    assert (tmp_path / "out.mkv").stat().st_size == (tmp_path / "whole.mkv").stat().st_size
    assert read.seconds(tmp_path / "out.mkv") == read.seconds(tmp_path / "whole.mkv")


def test_no_damage_makes_a_traceback_or_half_a_video(make_clip, run, tmp_path):
    rng = np.random.default_rng(0)
    whole = {
        suffix: make_clip(tmp_path / f"whole{suffix}", sound=sound).read_bytes()
        for suffix, sound in ((".mp4", "aac"), (".mkv", "libopus"), (".ts", "aac"))
    }
    failed = said = 0
    for number in range(60):
        suffix = (".mp4", ".mkv", ".ts")[number % 3]
        content, target = bytearray(whole[suffix]), tmp_path / "out.mkv"
        if number % 4 == 0:
            content = content[: rng.integers(len(content))]
        else:
            start = rng.integers(len(content))
            content[start : start + 64] = rng.bytes(64)
        (tmp_path / f"in{suffix}").write_bytes(content)
        code, _, errors = run(tmp_path / f"in{suffix}", "-o", target, "--overwrite")
        assert target.exists() == (code == 0)
        assert code == 0 or errors.count("\n") == 1, errors
        target.unlink(missing_ok=True)
        failed += code
        said += code == 0 and "lost or mended: " in errors
    assert 5 <= failed < 30  # without its index an MP4 is nothing
    assert said >= 5  # the rest lies where nothing tells it: in sound, between packets, or where a part ends
