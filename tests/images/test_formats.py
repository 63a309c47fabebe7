import importlib.util
import io

import numpy as np
import pytest
import torch
from PIL import Image, features

from wildsr.images import OUTPUT_SUFFIXES, SUFFIXES, find_images, formats, image_size, kind_of, read_image, read_picture

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
    assert read_picture(file, "a").colour.shape == (1 if mode != "RGB" else 3, 24, 32)
    if suffix in LOSSLESS:
        assert torch.equal(image, torch.from_numpy(np.array(RAMP)).permute(2, 0, 1))
    assert find_images(tmp_path) == [file]


def test_of_a_gif_the_first_frame_is_taken_and_all_are_counted(tmp_path):
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    picture = read_picture(tmp_path / "a.gif", "a")
    assert picture.frames == 2
    assert picture.colour[:, 0, 0].tolist() == [1, 0, 0]


def test_a_colour_that_a_gif_declares_transparent_becomes_alpha(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.gif", transparency=1)
    assert read_picture(tmp_path / "a.gif", "a").alpha.flatten().tolist() == [1, 0]


@pytest.mark.parametrize("kind", ["PPM", "JPEG2000"])
def test_16_bits_of_grey_stay_16(kind):
    levels = np.array([[0, 1, 256, 40_000, 65_535] * 8] * 40, np.uint16)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, kind)
    picture = read_picture(file, "memory")
    assert picture.bits == 16
    assert (picture.colour[0] * 65535).round().int().tolist() == levels.tolist()


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
    with pytest.raises(ValueError, match=r"x\.gif: no image format '\.gif'; wanted one of \.png, \.jpg"):
        kind_of("x.gif")


def test_a_file_that_needs_one_more_package_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "_is_installed", lambda kind: kind not in formats.PLUGINS)
    formats.readable_formats.cache_clear()
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=r"a\.HEIC: not a readable image .*pip install pi-heif"):
        read_image(tmp_path / "a.HEIC")
    formats.readable_formats.cache_clear()


@pytest.mark.skipif(importlib.util.find_spec("pillow_jxl") is None, reason="pillow-jxl-plugin is not installed")
def test_jpeg_xl_is_read_where_its_plugin_is_installed(tmp_path):
    formats.readable_formats()
    RAMP.save(tmp_path / "a.jxl", lossless=True)
    assert torch.equal(read_image(tmp_path / "a.jxl"), torch.from_numpy(np.array(RAMP)).permute(2, 0, 1))
    assert find_images(tmp_path) == [tmp_path / "a.jxl"]
