import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin

from wildsr.apps.upscale.images.content import ImageContent, encode_content, lost_metadata, read_content
from wildsr.apps.upscale.images.png import profile_of, read_chunks
from wildsr.apps.upscale.images.profiles import BT709, D50, DISPLAY_P3, make_profile, to_d50

SRGB = ImageCms.createProfile("sRGB")
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
USUAL = (b"gAMA", struct.pack(">I", 45_455))
P3 = (b"cHRM", struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000))
CICP_P3, CICP_PQ, CICP_SRGB = ((b"cICP", bytes([*codes, 0, 1])) for codes in ((12, 13), (9, 16), (1, 13)))
INTENT = (b"sRGB", b"\0")


def with_chunks(*chunks, mode="RGB", behind=()):
    """A PNG of 4 x 3 mid-grey pixels with chunks before its pixels, and behind them."""
    plain = io.BytesIO()
    Image.new(mode, (4, 3), (128,) * len(Image.new(mode, (1, 1)).getbands())).save(plain, "PNG")
    content, file = plain.getvalue(), io.BytesIO()
    file.write(content[:33])
    for name, data in chunks:
        PngImagePlugin.putchunk(file, name, data)
    file.write(content[33:-12])
    for name, data in behind:
        PngImagePlugin.putchunk(file, name, data)
    file.write(content[-12:])
    return read_content(io.BytesIO(file.getvalue()), "memory")


def rewritten(picture, kind, bits=8):
    larger = ImageContent(torch.zeros(len(picture.colour), 9, 9), picture.alpha, bits, picture.metadata)
    return read_content(io.BytesIO(encode_content(larger, kind)), "memory").metadata


TEXTS = (
    (b"tEXt", b"parameters\0a cat, Steps: 20"),
    (b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 1_500_000)),
    (b"iTXt", "Title\0\0\0de\0Titel\0été".encode()),
    (b"tEXt", b"Author\0one"),
    (b"tEXt", b"Author\0two"),
)


@pytest.mark.parametrize("bits", [8, 16])
def test_texts_and_colours_of_a_png_go_into_a_png_byte_for_byte(bits):
    picture = with_chunks(USUAL, P3, CICP_P3, *TEXTS[:2], behind=TEXTS[2:])
    assert set(rewritten(picture, "PNG", bits).chunks) == {USUAL, P3, CICP_P3, *TEXTS}
    assert [c for c in rewritten(picture, "PNG", bits).chunks if c[1].startswith(b"Author")] == list(TEXTS[3:])
    assert lost_metadata(picture, "PNG") == []


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "TIFF", "BMP"])
def test_texts_that_other_formats_have_no_place_for_are_named_once(kind):
    assert lost_metadata(with_chunks(*TEXTS), kind) == ["text (parameters, workflow, Title, Author)"]


def test_exif_and_xmp_in_texts_are_written_anew_as_they_say_how_the_image_lies():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    content = exif.tobytes()
    raw = f"\nexif\n{len(content):8}\n{content.hex()}\n".encode()
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    picture = with_chunks(
        (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    )
    assert picture.colour.shape == (3, 4, 3)  # turned
    again = rewritten(picture, "PNG")
    assert [chunk for chunk in again.chunks if not chunk[1].startswith(b"XML:")] == []
    assert again.exif[0x010F] == "Maker" and 0x0112 not in again.exif
    assert b"Orientation" not in again.xmp


@pytest.mark.parametrize("chunks", [(), (INTENT,), (USUAL,), (CICP_SRGB,), (INTENT, LINEAR), (USUAL, (b"cHRM", b"?"))])
def test_colours_that_are_srgb_need_no_profile(chunks):
    assert profile_of(chunks, 3) == b""


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "TIFF"])
def test_the_gamma_of_a_png_becomes_a_profile_elsewhere(kind):
    picture = with_chunks(LINEAR)
    profile = rewritten(picture, kind).icc
    assert lost_metadata(picture, kind) == []
    # Linear light of 128 / 255 is 0.502, which sRGB writes as 1.055 * 0.502 ** (1 / 2.4) - 0.055 = 0.7366, level 188.
    assert shown(profile, (128, 128, 128)) == pytest.approx([188] * 3, abs=1)
    assert shown(profile, (0, 255, 255)) == pytest.approx([0, 255, 255], abs=1)


def test_the_gamma_of_a_grey_png_becomes_a_grey_profile():
    picture = with_chunks(LINEAR, mode="L")
    profile = rewritten(picture, "JPEG").icc
    assert profile[16:20] == b"GRAY"
    image = Image.new("L", (1, 1), 128)
    own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert ImageCms.profileToProfile(image, own, SRGB, outputMode="RGB").getpixel((0, 0))[0] == pytest.approx(
        188, abs=1
    )
    assert rewritten(picture, "WEBP").icc[16:20] == b"RGB "  # which has no grey


@pytest.mark.parametrize("chunks", [(P3, USUAL), (P3,), (CICP_P3,), (CICP_P3, LINEAR, INTENT)])
def test_primaries_of_a_png_become_a_profile_elsewhere(chunks):
    profile = profile_of(chunks, 3)
    assert profile == make_profile(DISPLAY_P3, None, 3)
    # Grey is grey in any primaries of one white; P3's red is outside sRGB, and its dark green becomes less green.
    assert shown(profile, (128, 128, 128)) == pytest.approx([128] * 3, abs=1)
    assert shown(profile, (200, 0, 0)) == pytest.approx([219, 0, 0], abs=2)


def test_to_d50_gives_the_matrix_of_srgb_that_the_icc_publishes():
    published = [[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
    assert np.allclose(to_d50(BT709), published, atol=3e-4)
    assert np.allclose(to_d50(DISPLAY_P3).sum(axis=1), D50, atol=1e-6)


def test_colours_that_no_profile_says_are_named_as_lost():
    assert profile_of([CICP_PQ], 3) is None
    for kind in ("JPEG", "BMP"):
        assert lost_metadata(with_chunks(CICP_PQ), kind) == ["colours (cICP)"]
    assert lost_metadata(with_chunks(LINEAR), "BMP") == ["colours (gAMA)"]
    assert lost_metadata(with_chunks(USUAL), "BMP") == []
    line = (b"cHRM", struct.pack(">8I", 31_270, 32_900, *(value for n in (1, 2, 3) for value in (n * 10_000,) * 2)))
    assert profile_of([line], 3) is None  # primaries on a line span no colours


def test_chunks_are_read_up_to_damage_and_leave_the_place_in_the_file_as_it_was():
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, io.SEEK_END)
    PngImagePlugin.putchunk(file, *TEXTS[0])
    PngImagePlugin.putchunk(file, b"IDAT", bytes(10))
    PngImagePlugin.putchunk(file, *TEXTS[3])
    file.write(struct.pack(">I", 2**31 - 1) + b"tEXtLate\0x")
    file.seek(5)
    assert read_chunks(file) == (TEXTS[0], TEXTS[3])
    assert file.tell() == 5


def shown(profile, colour, mode="RGB"):
    """What a viewer that knows profiles shows of a colour, in sRGB."""
    own, image = ImageCms.ImageCmsProfile(io.BytesIO(profile)), Image.new(mode, (1, 1), colour)
    return list(ImageCms.profileToProfile(image, own, SRGB, outputMode="RGB").getpixel((0, 0)))
