"""What `wildsr upscale` promises for a video. The clips are made here: a few frames, tone, subtitles."""

import io
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="video needs PyAV")

from av.stream import Disposition  # noqa: E402

from wildsr.apps.upscale.video.clips import inspect  # noqa: E402
from wildsr.networks import CompactNet, save_generator  # noqa: E402

TICKS = Fraction(1, 12800)
UNEVEN = tuple(6400 * n + (n % 3) * 700 for n in range(10))


def copy(source, target, change=lambda clip, streams: None, beginning=b""):
    """The same packets, each with something before it. `change` may alter the new clip and its streams first."""
    with av.open(str(source)) as old, av.open(str(target), "w") as clip:
        streams = [clip.add_stream_from_template(stream, opaque=True) for stream in old.streams]
        change(clip, streams)
        for packet in old.demux():
            if packet.size:
                new = av.Packet(beginning + bytes(packet))
                new.stream, new.is_keyframe = streams[packet.stream.index], packet.is_keyframe
                new.pts, new.dts, new.duration, new.time_base = (
                    packet.pts,
                    packet.dts,
                    packet.duration,
                    packet.time_base,
                )
                clip.mux(new)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_time_stamps_sound_subtitles_and_tags_are_kept(make_clip, run, read, tmp_path, codec):
    source = make_clip(
        tmp_path / "in.mp4", UNEVEN, sound="aac", words=[b"one", b"two"], rotation=90, aspect=Fraction(4, 3),
        metadata={"title": "A walk"},
    )  # fmt: skip
    code, said, errors = run(source, "-o", tmp_path / "out.mp4", "--codec", codec)
    assert code == 0, errors
    assert said == f"{tmp_path / 'out.mp4'}: 10 frames upscaled\n"
    assert read.seconds(tmp_path / "out.mp4") == read.seconds(source) == [stamp * TICKS for stamp in UNEVEN]
    for kind in ("audio", "subtitles"):
        assert read.packets(tmp_path / "out.mp4", kind) == read.packets(source, kind) != []
    first = read.frames(tmp_path / "out.mp4")[0]
    assert (first.width, first.height, first.rotation) == (64, 48, 90)
    assert (first.color_range, first.color_primaries, first.color_trc, first.colorspace) == (1, 1, 1, 1)
    with av.open(str(tmp_path / "out.mp4")) as clip:
        # The only one of H.265 that Apple's players know is hvc1.
        assert clip.streams.video[0].codec_context.codec_tag == {"h264": "avc1", "h265": "hvc1", "av1": "av01"}[codec]
        assert clip.metadata["title"] == "A walk"
        assert clip.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        assert clip.streams.video[0].codec_context.name == {"h264": "h264", "h265": "hevc", "av1": "libdav1d"}[codec]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "small.safetensors"]


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_ten_bits_and_their_wide_colours_stay(make_clip, run, read, tmp_path, codec):
    source = make_clip(
        tmp_path / "in.mkv", base=Fraction(1, 1000), times=range(0, 5000, 500), pixels="yuv420p10le",
        tags=(1, 9, 16, 9), sound="libopus", words=[b"one"],
    )  # fmt: skip
    assert run(source, "-o", tmp_path / "out.mkv", "--codec", codec)[0] == 0
    first = read.frames(tmp_path / "out.mkv")[0]
    assert first.format.name == "yuv420p10le"
    assert (first.color_range, first.color_primaries, first.color_trc, first.colorspace) == (1, 9, 16, 9)
    assert read.seconds(tmp_path / "out.mkv") == read.seconds(source)
    for kind in ("audio", "subtitles"):
        assert read.packets(tmp_path / "out.mkv", kind) == read.packets(source, kind) != []


DISPLAY = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.0001, 1000)  # red, green, blue, white; cd/m2
HDR10 = "log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L({},1):max-cll=1000,400"


def side_data(frame, name):
    return np.frombuffer(memoryview(frame.side_data[name]), np.int32)


