"""Metadata of a picture's file, and what of it is still true of a larger version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

Base = ExifTags.Base
# About the photograph. Not kept: how the old file was laid out, its orientation (applied) and its thumbnail.
KEPT = (
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.HostComputer,
    Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords,
    Base.XPSubject,
)  # fmt: skip
GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
XMP_TAG = 700
JPEG_EXIF, JPEG_XMP = 65533, 65504  # bytes that a JPEG can hold of either: one marker
COLOUR_SPACES = {b"GRAY": 1, b"RGB ": 3}  # bytes 16 to 20 of an ICC profile -> channels


@dataclass(frozen=True)
class Metadata:
    """Guarantees that every part can be written to every format that has a place for it."""

    icc: bytes = b""
    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


def read_metadata(picture: Image.Image, info: Mapping[str | tuple[int, int], Any], channels: int) -> Metadata:
    """Read the metadata of a picture.

    Args:
        picture: as decoded: turned by Pillow, one of a TIFF would have lost its EXIF.
        info: of the picture turned upright, which corrects XMP.
        channels: of its colour as kept, 1 or 3; a profile for another number of them is left out.
    """
    icc, xmp = info.get("icc_profile"), info.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return Metadata(
        icc if isinstance(icc, bytes) and _describes(icc, channels) else b"",
        _kept(picture),
        xmp if isinstance(xmp, bytes) else b"",
        _resolution(info.get("dpi")),
    )


def save_options(metadata: Metadata, kind: str, size: tuple[int, int], channels: int) -> dict[str, Any]:
    """Return the metadata as arguments of Pillow's `save`.

    Args:
        kind: Pillow's name of the format. BMP has a place for the resolution alone; JPEG for 64 kB of EXIF and
            of XMP, more is left out.
        size: (W, H) of the picture to be written, which EXIF repeats.
        channels: of the file's colour, 1 or 3; a profile for another number of them is left out.
    """
    exif = _copied(metadata.exif, tuple(metadata.exif))
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    if Base.ExifImageWidth in inner:
        inner[Base.ExifImageWidth], inner[Base.ExifImageHeight] = size
    options: dict[str, Any] = {"dpi": metadata.dpi} if metadata.dpi else {}
    if kind == "BMP":
        return options
    if _describes(metadata.icc, channels):
        options["icc_profile"] = metadata.icc
    if kind == "TIFF":
        if metadata.xmp:
            exif[XMP_TAG] = metadata.xmp
        return {**options, "exif": exif}
    content = exif.tobytes() if len(exif) else b""
    if content and not (kind == "JPEG" and len(content) > JPEG_EXIF):
        options["exif"] = content
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        if metadata.xmp:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode(errors="replace"))
    elif metadata.xmp and not (kind == "JPEG" and len(metadata.xmp) > JPEG_XMP):
        options["xmp"] = metadata.xmp
    return options


def _describes(icc: bytes, channels: int) -> bool:
    """Return whether a profile is one of so many channels; an empty one is of none."""
    return COLOUR_SPACES.get(icc[16:20]) == channels


class _AsRead(str):
    """Text of a tag, in latin-1 as Pillow reads it: any bytes. It would write "?" for those that are not ASCII."""

    def encode(self, *_: Any) -> bytes:
        return str.encode(self, "latin-1", "replace")


def _copied(exif: Image.Exif, tags: Iterable[int]) -> Image.Exif:
    """Copy EXIF with these of its tags, the groups Exif and GPS among them with all that is in them."""
    copy = Image.Exif()
    for tag in tags:
        if tag in GROUPS:
            for key, value in exif.get_ifd(tag).items():
                copy.get_ifd(tag)[key] = _AsRead(value) if isinstance(value, str) else value
            copy[tag] = copy.get_ifd(tag)
        else:
            copy[tag] = _AsRead(exif[tag]) if isinstance(exif[tag], str) else exif[tag]
    return copy


def _kept(picture: Image.Image) -> Image.Exif:
    """Return what stays true of the picture's EXIF, and can be written; nothing where it is damaged."""
    try:
        exif = picture.getexif()
        copy = _copied(exif, [tag for tag in (*KEPT, *GROUPS) if tag in exif])
        copy.tobytes()
    except Exception:  # damaged EXIF makes Pillow raise as many types as damaged pixels do
        return Image.Exif()
    return copy


def _resolution(dpi: object) -> tuple[float, float] | None:
    """Return dots per inch, if they are two numbers that every format can hold."""
    try:
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 1 <= x <= 65535 and 1 <= y <= 65535 else None
