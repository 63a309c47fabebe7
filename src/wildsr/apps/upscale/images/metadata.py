"""Metadata of an image's file, and what of it is still true of a larger version."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin
from PIL.PngImagePlugin import PngInfo

from wildsr.apps.upscale.images.png import COLOURS, TEXTS, Chunk, key_of, profile_of

Base = ExifTags.Base
# About the photograph. Not kept: how the old file was laid out, its orientation (applied) and its thumbnail.
KEPT = (
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.HostComputer,
    Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords,
    Base.XPSubject,
)  # fmt: skip
GROUPS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
XMP_TAG, IPTC_TAG, X_RESOLUTION = 700, 33723, 282  # of a TIFF
JPEG_EXIF, JPEG_XMP = 65533, 65504  # bytes that a JPEG can hold of either: one marker
JPEG_COMMENT = 65533
COMMENT = "Comment"  # what PNG calls a text that JPEG and GIF have without a name; JPEG 2000 has a stamp there
COMMENT_KEYS = {"JPEG": "comment", "MPO": "comment", "GIF": "comment", "PNG": COMMENT}  # in Pillow's `info`
WITH_PROFILE = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
COLOUR_SPACES = {b"GRAY": 1, b"RGB ": 3}  # bytes 16 to 20 of an ICC profile -> channels


@dataclass(frozen=True)
class Metadata:
    """Guarantees that every part can be written to every format that has a place for it.

    Args:
        icc: profile.
        exif: what is KEPT of it, and GROUPS.
        xmp: XMP.
        dpi: dots per inch, across and down; None where the file does not say.
        chunks: texts and declared colours of a PNG, as they are in it.
        comment: of a JPEG or a GIF; of a PNG its text of that name.
        iptc: records of IPTC-IIM.
    """

    icc: bytes = b""
    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    chunks: tuple[Chunk, ...] = ()
    comment: bytes = b""
    iptc: bytes = b""

    def colours_alone(self) -> Metadata:
        """Return what the levels mean, and nothing about the image or its author."""
        return Metadata(self.icc, chunks=tuple(chunk for chunk in self.chunks if chunk[0] in COLOURS))


def read_metadata(
    image: ImageFile.ImageFile, info: Mapping[str | tuple[int, int], Any], channels: int, chunks: tuple[Chunk, ...]
) -> Metadata:
    """Read the metadata of an image.

    Args:
        image: as decoded: turned by Pillow, one of a TIFF would have lost its EXIF.
        info: of the image turned upright, which corrects XMP.
        channels: of its colour as kept, 1 or 3; a profile for another number of them is left out.
        chunks: of its file, where that is a PNG: `read_chunks`.
    """
    xmp = info.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    comment = info.get(COMMENT_KEYS.get(image.format or "", ""))
    comment = comment.encode() if isinstance(comment, str) else comment
    return Metadata(
        profile_in(info, channels),
        _kept(image),
        xmp if isinstance(xmp, bytes) else b"",
        _resolution(info.get("dpi")) if _has_resolution(image) else None,
        chunks,
        comment if isinstance(comment, bytes) else b"",
        _iptc(image),
    )


def save_options(
    metadata: Metadata, kind: str, size: tuple[int, int], channels: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the metadata as arguments of Pillow's `save`, and in words what the format has no place for.

    Args:
        kind: Pillow's name of the format. BMP has a place for the resolution alone; JPEG for 64 kB of EXIF, of XMP, of
            the comment and of IPTC.
        size: (W, H) of the image to be written, which EXIF repeats.
        channels: of the file's colour, 1 or 3; a profile for another number of them is left out.
    """
    options: dict[str, Any] = {"dpi": metadata.dpi} if metadata.dpi else {"dpi": (0, 0)} if kind == "BMP" else {}
    lost = _add_colours(options, metadata, kind, channels)
    lost += _add_exif_and_xmp(options, metadata, kind, size)
    lost += _add_words(options, metadata, kind)
    return options, lost


def _add_colours(options: dict[str, Any], metadata: Metadata, kind: str, channels: int) -> list[str]:
    """Add the profile, and what else a PNG says of its colours: to a PNG as it is, to others as a profile."""
    declared = [chunk for chunk in metadata.chunks if chunk[0] in COLOURS]
    profile: bytes | None = metadata.icc
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        for name, content in declared:
            options["pnginfo"].add(name, content)
    elif not profile:
        profile = profile_of(declared, channels)
    if profile is None or (profile and kind not in WITH_PROFILE):
        return ["colour profile" if metadata.icc else f"colours ({', '.join(name.decode() for name, _ in declared)})"]
    if profile and not _describes(profile, channels):
        return ["colour profile"]
    if profile:
        options["icc_profile"] = profile
    return []


