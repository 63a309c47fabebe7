"""Damaged images of every format, by the hundred: each is read or named, and never costs another one."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from wildsr.apps.upscale.images.content import ImageContent, encode_content, read_content
from wildsr.cli import main
from wildsr.data import Photographs
from wildsr.images import read_image
from wildsr.networks import CompactNet, save_generator

EXAMPLES, FILES = 250, 4  # calls, and damaged files in each


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def sound_files():
    """A small file of every format and mode, with metadata."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)).resize((32, 24))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 32
    more = {
        "exif": exif,
        "dpi": (72, 72),
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    deep = torch.rand(4, 12, 16, generator=torch.Generator().manual_seed(0))
    return [
        *(saved(rgb.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        saved(rgb, "PNG", transparency=(1, 2, 3), **more),
        saved(rgb, "PNG", save_all=True, append_images=[rgb]),
        *(saved(rgb.convert(mode), "JPEG", **more) for mode in ("L", "RGB", "CMYK")),
        saved(rgb, "JPEG", progressive=True, xmp=b"<x/>"),
        saved(rgb, "WEBP", lossless=True, **more),
        saved(rgb.convert("RGBA"), "WEBP", save_all=True, append_images=[rgb]),
        *(saved(rgb.convert(mode), "TIFF", **more) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "F", "I")),
        *(saved(rgb, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        saved(rgb.convert("1"), "TIFF", compression="group4"),
        saved(rgb, "TIFF", save_all=True, append_images=[rgb]),
        *(saved(rgb.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")),
        saved(rgb, "AVIF", **more),
        saved(rgb.convert("RGBA"), "AVIF"),
        *(
            encode_content(ImageContent(deep[:channels], alpha, 16), kind)
            for kind in ("PNG", "TIFF")
            for channels in (1, 3)
            for alpha in (None, deep[3:])
        ),
        saved(rgb, "GIF"),
        saved(rgb.convert("P"), "GIF", transparency=3, save_all=True, append_images=[rgb]),
        *(saved(rgb, kind) for kind in ("JPEG2000", "PPM", "DDS", "ICO", "PCX", "QOI", "SGI", "TGA")),
        saved(Image.fromarray(np.full((12, 16), 40_000, np.uint16)), "PPM"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    ]  # fmt: skip


SOUND = sound_files()
SUFFIX = {b"\x89P": "png", b"\xff\xd8": "jpg", b"RI": "webp", b"II": "tif", b"BM": "bmp", b"\0\0": "avif"}
NUMBERS = [struct.pack(kind, value) for kind in ("<I", ">I") for value in (0, 1, 255, 70_000, 2**31 - 1, 2**32 - 1)]


@st.composite
def damaged(draw):
    """A name and a content: a sound file after one to three accidents."""
    content = bytearray(draw(st.sampled_from(SOUND)))
    suffix = SUFFIX.get(bytes(content[:2]), "png")
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)) | st.integers(0, min(64, len(content))))
        length = draw(st.integers(0, 3) | st.integers(0, 40))
        match draw(st.sampled_from(["bytes", "number", "cut", "drop", "twice", "splice", "zeros"])):
            case "bytes":
                content[start : start + length] = draw(st.binary(min_size=length, max_size=length))
            case "number":
                content[start : start + 4] = draw(st.sampled_from(NUMBERS))
            case "cut":
                del content[start:]
            case "drop":
                del content[start : start + length]
            case "twice":
                content[start:start] = content[start : start + length]
            case "splice":
                content[start:] = draw(st.sampled_from(SOUND))[start:]
            case "zeros":
                content[start : start + length] = bytes(length)
    if content.startswith(b"\x89PNG") and draw(st.booleans()):
        repair(content)
    if draw(st.integers(0, 9)) == 0:
        suffix = draw(st.sampled_from(sorted(SUFFIX.values())))
    return suffix, bytes(content)


def repair(png):
    """Make the checksums of a PNG's chunks right again, so that its damage is looked at."""
    place = 8
    while place + 12 <= len(png):
        end = place + 8 + int.from_bytes(png[place : place + 4])
        if end + 4 > len(png):
            break
        png[end : end + 4] = zlib.crc32(png[place + 4 : end]).to_bytes(4)
        place = end + 4


@pytest.mark.slow
def test_damaged_files_are_read_or_named_and_never_cost_another_one(tmp_path_factory, capfd, monkeypatch):
    monkeypatch.setattr("wildsr.images.limits.ALWAYS", 200_000)
    monkeypatch.setattr("wildsr.images.limits.free_ram", lambda: 0)
    base = tmp_path_factory.mktemp("hostile")
    torch.manual_seed(0)
    save_generator(CompactNet(scale=2, features=4, convs=1).eval(), base / "small.safetensors")
    count = {"files": 0, "read": 0, "refused": 0}

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(damaged(), min_size=FILES, max_size=FILES))
    def throw(files):
        folder = base / str(count["files"])
        folder.mkdir()
        (folder / "sound.png").write_bytes(SOUND[4])
        for number, (suffix, content) in enumerate(files):
            (folder / f"{number}.{suffix}").write_bytes(content)
        out = Path(f"{folder}-out")
        capfd.readouterr()
        code = main(["upscale", str(folder), "-o", str(out), "--weights", str(base / "small.safetensors")])
        said = capfd.readouterr().err
        made = {path.stem for path in out.iterdir()}
        assert "sound" in made
        refused = {str(number) for number in range(FILES)} - made
        assert code == (1 if refused else 0)
        assert "Traceback" not in said and "Warning" not in said
        for path in folder.iterdir():
            assert said.count(f"error: {path}: ") == (1 if path.stem in refused else 0)
        for path in out.iterdir():
            assert path.suffix == ".png"
            read_content(path, "a result")
        for path in folder.iterdir():
            readable(path)
        count["files"] += FILES
        count["read"] += FILES - len(refused)
        count["refused"] += len(refused)

    throw()
    print(count)
    assert count["files"] >= EXAMPLES * FILES
    assert min(count["read"], count["refused"]) > 0.1 * count["files"]


def readable(path):
    """What training makes of a file: an image, or one line that names it."""
    photographs = Photographs(path.parent, [path.name])
    assert photographs.smallest()[0] >= 0
    for read in (read_image, lambda path: photographs[0]):
        try:
            image = read(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert image.dtype == torch.uint8 and image.shape[0] == 3
