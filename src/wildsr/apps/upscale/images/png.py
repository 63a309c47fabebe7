"""Chunks of a PNG that Pillow does not hand on as they are: its texts, and what its levels mean as colours."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

import numpy as np

from wildsr.apps.upscale.images.profiles import BT709, BT2020, DISPLAY_P3, Primaries, make_profile

Chunk = tuple[bytes, bytes]  # its name, and what is in it

MAGIC = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
COLOURS = (b"cICP", b"sRGB", b"gAMA", b"cHRM")  # each at most once; of two that disagree the first here holds
# Texts that hold EXIF and XMP, which are written anew: the image is turned, and they said how.
WRITTEN_ANEW = ("XML:com.adobe.xmp", "Raw profile type exif")
# Code points of ITU-T H.273 in cICP. Others, such as PQ and HLG, are no curve of a profile.
PRIMARIES = {1: BT709, 9: BT2020, 12: DISPLAY_P3}
SRGB_CURVE, LINEAR = 13, 8
SRGB_GAMMA, ALIKE = 0.45455, 1e-3  # of gAMA and cHRM, which have five digits


def read_chunks(file: IO[bytes]) -> tuple[Chunk, ...]:
    """Read the TEXTS and COLOURS of a PNG, all but WRITTEN_ANEW; its place in the file is left as it was.

    Texts stay as compressed as they are. What lies behind damage is left out.
    """
    place, found, seen = file.tell(), list[Chunk](), set[bytes]()
    file.seek(len(MAGIC))
    while len(head := file.read(8)) == 8 and (name := head[4:]) != b"IEND":
        length = int.from_bytes(head[:4])
        if name in TEXTS or (name in COLOURS and name not in seen):
            content = file.read(length)
            seen.add(name)
            if len(content) == length and key_of(content) not in WRITTEN_ANEW:
                found.append((name, content))
            length = 0
        file.seek(length + 4, 1)  # a checksum follows
    file.seek(place)
    return tuple(found)


def key_of(content: bytes) -> str:
    """Return the keyword of a text."""
    return content.partition(b"\0")[0].decode("latin-1")


def profile_of(chunks: Iterable[Chunk], channels: int) -> bytes | None:
    """Return an ICC profile of the colours that chunks declare: b"" where they are sRGB's, None where none can say it.

    Args:
        chunks: of which COLOURS count.
        channels: of the colour, 1 (grey) or 3 (RGB).
    """
    colours = {name: content for name, content in chunks if name in COLOURS}
    if content := colours.get(b"cICP"):
        code, curve, *_ = content.ljust(4, b"\0")
        if code not in PRIMARIES or curve not in (SRGB_CURVE, LINEAR):
            return None
        is_srgb = curve == SRGB_CURVE and (code == 1 or channels == 1)
        return b"" if is_srgb else _made(PRIMARIES[code], 1.0 if curve == LINEAR else None, channels)
    if b"sRGB" in colours:
        return b""
    gamma = _gamma(colours.get(b"gAMA", b""))
    primaries = _primaries(colours.get(b"cHRM", b""))
    is_usual = bool(np.allclose(primaries, BT709, atol=ALIKE))
    is_srgb_curve = abs(gamma - SRGB_GAMMA) < ALIKE
    if is_srgb_curve and (is_usual or channels == 1):
        return b""
    return _made(primaries, None if is_srgb_curve else 1 / gamma, channels)


def _made(primaries: Primaries, gamma: float | None, channels: int) -> bytes | None:
    with suppress(ValueError):
        return make_profile(primaries, gamma, channels)
    return None


def _gamma(content: bytes) -> float:
    """Return the number of gAMA; sRGB's where there is none, or a damaged one."""
    return (int.from_bytes(content) / 100_000 if len(content) == 4 else 0) or SRGB_GAMMA


def _primaries(content: bytes) -> Primaries:
    """Return the chromaticities of cHRM; sRGB's where there are none, or damaged ones."""
    if len(content) != 32:
        return BT709
    numbers = [value / 100_000 for value in struct.unpack(">8I", content)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    return Primaries(*points) if all(y for _, y in points) else BT709
