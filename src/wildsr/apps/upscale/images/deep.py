"""16 bits a channel, which Pillow decodes but hands on as 8, and does not encode.

Levels are uint16 arrays (H, W, C): C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageFile, ImageOps, PngImagePlugin
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    EXTRASAMPLES,
    ICCPROFILE,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    RESOLUTION_UNIT,
    ROWSPERSTRIP,
    SAMPLESPERPIXEL,
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    X_RESOLUTION,
    Y_RESOLUTION,
    ImageFileDirectory_v2,
)
from PIL.TiffTags import LONG

from wildsr.apps.upscale.images.metadata import GROUPS
from wildsr.apps.upscale.images.png import MAGIC
from wildsr.images.files import layout_of
from wildsr.images.limits import open_limited
from wildsr.images.tensors import read_grey
from wildsr.io import UserError

Levels = np.ndarray[Any, np.dtype[np.uint16]]

PEAK = 65535
LOW_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type in the header
PNG_FILTER, PNG_LEVEL = 2, 4  # difference to the row above; files of photographs are 2 to 5 % larger than with Paeth


def is_deep(picture: ImageFile.ImageFile) -> bool:
    """Return whether an opened image, not yet decoded, has 16 bits a channel that `read_levels` reads.

    Grey, which has modes of its own, Pillow decodes whole; of JPEG 2000 and PGM the layout does not tell.
    """
    return picture.mode.startswith("I") or (";16" in layout_of(picture) and picture.mode != "CMYK")


def read_levels(picture: ImageFile.ImageFile) -> Levels:
    """Read the levels of a deep image, opened and not yet decoded; turned upright, not premultiplied by alpha."""
    layout, key = layout_of(picture), picture.info.get("transparency")
    if picture.mode.startswith("I"):
        return _with_key(read_grey(picture)[..., None], key)
    if layout.startswith("LA"):  # four bytes a pixel, which pass as RGBA
        picture.tile = [_as(tile, "RGBA") for tile in picture.tile]
        return np.array(ImageOps.exif_transpose(picture)).view(">u2").astype(np.uint16)
    # What Pillow unpacks is the higher byte; of bytes taken to be in the other order it is the lower one.
    assert picture.fp is not None  # not yet decoded
    with open_limited(picture.fp, [picture.format or ""], picture.width * picture.height) as again:
        premultiplied = layout.startswith("RGBa")
        plain = layout.replace("RGBa", "RGBA")
        picture.tile = [_as(tile, plain) for tile in picture.tile]
        again.tile = [_as(tile, plain[:-1] + LOW_BYTE[plain[-1]]) for tile in again.tile]
        high, low = (np.asarray(ImageOps.exif_transpose(half)).astype(np.uint16) for half in (picture, again))
    levels: Levels = (high << 8 | low).astype(np.uint16)
    if premultiplied:
        colour, alpha = levels[..., :3].astype(np.float64), levels[..., 3:]
        levels[..., :3] = np.minimum(np.rint(colour * PEAK / np.maximum(alpha, 1)), PEAK)
    return _with_key(levels, key)


def encode_png(levels: Levels, options: dict[str, Any]) -> bytes:
    """Encode a PNG of 16 bits a channel; the options are Pillow's for metadata."""
    height, width, channels = levels.shape
    rows = np.ascontiguousarray(levels, ">u2").view(np.uint8).reshape(height, -1)
    filtered = np.full((height, 1 + rows.shape[1]), PNG_FILTER, np.uint8)
    filtered[0, 1:], filtered[1:, 1:] = rows[0], rows[1:] - rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[channels], 0, 0, 0)
    # Everything but header and pixels is Pillow's: the chunks of an image of one pixel with the same metadata.
    one = Image.new("L" if channels < 3 else "RGB", (1, 1))
    file = io.BytesIO()
    file.write(MAGIC)
    for name, content, _ in PngImagePlugin.getchunks(one, **options):
        if name == b"IHDR":
            content = header
        if name == b"IDAT":
            content = zlib.compress(filtered.data, PNG_LEVEL)
        PngImagePlugin.putchunk(file, name, content)
    return file.getvalue()


def encode_tiff(levels: Levels, options: dict[str, Any]) -> bytes:
    """Encode an uncompressed TIFF of 16 bits a channel; grey with alpha becomes RGB with alpha, as more can read it.

    Raises:
        UserError: more than 4 GB, which its 32-bit offsets cannot address.
    """
    if levels.shape[2] == 2:
        levels = levels[..., [0, 0, 0, 1]]
    height, width, channels = levels.shape
    if levels.nbytes >= 2**32 - 2**20:
        raise UserError(f"{width} x {height} pixels of 16 bits are too many for a TIFF; wanted PNG")
    exif = options.get("exif", {})
    tags = {tag: exif.get_ifd(tag) if tag in GROUPS else exif[tag] for tag in exif}
    tags |= {
        IMAGEWIDTH: width,
        IMAGELENGTH: height,
        BITSPERSAMPLE: (16,) * channels,
        COMPRESSION: 1,
        PHOTOMETRIC_INTERPRETATION: 2 if channels > 1 else 1,
        STRIPOFFSETS: 0,  # counted from the end of the directory
        SAMPLESPERPIXEL: channels,
        ROWSPERSTRIP: height,
        STRIPBYTECOUNTS: levels.nbytes,
        PLANAR_CONFIGURATION: 1,
    }
    if channels == 4:
        tags[EXTRASAMPLES] = 2  # alpha that the colours are not multiplied by
    if "icc_profile" in options:
        tags[ICCPROFILE] = options["icc_profile"]
    if "dpi" in options:
        tags |= {RESOLUTION_UNIT: 2, X_RESOLUTION: options["dpi"][0], Y_RESOLUTION: options["dpi"][1]}
    directory = ImageFileDirectory_v2(prefix=b"II")
    directory.tagtype.update({STRIPOFFSETS: LONG, STRIPBYTECOUNTS: LONG})
    for tag, value in tags.items():
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    file.write(np.ascontiguousarray(levels, "<u2").data)
    return file.getvalue()


def _as(tile: ImageFile._Tile, layout: str) -> ImageFile._Tile:
    """Return the same bytes, to be unpacked as another layout."""
    return tile._replace(args=(layout, *tile.args[1:]) if isinstance(tile.args, tuple) else layout)


def _with_key(levels: Levels, key: object) -> Levels:
    """Append alpha where one level, or one colour, is declared transparent."""
    if key is None:
        return levels
    opaque = (levels != np.array(key, np.uint16)).any(axis=-1, keepdims=True)
    return np.concatenate([levels, np.where(opaque, PEAK, 0).astype(np.uint16)], axis=-1)