def _add_exif_and_xmp(options: dict[str, Any], metadata: Metadata, kind: str, size: tuple[int, int]) -> list[str]:
    exif = _copied(metadata.exif, tuple(metadata.exif))
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    if Base.ExifImageWidth in inner:
        inner[Base.ExifImageWidth], inner[Base.ExifImageHeight] = size
    content, xmp, lost = exif.tobytes() if len(exif) else b"", metadata.xmp, list[str]()
    if content and (kind == "BMP" or (kind == "JPEG" and len(content) > JPEG_EXIF)):
        content, lost = b"", ["EXIF"]
    if xmp and (kind == "BMP" or (kind == "JPEG" and len(xmp) > JPEG_XMP)):
        xmp, lost = b"", [*lost, "XMP"]
    if kind == "TIFF":
        options["exif"] = exif
        if xmp:
            exif[XMP_TAG] = xmp
    elif content:
        options["exif"] = content
    if kind == "PNG" and xmp:
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode(errors="replace"))
    elif kind != "TIFF" and xmp:
        options["xmp"] = xmp
    return lost


def _add_words(options: dict[str, Any], metadata: Metadata, kind: str) -> list[str]:
    """Add texts, the comment and IPTC: the first are PNG's, the second is a text there, too, the third JPEG's."""
    texts = [(name, content) for name, content in metadata.chunks if name in TEXTS]
    keys = [key_of(content) for _, content in texts]
    comment, iptc, lost = metadata.comment, metadata.iptc, list[str]()
    if kind == "PNG":
        for name, content in texts:
            options["pnginfo"].add(name, content)
        if comment and COMMENT not in keys:
            options["pnginfo"].add_text(COMMENT, _decoded(comment))
        if iptc:
            options["pnginfo"].add_text("Raw profile type iptc", _as_raw_profile(_resource(iptc)), zip=True)
        return []
    if kind == "JPEG" and len(comment) <= JPEG_COMMENT:
        options |= {"comment": comment} if comment else {}
        keys = [key for key in keys if key != COMMENT]
    elif comment and COMMENT not in keys:
        lost.append("comment")
    if iptc and kind == "JPEG" and len(segment := b"Photoshop 3.0\0" + _resource(iptc)) <= JPEG_COMMENT:
        options["extra"] = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    elif iptc and kind == "TIFF":
        options["exif"][IPTC_TAG] = iptc
    elif iptc:
        lost.append("IPTC")
    return [*lost, f"text ({', '.join(dict.fromkeys(keys))})"] if keys else lost


def _decoded(comment: bytes) -> str:
    """Return a comment as text: formats that have it do not say how it is encoded."""
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _iptc(image: ImageFile.ImageFile) -> bytes:
    """Return the IPTC records of a JPEG or a TIFF; nothing where they are damaged."""
    records = b""
    with suppress(Exception):  # damaged ones make Pillow raise as many types as damaged pixels do
        for (record, number), values in (IptcImagePlugin.getiptcinfo(image) or {}).items():
            for value in values if isinstance(values, list) else [values]:
                records += struct.pack(">BBBH", 0x1C, record, number, len(value)) + value
        return records
    return b""


def _resource(iptc: bytes) -> bytes:
    """Return IPTC as a resource of Photoshop's, which is how JPEG and PNG hold it."""
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)


def _as_raw_profile(content: bytes) -> str:
    """Return bytes as a text of a PNG, in the manner of ImageMagick, which ExifTool and exiv2 read, too."""
    lines = [content[start : start + 36].hex() for start in range(0, len(content), 36)]
    return "\n".join(["", "iptc", f"{len(content):8}", *lines, ""])


def profile_in(info: Mapping[Any, Any], channels: int) -> bytes:
    """Return the colour profile in an image's `info`; nothing where there is none, or one for other channels."""
    icc = info.get("icc_profile")
    return icc if isinstance(icc, bytes) and _describes(icc, channels) else b""


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
    """Return what stays true of the image's EXIF, and can be written; nothing where it is damaged."""
    try:
        exif = picture.getexif()
        copy = _copied(exif, [tag for tag in (*KEPT, *GROUPS) if tag in exif])
        copy.tobytes()
    except Exception:  # damaged EXIF makes Pillow raise as many types as damaged pixels do
        return Image.Exif()
    return copy


def _has_resolution(image: ImageFile.ImageFile) -> bool:
    """Return False where Pillow makes one up: 1 dpi for a TIFF without it, 72 for a JPEG with EXIF that has none."""
    if hasattr(image, "tag_v2"):
        return X_RESOLUTION in image.tag_v2
    return (
        image.format not in ("JPEG", "MPO") or image.info.get("jfif_unit") in (1, 2) or X_RESOLUTION in image.getexif()
    )


def _resolution(dpi: object) -> tuple[float, float] | None:
    """Return dots per inch, if they are two numbers that every format can hold."""
    try:
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 1 <= x <= 65535 and 1 <= y <= 65535 else None
