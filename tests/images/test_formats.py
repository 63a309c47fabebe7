import base64
import importlib.util
import io
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, features

from wildsr.apps.upscale.images.content import read_content
from wildsr.images import OUTPUT_SUFFIXES, SUFFIXES, find_images, formats, image_size, jxl, kind_of, read_image

RAMP = Image.fromarray(np.linspace(0, 255, 24 * 32 * 3).astype(np.uint8).reshape(24, 32, 3))
LOSSLESS = (".dds", ".pcx", ".png", ".apng", ".ppm", ".pnm", ".qoi", ".sgi", ".tga", ".tif", ".ico")


@pytest.mark.parametrize("suffix", [
    ".jfif", ".jpe", ".gif", ".tga", ".ppm", ".pnm", ".pgm", ".pbm", ".jp2", ".j2k", ".ico", ".dds", ".pcx", ".qoi",
    ".sgi", ".webp", ".avif", ".apng",
])  # fmt: skip
def test_what_pillow_reads_is_read_and_found_in_folders(suffix, tmp_path):
    if suffix in (".jp2", ".j2k") and not features.check("jpg_2000"):
        pytest.skip("Pillow was built without JPEG 2000")
    file = tmp_path / f"a{suffix}"
    mode = {".pgm": "L", ".pbm": "1"}.get(suffix, "RGB")
    options = {".ico": {"sizes": [(16, 12), (32, 24)]}, ".webp": {"lossless": True}}.get(suffix, {})
    kinds = {".jfif": "JPEG", ".jpe": "JPEG", ".apng": "PNG"}
    RAMP.convert(mode).save(file, kinds.get(suffix), **options)
    image = read_image(file)
    assert image.shape == (3, 24, 32)  # of an ICO the largest
    assert image_size(file) == (24, 32)
    assert read_content(file, "a").colour.shape == (1 if mode != "RGB" else 3, 24, 32)
    if suffix in LOSSLESS:
        assert torch.equal(image, torch.from_numpy(np.array(RAMP)).permute(2, 0, 1))
    assert find_images(tmp_path) == [file]


def test_training_reads_16_bits_of_grey_as_their_higher_8(tmp_path):
    Image.fromarray(np.array([[0, 255, 256, 65_535]], np.uint16)).save(tmp_path / "a.pgm")
    assert read_image(tmp_path / "a.pgm")[0, 0].tolist() == [0, 0, 1, 255]


def test_tga_has_no_signature_and_is_read_by_its_name_alone(tmp_path):
    RAMP.save(tmp_path / "a.tga")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.tga").read_bytes())
    assert read_image(tmp_path / "a.tga").shape == (3, 24, 32)
    with pytest.raises(ValueError, match=r"a\.png: not a readable image"):
        read_image(tmp_path / "a.png")


def test_only_formats_of_photographs_are_written():
    assert set(OUTPUT_SUFFIXES) <= set(SUFFIXES)
    assert kind_of("x.JPEG") == "JPEG" and kind_of("x.tif") == "TIFF"
    with pytest.raises(ValueError, match=r"x\.gif: no image format '\.gif'; choose from \.png, \.jpg"):
        kind_of("x.gif")


def test_a_file_that_needs_one_more_package_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "_is_installed", lambda kind: kind not in formats.PLUGINS)
    formats.readable_formats.cache_clear()
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=r"a\.HEIC: not a readable image .*pip install pi-heif"):
        read_image(tmp_path / "a.HEIC")
    formats.readable_formats.cache_clear()


# 16 x 8 pixels, red on the left and blue on the right, with an orientation of 6; zlib, base64.
HEIC = """
eNpjYGCQSSupLMhIzUxmAILczDRDEDs3MzGNgYHxeG5qSSIDBChmpOQUQdkMBZnJJQxowCQzJx9siIsDAxMDI4jF+BpCA4EjUAwImHTgIipAbJGZmZcG
5oFkRYGcVLAyoJqMsmRDBiRBRpAS14pMsHK+gsySXAaoSka2zIKiAiD7aWZBcj6QLgXqdWZkBglNACuS+8Dw5++PHwwM/MwJQB0SDow8jP//gxQwg1Qw
g5DcLiaHRKCkphMjI5rMAoVG1mmv1s169kBxwYEGBgaeBpBwSxJQNZsL48Hig51AO4ST83OK8pJzKoCivAxsQCUMIpnFBalQ3zpAsUZyTiLIYQIQtzNw
gOj///9fAIUBkD4BDQuBgsyKTJBGZg4OkBrOzKL8EqBzGCQzC3JhccII9HsjEzNrSxuQI5VZlJoGleBLTilOBscCyI7c3JREUHTZajCu5zwRr3BBeca0
/9X1f0pP+FX3//YVPfyltndW7W3Hql+7Q07uN7/wOVhq980jbPwLXim7Fl31a3iskbT6Vg3QADZI+Pv6MmiBnc7IKAQKIlA4QOwFABoweuA=
"""
without_heif = pytest.mark.skipif(importlib.util.find_spec("pi_heif") is None, reason="pi-heif is not installed")
without_jxl = pytest.mark.skipif(importlib.util.find_spec("pillow_jxl") is None, reason="no pillow-jxl-plugin")