@pytest.mark.parametrize(("codec", "suffix"), [("h264", "mkv"), ("h265", "mp4"), ("av1", "mp4")])
def test_what_displays_of_hdr10_are_told_stays(make_clip, run, read, tmp_path, codec, suffix):
    source = make_clip(
        tmp_path / "in.mp4", encoder="libx265", pixels="yuv420p10le", tags=(1, 9, 16, 9),
        options={"x265-params": HDR10.format(10000000)},
    )  # fmt: skip
    code, _, errors = run(source, "-o", tmp_path / f"out.{suffix}", "--codec", codec)
    assert (code, "left out" in errors) == (0, False)
    first = read.frames(tmp_path / f"out.{suffix}")[0]
    *numbers, points, luminance = side_data(first, "MASTERING_DISPLAY_METADATA")
    assert (points, luminance) == (1, 1)
    # AV1 has steps of 2^-16 in x and y, and of 2^-14 cd/m2.
    assert np.abs(np.divide(numbers[::2], numbers[1::2]) - DISPLAY).max() < 2**-14
    assert side_data(first, "CONTENT_LIGHT_LEVEL").tolist() == [1000, 400]


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("libx265", {"x265-params": HDR10.format(0)}),  # no luminance to FFmpeg
        (
            "libsvtav1",  # darker where it is brightest
            {
                "svtav1-params": "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1,2):"
                "content-light=1000,400"
            },
        ),
    ],
)
def test_a_display_that_cannot_be_is_left_out_and_said(make_clip, run, read, tmp_path, encoder, options):
    source = make_clip(tmp_path / "in.mp4", encoder=encoder, pixels="yuv420p10le", size=(64, 64), options=options)
    code, _, errors = run(source, "-o", tmp_path / "out.mp4")
    assert code == 0
    assert "left out: the display that it was made on, which it describes in part or as no display can be" in errors
    first = read.frames(tmp_path / "out.mp4")[0]
    assert "MASTERING_DISPLAY_METADATA" not in first.side_data
    assert side_data(first, "CONTENT_LIGHT_LEVEL").tolist() == [1000, 400]


def test_metadata_of_single_frames_are_left_out_and_said(make_clip, run, tmp_path):
    make_clip(tmp_path / "plain.mp4", encoder="libx265", pixels="yuv420p10le")
    # HDR10+: a message of H.265 (prefix SEI 4, ITU-T T.35) with one window in which all is 0. No three zeros follow
    # each other in a stream, hence the 3.
    said = b"\xb5\0\x3c\0\1\4\1\x40" + bytes(14)
    message = b"\x4e\1\4" + bytes([len(said)]) + said.replace(b"\0\0", b"\0\0\3") + b"\x80"
    copy(tmp_path / "plain.mp4", tmp_path / "in.mp4", beginning=len(message).to_bytes(4, "big") + message)
    code, _, errors = run(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4")
    assert code == 0
    assert "in.mp4: left out of its frames: HDR10+" in errors


def test_frames_with_exif_are_enlarged(run, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    with av.open(str(tmp_path / "in.mov"), "w") as clip:
        stream = clip.add_stream("mjpeg", 2, width=32, height=24, pix_fmt="yuvj420p")
        for number in range(3):
            content = io.BytesIO()
            Image.new("RGB", (32, 24), (60 * number, 90, 90)).save(content, "JPEG", exif=exif)
            packet = av.Packet(content.getvalue())
            packet.stream, packet.time_base = stream, Fraction(1, 2)
            packet.pts = packet.dts = number
            clip.mux(packet)
    code, said, errors = run(tmp_path / "in.mov", "-o", tmp_path / "out.mkv")
    assert code == 0, errors
    assert "3 frames upscaled" in said
    assert "in.mov: left out of its frames: data of a kind that PyAV cannot read" in errors


@pytest.fixture
def repeating(tmp_path):
    """Weights of a network that only repeats pixels."""
    network = CompactNet(scale=2, features=4, convs=1)
    for parameter in network.parameters():
        parameter.data.zero_()  # what is left is the enlarged input
    save_generator(network, tmp_path / "repeat.safetensors")
    return str(tmp_path / "repeat.safetensors")


@pytest.mark.parametrize("matrix", [1, 6])
def test_colours_are_the_sources_whatever_its_matrix(make_clip, run, read, repeating, tmp_path, matrix):
    source = make_clip(tmp_path / "in.mp4", tags=(1, 2, 2, matrix))
    words = (source, "-o", tmp_path / "out.mp4", "--crf", "4")
    assert run(*words, weights=repeating)[0] == 0
    assert read.frames(tmp_path / "out.mp4")[0].colorspace == matrix
    large = read.levels(tmp_path / "out.mp4")[:, ::2, ::2]
    assert np.abs(large - read.levels(source)).mean() < 1.5


@pytest.mark.parametrize("codec", ["h264", "av1"])  # which take grey, and which do not
def test_an_undeclared_ramp_of_grey_comes_back_whole(run, read, repeating, tmp_path, codec):
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8), (64, 256))
    with av.open(str(tmp_path / "in.mkv"), "w") as clip:
        video = clip.add_stream("ffv1", 2, width=256, height=64, pix_fmt="gray")
        clip.mux(video.encode(av.VideoFrame.from_ndarray(ramp, "gray")))
        clip.mux(video.encode(None))
    assert read.frames(tmp_path / "in.mkv")[0].color_range == 0
    words = (tmp_path / "in.mkv", "-o", tmp_path / "out.mkv", "--crf", "4", "--codec", codec)
    assert run(*words, weights=repeating)[0] == 0
    [large] = read.frames(tmp_path / "out.mkv")
    assert large.color_range == 2
    luma = np.frombuffer(large.planes[0], np.uint8).reshape(128, -1)[::2, :512:2].astype(int)
    assert np.abs(luma - ramp).max() <= 3


