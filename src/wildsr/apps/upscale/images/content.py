"""Whole images, with all that a file has to be given back: greyness, alpha, depth, profile, metadata.

Shapes: C channels of the colour, 1 (grey) or 3 (RGB), H W image.
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageCms, ImageFile, ImageOps
from torch import Tensor

from wildsr.apps.upscale.images import deep
from wildsr.apps.upscale.images.metadata import Metadata, read_metadata, save_options
from wildsr.apps.upscale.images.png import read_chunks
from wildsr.images.files import layout_of, opened
from wildsr.images.formats import LOSSY, WITH_QUALITY
from wildsr.images.tensors import QUALITY, to_pil
from wildsr.io import UserError, first_line

DEEP = {"PNG": deep.encode_png, "TIFF": deep.encode_tiff}
WITHOUT_ALPHA = ("JPEG", "BMP")
NARROW = {"L;2": 3, "L;4": 15}  # grey of 2 and of 4 bits in Pillow's words -> its highest level
# libjpeg's, libwebp's and libavif's own limits
LARGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65536}


@dataclass(frozen=True)
class ImageContent:
    """Content of an image file, upright.

    Args:
        colour: (C, H, W) float32 in [0, 1]; grey stays grey.
        alpha: (1, H, W) float32 in [0, 1], 0 where nothing is seen; None where the file has none.
        bits: of a channel in the file, 8 or 16; float32 holds both exactly.
        metadata: what else is kept.
        frames: in the file, of which this is the first.
    """

    colour: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    metadata: Metadata = field(default_factory=Metadata)
    frames: int = 1


def read_content(source: Path | IO[bytes], name: str, max_pixels: int | None = None) -> ImageContent:
    """Read the first frame of a file; palettes become RGB, CMYK becomes sRGB, by its profile where it has one.

    Args:
        source: a file, or an open one that can be rewound.
        name: what messages call it.
        max_pixels: that it may have; None: as many as the free memory has room for.

    Raises:
        UserError: the file is missing, damaged, no image, or has pixels without a range (32 bits). One line.
        TooManyPixelsError: it has more than `max_pixels`. Also a UserError.
    """
    with opened(source, name, max_pixels) as picture:
        chunks = read_chunks(picture.fp) if picture.format == "PNG" and picture.fp else ()
        levels = deep.read_levels(picture) if deep.is_deep(picture) else None
        bits = 8 if levels is None else 16
        _widen_key(picture)
        upright = ImageOps.exif_transpose(picture)
        if levels is None:
            plain = to_plain(upright)
            levels = np.array(plain).reshape(plain.height, plain.width, -1)
        channels = 1 if levels.shape[2] < 3 else 3
        planes = torch.from_numpy(levels.astype(np.float32) / (2**bits - 1)).permute(2, 0, 1)
        alpha = planes[channels:].contiguous() if levels.shape[2] > channels else None
        metadata = read_metadata(picture, upright.info, channels, chunks)
        return ImageContent(planes[:channels].contiguous(), alpha, bits, metadata, _frames(picture))


def check_fits(kind: str, width: int, height: int, alpha: bool) -> None:
    """See that a format (Pillow's name, from `kind_of`) can hold an image.

    Raises:
        UserError: it cannot, because of its size or of its alpha.
    """
    largest = LARGEST_SIDE.get(kind, 2**31 - 1)
    if max(width, height) > largest:
        raise UserError(f"{width} x {height} pixels, more than the {largest} a side that {kind} holds; wanted png")
    if alpha and kind in WITHOUT_ALPHA:
        raise UserError(
            f"it has alpha, which {kind} cannot hold; choose from png, webp, tif, avif, or give a background"
        )


def encode_content(content: ImageContent, kind: str, quality: int | None = None, lossless: bool = False) -> bytes:
    """Encode the content of a file of a format (Pillow's name, from `kind_of`); 16 bits stay 16 in PNG and TIFF.

    TIFF is not compressed. Grey becomes RGB, and loses its profile, in WebP; with alpha also in AVIF, and in a TIFF of
    16 bits.

    Args:
        quality: of JPEG, WebP and AVIF, 1 to 100; None is 95.
        lossless: WebP keeps every level of 8 bits, as PNG, TIFF and BMP do anyway.

    Raises:
        UserError: the format cannot hold the image, or not without loss.
    """
    if lossless and kind in LOSSY:
        raise UserError(f"{kind} has no lossless form here; choose from png, webp, tif, bmp")
    height, width = content.colour.shape[-2:]
    alpha = content.alpha is not None
    check_fits(kind, width, height, alpha)
    planes = content.colour if content.alpha is None else torch.cat([content.colour, content.alpha])
    options, _ = save_options(content.metadata, kind, (width, height), _channels_in(content, kind))
    if content.bits == 16 and kind in DEEP:
        levels = (planes * deep.PEAK).round().clamp(0, deep.PEAK).permute(1, 2, 0).numpy().astype(np.uint16)
        return DEEP[kind](levels, options)
    if kind == "WEBP" and lossless:
        options |= {"lossless": True, "exact": True}  # colours under full transparency, too
    elif kind in WITH_QUALITY:
        options["quality"] = quality or QUALITY
    file = io.BytesIO()
    try:
        to_pil(planes).save(file, kind, **options)
    except (OSError, struct.error) as error:  # the encoder's: nothing is written to a disk yet
        raise UserError(f"{kind} cannot hold it ({first_line(error)})") from error
    return file.getvalue()


def lost_metadata(content: ImageContent, kind: str) -> list[str]:
    """Return in words what of an image's metadata `encode_content` leaves out, as the format has no place for it."""
    return save_options(content.metadata, kind, (1, 1), _channels_in(content, kind))[1]


def _channels_in(content: ImageContent, kind: str) -> int:
    """Return the channels of the colour in a file of a format, 1 or 3: some have no grey."""
    alpha = content.alpha is not None
    as_rgb = {"WEBP": True, "AVIF": alpha, "TIFF": alpha and content.bits == 16}.get(kind, False)
    return 3 if as_rgb else len(content.colour)


def _frames(picture: Image.Image) -> int:
    """Count the frames; damage behind the first one does not matter."""
    try:
        return int(getattr(picture, "n_frames", 1))
    except Exception:  # a damaged directory of a TIFF raises as many types as damaged pixels do
        return 1


def _widen_key(picture: ImageFile.ImageFile) -> None:
    """Widen the level declared transparent, in an image not yet decoded, as Pillow will decode it: to 8 bits."""
    peak = NARROW.get(layout_of(picture))
    if peak and "transparency" in picture.info:
        picture.info["transparency"] = (picture.info["transparency"] & peak) * 255 // peak


def to_plain(picture: Image.Image) -> Image.Image:
    """Return a decoded image of 8 bits a channel as L, LA, RGB or RGBA."""
    if picture.mode == "CMYK":
        return _from_cmyk(picture)
    alpha = picture.has_transparency_data
    if picture.mode in ("1", "L", "LA", "La"):
        return picture.convert("RGBA").convert("LA") if alpha else picture.convert("L")
    return picture.convert("RGBA" if alpha else "RGB")


def _from_cmyk(picture: Image.Image) -> Image.Image:
    """Convert to sRGB through the image's own profile; by the plain formula where there is none, or a damaged one."""
    profile = picture.info.get("icc_profile")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
    return picture.convert("RGB")
