"""ICC profiles of three primaries and a curve (ICC.1:2001-04), for colours that a file declares in another way."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

Point = tuple[float, float]  # x and y of CIE 1931


class Primaries(NamedTuple):
    """Chromaticities of white and of the three primaries."""

    white: Point
    red: Point
    green: Point
    blue: Point


D65 = (0.3127, 0.3290)
BT709 = Primaries(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))  # sRGB's, too
BT2020 = Primaries(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
DISPLAY_P3 = Primaries(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
D50 = np.array([0.9642, 1.0, 0.8249])  # XYZ of the white of all profiles
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
STEPS = 1024  # of sRGB's curve in a profile


def make_profile(primaries: Primaries, gamma: float | None, channels: int) -> bytes:
    """Return the profile of a display.

    Args:
        primaries: of its colours.
        gamma: exponent from level to light; None is sRGB's curve.
        channels: 1 (grey, the curve alone) or 3 (RGB).

    Raises:
        ValueError: primaries on one line, which span no colours.
    """
    curve = _curve(gamma)
    tags = {b"desc": _description(), b"cprt": b"text\0\0\0\0no copyright\0", b"wtpt": _xyz(D50)}
    if channels == 1:
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), to_d50(primaries).T, strict=True):
            tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    table, content, place = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, place + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    space = b"GRAY" if channels == 1 else b"RGB "
    head = struct.pack(">I4sI4s4s4s", place + len(content), b"", 0x02400000, b"mntr", space, b"XYZ ")
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    head += date + b"acsp" + bytes(28) + _fixed(D50)
    return head.ljust(128, b"\0") + table + content


def to_d50(primaries: Primaries) -> np.ndarray:
    """Return the matrix (3, 3) from linear RGB to XYZ whose white is D50, adapted by Bradford's."""
    white, *colours = (np.array([x / y, 1.0, (1 - x - y) / y]) if y else np.zeros(3) for x, y in primaries)
    columns = np.stack(colours, axis=1)
    try:
        matrix = columns * np.linalg.solve(columns, white)
    except np.linalg.LinAlgError:
        raise ValueError(f"primaries {primaries} span no colours") from None
    return np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD @ matrix


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return struct.pack(">4sIIH", b"curv", 0, 1, min(round(gamma * 256), 65535))
    levels = np.linspace(0, 1, STEPS)
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return struct.pack(">4sII", b"curv", 0, STEPS) + np.rint(light * 65535).astype(">u2").tobytes()


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _fixed(values: np.ndarray) -> bytes:
    return np.rint(values * 65536).astype(">i4").tobytes()


def _description() -> bytes:
    text = b"as declared in PNG\0"
    return struct.pack(">4sII", b"desc", 0, len(text)) + text + bytes(78)