def test_pixels_of_jpeg_have_full_levels_even_undeclared(make_clip, tmp_path):
    clip = inspect(make_clip(tmp_path / "in.mp4", tags=(0, 2, 2, 2)))
    assert not clip.layout("yuv420p").full
    assert replace(clip, pixels="yuvj420p").layout("yuv420p").full


def test_an_undeclared_matrix_is_declared_so_that_a_larger_size_does_not_change_the_colours(
    make_clip, run, read, tmp_path
):
    source = make_clip(tmp_path / "in.mp4", tags=(0, 2, 2, 2))
    assert run(source, "-o", tmp_path / "out.mp4")[0] == 0
    assert read.frames(tmp_path / "out.mp4")[0].colorspace == 6  # BT.601, which players take for a size as small


def test_odd_sides_lose_a_row_or_column_only_where_chroma_wants_even_ones(make_clip, run, read, tmp_path):
    source = make_clip(tmp_path / "in.mkv", encoder="ffv1", size=(33, 25))
    for scale, size in (("2", (66, 50)), ("1", (32, 24)), ("3", (98, 74))):
        assert run(source, "-o", tmp_path / f"{scale}.mkv", "--scale", scale)[0] == 0
        first = read.frames(tmp_path / f"{scale}.mkv")[0]
        assert (first.width, first.height) == size
    source = make_clip(tmp_path / "full.mkv", encoder="ffv1", pixels="yuv444p", size=(33, 25))
    assert run(source, "-o", tmp_path / "444.mkv", "--scale", "1")[0] == 0
    first = read.frames(tmp_path / "444.mkv")[0]
    assert (first.width, first.height, first.format.name) == (33, 25, "yuv444p")


def test_a_file_without_moving_images_is_refused(run, tmp_path):
    with av.open(str(tmp_path / "song.mkv"), "w") as clip:
        audio = clip.add_stream("libopus", 48000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "fltp", "mono")
        part.sample_rate, part.pts = 48000, 0
        clip.mux(audio.encode(part))
        clip.mux(audio.encode(None))
    code, _, errors = run(tmp_path / "song.mkv", "-o", tmp_path / "out.mkv")
    assert (code, errors) == (1, f"error: {tmp_path / 'song.mkv'}: no video in it\n")


@pytest.mark.parametrize(
    ("source", "target", "codec", "words"),
    [
        ("in.mp4", "out.webm", "h264", "a .webm holds no h264; choose from --codec av1"),
        ("in.mkv", "out.mkv", "av1", "matroska with av1 would lose the shape of a pixel, 4/3"),
    ],
)
def test_what_a_container_cannot_hold_is_refused_before_the_work(
    make_clip, run, tmp_path, source, target, codec, words
):
    aspect = Fraction(4, 3) if codec == "av1" else None
    make_clip(tmp_path / source, words=[b"one"], aspect=aspect)
    code, _, errors = run(tmp_path / source, "-o", tmp_path / target, "--codec", codec)
    assert (code, errors.count("\n")) == (1, 1)
    assert words in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, "small.safetensors"])


