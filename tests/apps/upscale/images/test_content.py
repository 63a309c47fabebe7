import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin

from wildsr.apps.upscale.images.content import ImageContent, check_fits, encode_content, read_content
from wildsr.apps.upscale.images.png import MAGIC
from wildsr.images import OUTPUT_SUFFIXES, kind_of

LOSSLESS = ("PNG", "TIFF", "BMP")
KINDS = sorted({kind_of(f"x{suffix}") for suffix in OUTPUT_SUFFIXES})


def random(channels, bits=8, alpha=False, size=(9, 13)):
    """An image of random levels."""
    rng = np.random.default_rng(0)
    peak = 2**bits - 1
    planes = torch.from_numpy(rng.integers(0, peak + 1, (channels + alpha, *size)).astype(np.float32) / peak)
    return ImageContent(planes[:channels], planes[channels:] if alpha else None, bits)


def smooth(channels=3, alpha=False):
    """An image that lossy formats hardly change."""
    ramp = torch.linspace(0.2, 0.8, 32)
    planes = torch.stack([ramp.expand(24, 32), ramp.flip(0).expand(24, 32), torch.full((24, 32), 0.5)])
    return ImageContent(planes[:channels], ramp.expand(1, 24, 32) if alpha else None)


def read(content):
    return read_content(io.BytesIO(content), "memory")


def pillow(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return read(file.getvalue())


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_formats_give_back_every_level_greyness_and_alpha(kind, channels, alpha):
    if kind == "BMP" and alpha:
        pytest.skip("BMP has no alpha")
    picture = random(channels, alpha=alpha)
    again = read(encode_content(picture, kind))
    assert torch.equal(again.colour, picture.colour)
    assert (again.alpha is not None) == alpha and (not alpha or torch.equal(again.alpha, picture.alpha))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LOSSLESS])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossy_formats_give_back_about_the_same(kind, alpha):
    if kind == "JPEG" and alpha:
        pytest.skip("JPEG has no alpha")
    picture = smooth(alpha=alpha)
    again = read(encode_content(picture, kind))
    assert float((again.colour - picture.colour).abs().max()) < 6 / 255
    assert (again.alpha is not None) == alpha
    assert not alpha or float((again.alpha - picture.alpha).abs().max()) < 6 / 255


def test_16_bits_are_rounded_to_8_where_the_format_has_no_more():
    picture = ImageContent(torch.tensor([100.4, 100.6]).view(1, 1, 2) / 255, None, 16)
    assert (read(encode_content(picture, "BMP")).colour * 255).flatten().tolist() == [100, 101]


@pytest.mark.parametrize(("mode", "channels", "alpha"), [
    ("1", 1, False), ("L", 1, False), ("LA", 1, True), ("P", 3, False), ("RGB", 3, False), ("RGBA", 3, True),
    ("CMYK", 3, False),
])  # fmt: skip
def test_every_mode_of_a_file_is_read(mode, channels, alpha):
    picture = pillow(Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode), "TIFF")
    assert picture.colour.shape == (channels, 4, 5)
    assert (picture.alpha is not None) == alpha
    assert bool((picture.colour == 1).all())


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_colour_declared_transparent_becomes_alpha(mode):
    picture = Image.new("RGB", (2, 1), (10, 10, 10))
    picture.putpixel((1, 0), (200, 200, 200))
    picture = picture.convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else picture.convert(mode)
    key = picture.getpixel((1, 0))
    read = pillow(picture, transparency=key)
    assert read.alpha is not None
    assert read.alpha.flatten().tolist() == [1, 0]
    assert (read.colour[0] * 255).flatten().tolist() == [10, 200]


