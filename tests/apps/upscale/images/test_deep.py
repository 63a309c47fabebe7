"""16 bits against readers and writers of others: torchvision for PNG, tifffile (scikit-image's) for TIFF."""

import io

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_png

from wildsr.apps.upscale.images.content import ImageContent, encode_content, read_content
from wildsr.images import read_image

MODES = {1: ImageReadMode.GRAY, 2: ImageReadMode.GRAY_ALPHA, 3: ImageReadMode.RGB, 4: ImageReadMode.RGB_ALPHA}


def random(channels):
    return np.random.default_rng(0).integers(0, 65536, (9, 13, channels)).astype(np.uint16)


def content_of(levels):
    planes = torch.from_numpy(levels.astype(np.float32) / 65535).permute(2, 0, 1)
    channels = 1 if len(planes) < 3 else 3
    return ImageContent(planes[:channels], planes[channels:] if len(planes) > channels else None, 16)


def levels_of(content):
    picture = read_content(io.BytesIO(content), "memory")
    assert picture.bits == 16
    planes = picture.colour if picture.alpha is None else torch.cat([picture.colour, picture.alpha])
    return (planes * 65535).round().permute(1, 2, 0).numpy().astype(np.uint16)


@pytest.mark.parametrize("channels", MODES)
def test_a_png_is_read_by_others_and_by_us_level_for_level(channels):
    levels = random(channels)
    content = encode_content(content_of(levels), "PNG")
    theirs = decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8), MODES[channels])
    assert np.array_equal(theirs.permute(1, 2, 0).numpy(), levels)
    assert np.array_equal(levels_of(content), levels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_is_read_by_others_and_by_us_level_for_level(channels):
    levels = random(channels)
    content = encode_content(content_of(levels), "TIFF")
    assert np.array_equal(tifffile.imread(io.BytesIO(content)).reshape(levels.shape), levels)
    assert np.array_equal(levels_of(content), levels)


def test_grey_with_alpha_is_rgb_with_alpha_in_a_tiff():
    levels = random(2)
    content = encode_content(content_of(levels), "TIFF")
    assert np.array_equal(levels_of(content), levels[..., [0, 0, 0, 1]])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}])
def test_a_tiff_of_others_is_read_in_any_byte_order_and_compression(channels, order, layout):
    levels, file = random(channels), io.BytesIO()
    kind = "minisblack" if channels == 1 else "rgb"
    extra = ["unassalpha"] if channels == 4 else None
    tifffile.imwrite(file, levels.squeeze(), byteorder=order, photometric=kind, extrasamples=extra, **layout)
    assert np.array_equal(levels_of(file.getvalue()), levels)


def test_colours_multiplied_by_alpha_are_divided_again():
    file = io.BytesIO()
    pixels = np.array([[[1000, 2000, 30000, 32768], [7, 7, 7, 0]]], np.uint16)
    tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=["assocalpha"])
    assert levels_of(file.getvalue())[0, 0].tolist() == [2000, 4000, 59999, 32768]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_may_be_zero(tmp_path, kind, compression):
    file, levels = tmp_path / "a.tif", np.arange(3, dtype=kind)[None]
    tifffile.imwrite(file, levels, photometric="miniswhite", compression=compression)
    peak = np.iinfo(kind).max
    picture = read_content(file, "a.tif")
    assert (picture.colour * peak).round().flatten().tolist() == [peak, peak - 1, peak - 2]
    higher_bytes = [255, 254, 253] if kind is np.uint8 else [255, 255, 255]
    assert read_image(file)[0].flatten().tolist() == higher_bytes


@pytest.mark.parametrize("options", [{"planarconfig": "separate"}, {"planarconfig": "separate", "compression": "zlib"}])
def test_separate_planes_are_refused_rather_than_misread(tmp_path, options):
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((3, 8, 8), np.uint16), photometric="rgb", **options)
    with pytest.raises(ValueError, match=r"memory: not a readable image .*separate planes"):
        levels_of(file.getvalue())
    (tmp_path / "a.tif").write_bytes(file.getvalue())
    with pytest.raises(ValueError, match=r"a\.tif: not a readable image .*separate planes"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_truncated_one_is_refused(kind, channels):
    content = encode_content(content_of(random(channels)), kind)
    with pytest.raises(ValueError, match="memory: not a readable image"):
        levels_of(content[: len(content) * 2 // 3])


def test_training_takes_the_higher_byte(tmp_path):
    levels = random(3)
    (tmp_path / "a.png").write_bytes(encode_content(content_of(levels), "PNG"))
    assert np.array_equal(read_image(tmp_path / "a.png").permute(1, 2, 0).numpy(), levels >> 8)
    grey = random(1)
    Image.fromarray(grey[..., 0]).save(tmp_path / "b.png")
    assert np.array_equal(read_image(tmp_path / "b.png")[1].numpy(), grey[..., 0] >> 8)


def test_a_level_declared_transparent_becomes_alpha():
    file = io.BytesIO()
    Image.fromarray(np.array([[1000, 1001]], np.uint16)).save(file, "PNG", transparency=1001)
    assert levels_of(file.getvalue()).tolist() == [[[1000, 65535], [1001, 0]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pillows_own_limit_of_pixels_does_not_hold(kind, monkeypatch):
    levels = random(3)
    content = encode_content(content_of(levels), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # it refuses twice as many, and these are 117
    assert np.array_equal(levels_of(content), levels)
