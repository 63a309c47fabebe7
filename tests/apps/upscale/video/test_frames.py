import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="video needs PyAV")

from wildsr.apps.upscale.video.frames import BT601, BT709, BT2020, Layout, matrix_of, to_frame, to_image  # noqa: E402

RED, GREEN, BLUE, WHITE = ([1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1, 1])


def levels(frame):
    """The first pixel of each plane."""
    depth = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    return [int(np.frombuffer(plane, depth)[0]) for plane in frame.planes]


@pytest.mark.parametrize(
    ("pixels", "matrix", "full", "colour", "wanted"),
    [  # the colour bars of the standards: 219 Y' + 16, 224 C + 128
        ("yuv420p", BT601, False, RED, [81, 90, 240]),
        ("yuv420p", BT601, False, GREEN, [145, 54, 34]),
        ("yuv420p", BT601, False, BLUE, [41, 240, 110]),
        ("yuv444p", BT709, False, RED, [63, 102, 240]),
        ("yuv444p", BT709, False, GREEN, [173, 42, 26]),
        ("yuv444p", BT709, False, BLUE, [32, 240, 118]),
        ("yuv422p", BT601, True, RED, [76, 85, 255]),  # JPEG's
        ("yuv420p10le", BT709, False, RED, [250, 409, 960]),
        ("yuv420p10le", BT2020, False, RED, [294, 387, 960]),
        ("yuv420p", BT709, False, WHITE, [235, 128, 128]),
        ("yuv444p", 4, False, RED, [82, 90, 240]),  # FCC's: 0.30, 0.59, 0.11
        ("yuv444p", 4, False, GREEN, [145, 54, 34]),
        ("yuv444p", 4, False, BLUE, [40, 240, 110]),
        ("yuv444p", 7, False, RED, [62, 102, 240]),  # SMPTE 240M: 0.212, 0.701, 0.087
        ("yuv444p", 7, False, GREEN, [170, 42, 28]),
        ("yuv444p", 7, False, BLUE, [35, 240, 116]),
    ],
)
def test_primary_colours_have_the_levels_of_the_standards(pixels, matrix, full, colour, wanted):
    image = torch.tensor(colour)[:, None, None].expand(3, 4, 6)
    frame = to_frame(image, Layout(pixels, matrix, full))
    assert levels(frame) == wanted
    assert (to_image(frame, Layout(pixels, matrix, full)) - image).abs().max() < 1.5 / 219


def test_grey_stays_one_plane():
    image = torch.linspace(0, 1, 48).view(1, 4, 12)
    for pixels, peak in (("gray", 255), ("gray10le", 1023)):
        frame = to_frame(image, Layout(pixels, BT709, True))
        assert len(frame.planes) == 1
        assert (to_image(frame, Layout(pixels, BT709, True)) - image).abs().max() <= 0.5 / peak + 1e-6


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p12le"])
def test_colours_that_change_linearly_pass_subsampling_in_their_places(pixels):
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    image = torch.stack([0.2 + columns / 60, 0.7 - columns / 60 + rows / 80, 0.3 + rows / 40])
    layout = Layout(pixels, BT709, False)
    again = to_image(to_frame(image, layout), layout)
    step = 2 / (219 * 2 ** (layout.bits - 8))  # two roundings: of Y' and, weighted up to 1.86, of chroma
    assert (again - image)[:, 2:-2, 2:-2].abs().max() < step


def test_sides_may_be_odd():
    frame = av.VideoFrame.from_ndarray(np.full((5, 7, 3), 100, np.uint8), format="rgb24").reformat(format="yuv420p")
    assert to_image(frame, Layout("yuv420p", BT601, False)).shape == (3, 5, 7)


def test_packed_frames_are_read_with_the_matrix_that_they_declare():
    rgb = np.broadcast_to(np.array([200, 60, 30], np.uint8), (8, 8, 3)).copy()
    for matrix in (BT601, BT709):
        packed = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="nv12", dst_colorspace=matrix)
        packed.colorspace = matrix
        image = to_image(packed, Layout("yuv420p", matrix, False))
        assert (image[:, 4, 4] * 255 - torch.tensor([200.0, 60, 30])).abs().max() < 3


@pytest.mark.parametrize("pixels", ["nv12", "yuyv422", "uyvy422", "yuva420p", "yuv411p", "yuv444p"])
@pytest.mark.parametrize(("matrix", "red"), [(BT601, 212.7), (BT709, 226.9)])  # 255 (84 / 219 + 2 (1 - Kr) 72 / 224)
def test_a_frame_that_declares_no_matrix_has_that_of_the_layout(pixels, matrix, red):
    frame = av.VideoFrame(16, 8, "yuv444p")
    for plane, level in zip(frame.planes, (100, 90, 200), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    packed = frame.reformat(format=pixels)
    assert packed.colorspace == 2
    image = to_image(packed, Layout("yuv420p", matrix, False))
    assert image[0, 4, 8] * 255 == pytest.approx(red, abs=0.1)


def test_an_undeclared_matrix_is_that_which_players_take_for_the_size():
    assert [matrix_of(2, *size) for size in [(640, 480), (720, 576), (1280, 720), (640, 1080)]] == [6, 6, 1, 1]
    assert [matrix_of(2, *size) for size in [(1279, 576), (1280, 576), (1279, 577)]] == [BT601, BT709, BT709]
    assert matrix_of(9, 64, 64) == 9
    with pytest.raises(ValueError, match=r"number 8 of H.273; wanted BT.601, BT.709 or BT.2020"):
        matrix_of(8, 64, 64)