def test_without_pyav_a_line_says_what_to_install(make_clip, run, tmp_path, monkeypatch):
    source = make_clip(tmp_path / "in.mp4")
    monkeypatch.setattr("wildsr.apps.upscale.video.command.is_installed", lambda module: False)
    code, _, errors = run(source, "-o", tmp_path / "out.mp4")
    assert (code, errors) == (1, "error: video needs PyAV; pip install 'av>=18.1,<19'\n")


def test_names_may_hold_a_colon(make_clip, run, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "10:00.mp4")
    code, said, errors = run("10:00.mp4", "-o", "12:30.mkv")
    assert (code, said) == (0, "12:30.mkv: 10 frames upscaled\n"), errors
    assert len(read.frames(tmp_path / "12:30.mkv")) == 10


def test_chapters_and_fonts_are_kept(make_clip, run, tmp_path):
    make_clip(tmp_path / "plain.mkv", words=[b"one"])

    def change(clip, streams):
        clip.add_attachment("a.ttf", "font/ttf", b"no real font")
        clip.set_chapters(
            [{"id": 1, "start": 0, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "Uphill"}}]
        )

    copy(tmp_path / "plain.mkv", tmp_path / "in.mkv", change)
    assert run(tmp_path / "in.mkv", "-o", tmp_path / "out.mkv")[0] == 0
    with av.open(str(tmp_path / "out.mkv")) as clip:
        assert [stream.data for stream in clip.streams if stream.type == "attachment"] == [b"no real font"]
        [chapter] = clip.chapters()
        assert chapter["metadata"]["title"] == "Uphill"
        assert (chapter["end"] - chapter["start"]) * chapter["time_base"] == 2


def test_streams_keep_their_names_languages_and_roles(make_clip, run, tmp_path):
    make_clip(tmp_path / "plain.mkv", sound="libopus", words=[b"one"])
    make_clip(tmp_path / "plain.mp4", sound="aac", words=[b"one"])

    def change(clip, streams):
        named = "title" if clip.format.name == "matroska" else "handler_name"
        roles = (Disposition(0), Disposition.comment, Disposition.forced)
        for stream, role, language in zip(streams, roles, ("eng", "ger", "fre"), strict=True):
            stream.metadata.update({"language": language, named: f"{language} stream"})
            stream.disposition = role

    def told(path):
        with av.open(str(path)) as clip:
            named = "title" if "matroska" in clip.format.name else "handler_name"
            return [(s.type, s.metadata.get("language"), s.metadata.get(named), s.disposition) for s in clip.streams]

    for suffix in ("mkv", "mp4"):
        source, result = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        copy(tmp_path / f"plain.{suffix}", source, change)
        assert run(source, "-o", result)[0] == 0
        assert told(result) == told(source)
        assert [each[:3] for each in told(source)] == [
            ("video", "eng", "eng stream"), ("audio", "ger", "ger stream"), ("subtitle", "fre", "fre stream")
        ]  # fmt: skip
    assert [role for *_, role in told(tmp_path / "in.mkv")] == [0, Disposition.comment, Disposition.forced]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_last_frame_is_shown_as_long_as_in_the_source(make_clip, run, tmp_path, suffix):
    source = make_clip(tmp_path / "in.mp4")
    assert run(source, "-o", tmp_path / f"out.{suffix}")[0] == 0
    with av.open(str(tmp_path / f"out.{suffix}")) as clip:
        assert clip.duration == 5 * av.time_base
        last = max((packet for packet in clip.demux(video=0) if packet.size), key=lambda packet: packet.pts)
        assert last.duration * last.time_base == Fraction(1, 2)


def test_sound_stays_where_it_was(make_clip, run, tmp_path):
    source = make_clip(tmp_path / "in.mp4", sound="aac")
    assert run(source, "-o", tmp_path / "out.mp4")[0] == 0
    heard = []
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as clip:
            heard.append([packet.pts * packet.time_base for packet in clip.demux(audio=0) if packet.size])
    assert heard[0] == heard[1]