@pytest.mark.parametrize(("bits", "row", "levels"), [
    (1, [0b01010000], [0, 255, 0, 255]), (2, [0b00011011], [0, 85, 170, 255]), (4, [0x05, 0xAF], [0, 85, 170, 255]),
    (8, [0, 85, 170, 255], [0, 85, 170, 255]),
])  # fmt: skip
def test_a_level_declared_transparent_becomes_alpha_whatever_the_bits(bits, row, levels):
    file = io.BytesIO(MAGIC)
    file.seek(0, io.SEEK_END)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"tRNS", struct.pack(">H", 2**bits - 1))
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(bytes([0, *row])))
    PngImagePlugin.putchunk(file, b"IEND", b"")
    picture = read(file.getvalue())
    assert (picture.colour * 255).flatten().tolist() == levels
    assert picture.alpha.flatten().tolist() == [float(level < 255) for level in levels]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_image_is_turned_upright_and_says_so(kind, orientation):
    # Whatever the orientation, the file below shows a bright quarter at the top left.
    upright = Image.new("L", (32, 16))
    upright.paste(255, (0, 0, 16, 8))
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's inverse of each orientation
    stored = upright.transpose(Image.Transpose(turned[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = pillow(stored.convert("RGB"), kind, exif=exif)
    assert picture.colour.shape == (3, 16, 32)
    assert float(picture.colour[0, 2, 2]) > 0.9
    assert float(picture.colour[0, -3, -3]) < 0.1
    assert 0x0112 not in picture.metadata.exif


def test_cmyk_is_converted_by_its_own_profile():
    # No CMYK profile comes with Pillow: the call is watched, and a damaged profile falls back to the plain formula.
    plain = pillow(Image.new("CMYK", (3, 2), (0, 255, 255, 0)), "TIFF")
    damaged = pillow(Image.new("CMYK", (3, 2), (0, 255, 255, 0)), "TIFF", icc_profile=b"no profile")
    assert plain.colour[:, 0, 0].tolist() == [1, 0, 0]
    assert torch.equal(plain.colour, damaged.colour)


def test_cmyk_goes_through_the_profile_where_it_has_one(monkeypatch):
    seen = []

    def convert(picture, own, srgb, outputMode):
        seen.append((picture.mode, outputMode))
        return Image.new("RGB", picture.size, (1, 2, 3))

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", lambda file: file)
    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    picture = pillow(Image.new("CMYK", (3, 2)), "TIFF", icc_profile=b"a profile")
    assert (picture.colour[:, 0, 0] * 255).tolist() == [1, 2, 3]
    assert seen == [("CMYK", "RGB")]
    assert picture.metadata.icc == b""


def test_the_first_of_several_frames_is_taken_and_all_are_counted(tmp_path):
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    for name in ["pages.tif", "moving.webp", "moving.png"]:
        red.save(tmp_path / name, save_all=True, append_images=[blue], lossless=True)
        picture = read_content(tmp_path / name, name)
        assert picture.frames == 2
        assert picture.colour[:, 0, 0].tolist() == [1, 0, 0]


def test_a_damaged_second_page_does_not_cost_the_first():
    file, page = io.BytesIO(), Image.new("RGB", (4, 4), "red")
    page.save(file, "TIFF", save_all=True, append_images=[page])
    first = file.getvalue()
    with Image.open(io.BytesIO(first)) as picture:
        picture.seek(1)
        second = picture.tag_v2._offset
    picture = read(first[:second] + bytes(len(first) - second))
    assert picture.colour[:, 0, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_range_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=rf"a\.tif: not a readable image .*mode {mode}; wanted 8 or 16 bits"):
        read_content(tmp_path / "a.tif", "a.tif")


def test_other_formats_are_not_tried_whatever_the_name(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png", "IM")
    (tmp_path / "b.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    for name in ("a.png", "b.png"):
        with pytest.raises(ValueError, match=f"{name}: not a readable image .none of PNG, JPEG"):
            read_content(tmp_path / name, name)


def test_a_mislabelled_image_is_read_by_its_content(tmp_path):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.jpg", "PNG")
    assert read_content(tmp_path / "a.jpg", "a.jpg").colour[:, 0, 0].tolist() == [1, 0, 0]


def test_a_decompression_bomb_is_refused_by_its_header(monkeypatch):
    monkeypatch.setattr("wildsr.images.limits.free_ram", lambda: 2**32)
    file = io.BytesIO(MAGIC)
    file.seek(0, io.SEEK_END)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(bytes(10_000)))
    with pytest.raises(
        ValueError, match="memory: 50000 x 50000 pixels, 2,500,000,000 in all, more than the 67,108,864"
    ):
        read(file.getvalue())


def test_what_a_format_cannot_hold_is_refused_with_what_can():
    with pytest.raises(ValueError, match="it has alpha, which JPEG cannot hold; choose from png"):
        encode_content(random(3, alpha=True), "JPEG")
    with pytest.raises(ValueError, match="20000 x 10 pixels, more than the 16383 a side that WEBP holds"):
        check_fits("WEBP", 20000, 10, alpha=False)
    check_fits("PNG", 200_000, 10, alpha=True)


def test_of_a_gif_the_first_frame_is_taken_and_all_are_counted(tmp_path):
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    picture = read_content(tmp_path / "a.gif", "a")
    assert picture.frames == 2
    assert picture.colour[:, 0, 0].tolist() == [1, 0, 0]


def test_a_colour_that_a_gif_declares_transparent_becomes_alpha(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.gif", transparency=1)
    assert read_content(tmp_path / "a.gif", "a").alpha.flatten().tolist() == [1, 0]


@pytest.mark.parametrize("kind", ["PPM", "JPEG2000"])
def test_16_bits_of_grey_stay_16(kind):
    levels = np.array([[0, 1, 256, 40_000, 65_535] * 8] * 40, np.uint16)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, kind)
    picture = read_content(file, "memory")
    assert picture.bits == 16
    assert (picture.colour[0] * 65535).round().int().tolist() == levels.tolist()


def test_the_stamp_of_an_encoder_of_jpeg_2000_is_no_comment():
    file = io.BytesIO()
    Image.new("RGB", (32, 24)).save(file, "JPEG2000")
    assert read_content(file, "memory").metadata.comment == b""
