"""What is lost of a video is said before the work: alpha wherever it is, the other field of interlaced frames."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="video needs PyAV")

from wildsr.apps.upscale.video.clips import inspect, is_transparent  # noqa: E402

ALPHA = "its alpha is lost: no codec here holds any"
INTERLACED = "its frames are interlaced, and enlarged as if they were not; deinterlace it first"


def record(path, encoder, pixels, alpha, flags=0, options=None):
    """Write three frames; the left half of the last has this alpha, from 0 to 1."""
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream(encoder, 25, options or {}, width=64, height=48, pix_fmt=pixels)
        stream.codec_context.flags |= flags
        for number in range(3):
            levels = np.full((48, 64, 4), 255, np.uint8)
            levels[:, :32, :3] = 60 * number
            if number == 2:
                levels[:, :32, 3] = round(255 * alpha)
            frame = av.VideoFrame.from_ndarray(levels, "rgba").reformat(format=pixels)
            frame.pts = number
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "encoder", "pixels"),
    [
        ("in.mkv", "ffv1", "yuva420p"),
        ("in.mov", "prores_ks", "yuva444p10le"),
        ("in.mov", "qtrle", "argb"),
        ("in.mov", "png", "rgba"),
        ("in.apng", "apng", "rgba"),
        ("in.webm", "libvpx-vp9", "yuva420p"),
        ("in.mkv", "ffv1", "bgra"),
    ],
)
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_alpha_is_said_to_be_lost_wherever_any_is(tmp_path, name, encoder, pixels, alpha):
    if encoder == "libvpx-vp9":  # whose alpha lies beside the frames: the file alone tells of it
        pixels = "yuva420p" if alpha < 1 else "yuv420p"
    clip = inspect(record(tmp_path / name, encoder, pixels, alpha))
    assert clip.notes == ((ALPHA,) if alpha < 1 else ())


def test_a_gif_loses_alpha_only_where_it_has_any(run, tmp_path):
    for name, colour, lost in (("opaque.gif", (0, 0, 0, 255), False), ("sprite.gif", (0, 0, 0, 0), True)):
        frames = [Image.new("RGBA", (32, 24), colour) for _ in range(3)]
        for number, frame in enumerate(frames):
            frame.paste((255, 60 * number, 0, 255), (4 * number, 4, 4 * number + 8, 20))
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100, disposal=2)
        code, _, errors = run(tmp_path / name, "-o", tmp_path / f"{name}.mp4")
        assert code == 0, errors
        assert (f"warning: {tmp_path / name}: {ALPHA}\n" in errors) == lost


def test_colours_of_a_palette_may_be_transparent():
    frame = av.VideoFrame(8, 8, "pal8")
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    for alpha, transparent in ((255, False), (0, True)):
        frame.planes[1].update(np.full(256, alpha << 24, np.uint32).tobytes())
        assert is_transparent(frame) == transparent


@pytest.mark.parametrize(
    ("name", "encoder", "options"),
    [
        ("in.mpg", "mpeg2video", {}),
        ("in.mp4", "libx264", {"x264-params": "tff=1:log-level=none"}),
        ("in.mov", "prores_ks", {}),
    ],
)
@pytest.mark.parametrize("is_interlaced", [False, True])
def test_an_interlaced_source_is_noted(tmp_path, name, encoder, options, is_interlaced):
    pixels = "yuv422p10le" if encoder == "prores_ks" else "yuv420p"
    flags = av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me if is_interlaced else 0
    options = options if is_interlaced else {}
    clip = inspect(record(tmp_path / name, encoder, pixels, 1.0, flags=flags, options=options))
    assert clip.notes == ((INTERLACED,) if is_interlaced else ())
    assert clip.times[1] - clip.times[0] == Fraction(1, 25) / clip.time_base


def test_captions_within_frames_are_said_to_be_lost(make_clip, tmp_path):
    # A message of H.264 (SEI 4, ITU-T T.35): ATSC's cc_data of CEA-608 with one pair of characters.
    make_clip(tmp_path / "plain.mp4")
    said = b"\xb5\0\x31GA94\3\xc1\xff\xfc\x94\x2c\xff"
    message = b"\6\4" + bytes([len(said)]) + said + b"\x80"
    with av.open(str(tmp_path / "plain.mp4")) as old, av.open(str(tmp_path / "in.mp4"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for number, packet in enumerate(packet for packet in old.demux(video=0) if packet.size):
            beginning = len(message).to_bytes(4, "big") + message if number == 4 else b""
            changed = av.Packet(beginning + bytes(packet))
            changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
            changed.time_base, changed.is_keyframe, changed.stream = packet.time_base, packet.is_keyframe, stream
            new.mux(changed)
    assert inspect(tmp_path / "in.mp4").notes == ("left out of its frames: closed captions",)