@without_heif
def test_heic_is_read_upright_where_its_plugin_is_installed(tmp_path):
    (tmp_path / "a.heic").write_bytes(zlib.decompress(base64.b64decode(HEIC)))
    image = read_image(tmp_path / "a.heic")
    assert image_size(tmp_path / "a.heic") == image.shape[1:] == (16, 8)
    assert image[:, 3, 4].tolist() == pytest.approx([200, 30, 30], abs=25)
    assert image[:, 12, 4].tolist() == pytest.approx([30, 30, 200], abs=25)
    assert find_images(tmp_path) == [tmp_path / "a.heic"]


@without_jxl
def test_jpeg_xl_is_read_where_its_plugin_is_installed(tmp_path):
    formats.readable_formats()
    RAMP.save(tmp_path / "a.jxl", lossless=True)
    assert torch.equal(read_image(tmp_path / "a.jxl"), torch.from_numpy(np.array(RAMP)).permute(2, 0, 1))
    assert find_images(tmp_path) == [tmp_path / "a.jxl"]


@without_jxl
def test_a_jpeg_xl_is_not_turned_twice(tmp_path):
    formats.readable_formats()
    exif = Image.Exif()
    exif[0x0112] = 6
    RAMP.save(tmp_path / "own.jxl", lossless=True, exif=exif.tobytes())  # says how it lay, to be passed over
    RAMP.save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as jpeg, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jpeg.save(tmp_path / "jpeg.jxl", lossless=True)  # a JPEG, repacked
    assert image_size(tmp_path / "own.jxl") == read_image(tmp_path / "own.jxl").shape[1:] == (24, 32)
    assert image_size(tmp_path / "jpeg.jxl") == (32, 24)
    assert torch.equal(read_image(tmp_path / "jpeg.jxl"), read_image(tmp_path / "a.jpg"))


# What libjxl 0.11 begins files of these sizes with.
@pytest.mark.parametrize(("begins", "size"), [("cb4024", (64, 48)), ("7c38e120296e", (20_000, 10_000))])
def test_the_size_of_a_jpeg_xl_is_read_from_its_header(begins, size):
    stream = b"\xff\x0a" + bytes.fromhex(begins) + bytes(20)
    head = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
    long = b"\0\0\0\x01Exif" + (16 + 3).to_bytes(8) + b"abc"
    for box in (b"\0\0\0\0jxlc", b"\0\0\x10\0jxlp\0\0\0\0"):
        assert jxl.read_size(io.BytesIO(head + long + box + stream)) == size
    assert jxl.read_size(io.BytesIO(stream)) == size
    for other in (b"", b"\x89PNG", head, head + b"\0\0\0\0free", head + b"\0\0\0\0jxlc"):
        assert jxl.read_size(io.BytesIO(other)) is None


@pytest.mark.parametrize(("bits", "size"), [
    (0b1 | 3 << 1 | 0 << 6 | 9 << 9, (80, 32)),  # eighths: (3 + 1) * 8 high, no ratio, (9 + 1) * 8 wide
    (0b0 | 0 << 1 | 511 << 3 | 1 << 12, (512, 512)),  # 9 bits, square
    (0b0 | 3 << 1 | 2**30 - 1 << 3 | 0 << 33 | 1 << 36 | 99 << 38, (100, 2**30)),  # 30 bits, then 13
    (0b0 | 2 << 1 | 8_999 << 3 | 5 << 21, (16_000, 9_000)),  # 18 bits, 16 to 9
])  # fmt: skip
def test_every_way_to_write_a_size_of_a_jpeg_xl_is_understood(bits, size):
    assert jxl.read_size(io.BytesIO(b"\xff\x0a" + bits.to_bytes(10, "little"))) == size


@without_jxl
def test_a_jpeg_xl_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    formats.readable_formats()
    RAMP.save(tmp_path / "a.jxl")
    monkeypatch.setattr("pillow_jxl.JpegXLImagePlugin.Decoder", lambda **_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"a: 32 x 24 pixels, 768 in all, more than the 767 allowed"):
        read_content(tmp_path / "a.jxl", "a", 767)
