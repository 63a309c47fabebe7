import io
import struct
import threading
import zlib

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from wildsr.apps.upscale.images.content import read_content
from wildsr.images import TooManyPixelsError, image_size, limits, read_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_text(size, chunk="zTXt"):
    """A PNG with a compressed text, or a profile, of so many bytes once unpacked."""
    info, options, file = PngImagePlugin.PngInfo(), {}, io.BytesIO()
    if chunk == "zTXt":
        info.add_text("workflow", "x" * size, zip=True)
    elif chunk == "iTXt":
        info.add_itxt("workflow", "x" * size, zip=True)
    else:
        options["icc_profile"] = struct.pack(">I", len(SRGB) + size) + SRGB[4:] + bytes(size)
    Image.new("RGB", (4, 3), "red").save(file, "PNG", pnginfo=info, **options)
    return file


def text_behind_the_pixels(size):
    content = with_text(0).getvalue()[:-12]
    file = io.BytesIO(content)
    file.seek(0, io.SEEK_END)
    PngImagePlugin.putchunk(file, b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * size))
    PngImagePlugin.putchunk(file, b"IEND", b"")
    return file


@pytest.mark.parametrize("make", [
    lambda size: with_text(size), lambda size: with_text(size, "iTXt"), lambda size: with_text(size, "iCCP"),
    text_behind_the_pixels,
], ids=["zTXt", "iTXt", "iCCP", "zTXt behind the pixels"])  # fmt: skip
def test_a_png_with_a_megabyte_and_a_half_of_text_or_profile_is_read_and_a_bomb_is_not(make, tmp_path):
    before = PngImagePlugin.MAX_TEXT_CHUNK
    (tmp_path / "large.png").write_bytes(make(1_500_000).getvalue())
    assert read_content(tmp_path / "large.png", "large").colour[:, 0, 0].tolist() == [1, 0, 0]
    assert read_image(tmp_path / "large.png").shape == (3, 3, 4)
    assert image_size(tmp_path / "large.png") == (3, 4)
    (tmp_path / "bomb.png").write_bytes(make(limits.TEXT_BYTES + 1).getvalue())
    with pytest.raises(ValueError, match=r"bomb: not a readable image .*too large"):
        read_content(tmp_path / "bomb.png", "bomb")
    assert before == PngImagePlugin.MAX_TEXT_CHUNK


def test_many_texts_that_are_too_much_together_are_a_bomb(tmp_path):
    info = PngImagePlugin.PngInfo()
    for number in range(70):
        info.add_text(str(number), "x" * 1_000_000, zip=True)
    Image.new("L", (4, 3)).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(ValueError, match=r"a\.png: not a readable image .Too much memory used in text"):
        read_image(tmp_path / "a.png")


def test_pillows_limit_of_text_is_as_before_once_the_last_of_several_threads_has_read():
    before, inside, go_on = PngImagePlugin.MAX_TEXT_CHUNK, threading.Barrier(3), threading.Event()

    def read():
        with limits.own_limits():
            inside.wait()
            go_on.wait()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    with pytest.raises(ZeroDivisionError), limits.own_limits():
        raise ZeroDivisionError
    assert PngImagePlugin.MAX_TEXT_CHUNK == limits.TEXT_BYTES  # two still read
    go_on.set()
    for thread in threads:
        thread.join()
    assert before == PngImagePlugin.MAX_TEXT_CHUNK


def test_the_limit_of_pixels_follows_the_free_memory_and_leaves_small_images_alone(monkeypatch):
    monkeypatch.setattr(limits, "free_ram", lambda: 200_000_000 * limits.BYTES_PER_PIXEL)
    limits.require_fitting(20_000, 10_000)
    with pytest.raises(TooManyPixelsError, match="20001 x 10000 pixels, 200,010,000 in all, more than the 200,000,000"):
        limits.require_fitting(20_001, 10_000)
    limits.require_fitting(20_001, 10_000, max_pixels=200_010_000)
    monkeypatch.setattr(limits, "free_ram", lambda: 0)
    limits.require_fitting(4096, 4096)
    with pytest.raises(TooManyPixelsError, match="the 16,777,216 that the free memory has room for"):
        limits.require_fitting(4097, 4096)


def header(width, height):
    """A PNG that says it has so many pixels, and has none."""
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, io.SEEK_END)
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"IDAT", b"")
    return file.getvalue()


def test_200_megapixels_pass_where_memory_has_room_for_them(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(header(20_000, 10_000))
    monkeypatch.setattr(limits, "free_ram", lambda: 16 * 2**30)
    assert image_size(tmp_path / "a.png") == (10_000, 20_000)
    monkeypatch.setattr(limits, "free_ram", lambda: 8 * 2**30)
    for read in (image_size, read_image):
        with pytest.raises(
            TooManyPixelsError, match=r"a\.png: 20000 x 10000 pixels, 200,000,000 in all, more than the 13"
        ):
            read(tmp_path / "a.png")


def test_a_limit_that_is_asked_for_holds_whatever_the_memory():
    file = io.BytesIO()
    Image.new("L", (30, 30)).save(file, "PNG")
    with pytest.raises(TooManyPixelsError, match="memory: 30 x 30 pixels, 900 in all, more than the 899 allowed"):
        read_content(file, "memory", 899)
    assert read_content(file, "memory", 900).colour.shape == (1, 30, 30)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_pillows_own_limit_of_pixels_does_not_hold_and_is_left_alone(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    file = io.BytesIO()
    Image.new("L", (30, 30)).save(file, kind)
    assert read_content(file, "memory").colour.shape[1:] == (30, 30)
    assert Image.MAX_IMAGE_PIXELS == 100
