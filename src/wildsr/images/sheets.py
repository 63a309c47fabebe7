"""Labelled grids of images, for people to look at."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

GAP, TEXT, PAPER, INK = 8, 14, "white", (32, 32, 32)  # pixels, pixels, colours
NAMES = 112  # pixels: the width of row names

Cell = tuple[Image.Image, str]


def sheet(
    rows: Sequence[Sequence[Cell]], title: str = "", heads: Sequence[str] = (), names: Sequence[str] = ()
) -> Image.Image:
    """Lay out rows of (image, caption) cells in one grid, each caption below its image, wrapped to its column.

    Columns are as wide as their widest image, rows as high as their highest; all rows have the same room for captions.

    Args:
        title: above everything.
        heads: of the columns, once above the first row.
        names: of the rows, at the left.

    Returns an RGB image.

    Raises:
        ValueError: there is no cell.
    """
    if not any(rows):
        raise ValueError("a sheet of no images")
    widths = [max(row[c][0].width for row in rows if c < len(row)) for c in range(max(map(len, rows)))]
    lefts = [GAP + (NAMES + GAP if names else 0)]
    for width in widths:
        lefts.append(lefts[-1] + width + GAP)
    title = wrap(title, lefts[-1] - 2 * GAP) if title else ""
    tops = [wrap(text, width) for text, width in zip(heads, widths, strict=False)]
    captions = [
        [wrap(text, width) if text else "" for (_, text), width in zip(row, widths, strict=False)] for row in rows
    ]
    heights = [max(image.height for image, _ in row) for row in rows]
    foot = max(_height(text) for texts in captions for text in texts)
    top = GAP + _height(title) + max(map(_height, tops), default=0)
    page = Image.new("RGB", (lefts[-1], top + sum(heights) + (foot + GAP) * len(rows)), PAPER)
    draw = ImageDraw.Draw(page)

    def write(left: int, y: int, text: str) -> None:
        draw.multiline_text((left, y), text, INK, _font(), spacing=4)

    write(GAP, GAP // 2, title)
    for left, text in zip(lefts, tops, strict=False):
        write(left, top - _height(text), text)
    for number, (row, texts, height) in enumerate(zip(rows, captions, heights, strict=True)):
        write(GAP, top, wrap(names[number], NAMES) if number < len(names) else "")
        for left, (image, _), text in zip(lefts, row, texts, strict=False):
            page.paste(image.convert("RGB"), (left, top))
            write(left, top + image.height + 3, text)
        top += height + foot + GAP
    return page


def wrap(text: str, width: int) -> str:
    """Break a text into lines that fit `width` pixels; a single longer word is broken, too."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _font().getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
            while (fitting := _fitting(line, width)) < len(line):
                lines.append(line[:fitting])
                line = line[fitting:]
        lines.append(line)
    return "\n".join(lines)


def _fitting(word: str, width: int) -> int:
    """Return how many letters of a word fit `width` pixels, one at least."""
    return next((n for n in range(len(word), 1, -1) if _font().getlength(word[:n]) <= width), min(len(word), 1))


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    """Load matplotlib's own DejaVu Sans: unlike Pillow's font it has the letters of formulas, everywhere."""
    package = importlib.util.find_spec("matplotlib")
    assert package is not None and package.origin is not None
    return ImageFont.truetype(str(Path(package.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"), TEXT)


def _height(text: str) -> int:
    return (text.count("\n") + 1) * (TEXT + 5) + 4 if text else 0
