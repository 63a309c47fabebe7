"""Hard cases: text, brick, repeated lines, a mesh and line art, where upscalers bend lines and invent letters.

Shapes: (3, H, W) uint8, grey as equal channels; at most 256 x 256, so that validation stays quick.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from wildsr.data.photographs import sample_folder
from wildsr.images import from_pil, read_image, to_uint8

SIDE = 256  # pixels
SCANS = ("text.png", "page.png", "brick.png")  # of scikit-image: grey photographs of writing, print and a wall
DRAWING_SCALE = 4  # the drawing is made so many times larger and averaged: Pillow draws without smoothing


class HardCases:
    """Draw the hard cases, by number: `cases[i]` is (3, H, W) uint8, always the same.

    Raises:
        UserError: scikit-image, which carries three of them, is not installed.
    """

    def __init__(self) -> None:
        folder = sample_folder()
        text, page, brick = (read_image(folder / name)[:, :SIDE, :SIDE] for name in SCANS)
        self.images = {
            "page": page,
            "lines": lines(),
            "mesh": mesh(),
            "brick": brick,
            "drawing": drawing(),
            "text": text,
        }
        self.names = list(self.images)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[self.names[index]]

    def name(self, index: int) -> str:
        return self.names[index]

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest side, in pixels, and the image's name."""
        return min((min(image.shape[-2:]), Path(name)) for name, image in self.images.items())


def lines() -> Tensor:
    """Draw black and white bars, period growing from 3 to 12 pixels; above upright, below slanted by 20 degrees."""
    y, x = _grid()
    slant = math.radians(20)
    below = y - SIDE / 2
    across = torch.where(below < 0, x, x * math.cos(slant) + below * math.sin(slant))
    growth = 9 / SIDE  # of the period, pixels a pixel
    periods = torch.log1p(across * growth / 3) / growth  # the integral of 1 / period: how many bars lie before x
    return _grey(0.5 + torch.sin(2 * math.pi * periods))  # beyond [0, 1] on purpose: bars with short ramps


def mesh() -> Tensor:
    """Draw a wire fence before a sky: threads 1.5 pixels wide, 9 apart, at 30 and 150 degrees."""
    y, x = _grid()
    image = 0.5 + 0.4 * y / SIDE
    for degrees in (30, 150):
        angle = math.radians(degrees)
        across = x * math.sin(angle) - y * math.cos(angle)
        distance = (across.remainder(9) - 4.5).abs()
        cover = (0.75 + 0.5 - distance).clamp(0, 1)  # half a width, and half a pixel of smoothing
        image = image * (1 - cover) + 0.1 * cover
    return _grey(image)


def drawing() -> Tensor:
    """Draw line art: circles, a star, a spiral and hatching, in strokes of 1 to 3 pixels."""
    scale = DRAWING_SCALE
    page = Image.new("L", (SIDE * scale, SIDE * scale), 255)
    pen = ImageDraw.Draw(page)

    def stroke(points: list[tuple[float, float]], width: float) -> None:
        pen.line([(x * scale, y * scale) for x, y in points], 0, round(width * scale), joint="curve")

    def around(x: float, y: float, radius: float, turns: float) -> tuple[float, float]:
        return x + radius * math.cos(2 * math.pi * turns), y + radius * math.sin(2 * math.pi * turns)

    for ring in range(1, 9):
        stroke([around(66, 66, ring * 7, step / 90) for step in range(91)], 1 + ring % 3)
    stroke([around(190, 66, 56, step * 2 / 5 - 0.25) for step in range(6)], 2)
    stroke([around(66, 190, step / 8, step / 60) for step in range(1, 456)], 1.5)
    for step in range(13):  # two hatchings that cross at a small angle
        stroke([(136 + step * 9, 134), (132 + step * 9, 250)], 1)
        stroke([(134, 136 + step * 9), (250, 144 + step * 9)], 1 + step % 2)
    small = page.resize((SIDE, SIDE), Image.Resampling.BOX)
    return from_pil(small.convert("RGB"))


def _grid() -> tuple[Tensor, Tensor]:
    """Return the rows' and columns' numbers, each (H, W), in pixels."""
    side = torch.arange(SIDE, dtype=torch.float64)
    y, x = torch.meshgrid(side, side, indexing="ij")
    return y, x


def _grey(values: Tensor) -> Tensor:
    return to_uint8(values).expand(3, -1, -1).contiguous()
