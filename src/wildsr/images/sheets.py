"""Pictures for people: labelled grids of images."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

GAP, TEXT, PAPER, INK = 8, 14, "white", (32, 32, 32)  # pixels, pixels, colours

Cell = tuple[Image.Image, str]


def sheet(rows: Sequence[Sequence[Cell]], title: str = "") -> Image.Image:
    """Lay out rows of (picture, caption) cells, captions above, wrapped to the picture's width.

    Columns are as wide as their widest picture, rows as high as their highest. Returns an RGB picture.

    Raises:
        ValueError: there is no cell.
    """
    if not any(rows):
        raise ValueError("a sheet of no pictures")
    columns = max(len(row) for row in rows)
    widths = [max(row[c][0].width for row in rows if c < len(row)) for c in range(columns)]
    captions = [[wrap(text, width) for (_, text), width in zip(row, widths, strict=False)] for row in rows]
    heads = [_height(max((text.count("\n") + 1 for text in row if text), default=0)) for row in captions]
    bodies = [max(picture.height for picture, _ in row) for row in rows]
    top = _height(wrap(title, sum(widths)).count("\n") + 1) if title else 0
    size = (sum(widths) + GAP * (columns + 1), top + sum(heads) + sum(bodies) + GAP * (len(rows) + 1))
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    draw.multiline_text((GAP, GAP // 2), wrap(title, sum(widths)), INK, _font())
    y = GAP + top
    for row, texts, head, body in zip(rows, captions, heads, bodies, strict=True):
        x = GAP
        for (picture, _), text, width in zip(row, texts, widths, strict=False):
            draw.multiline_text((x, y), text, INK, _font(), spacing=4)
            page.paste(picture.convert("RGB"), (x, y + head))
            x += width + GAP
        y += head + body + GAP
    return page


def wrap(text: str, width: int) -> str:
    """Break a text into lines that fit `width` pixels; a single longer word keeps its line."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _font().getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    """Load matplotlib's own DejaVu Sans: unlike Pillow's font it has the letters of formulas, everywhere."""
    package = importlib.util.find_spec("matplotlib")
    assert package is not None and package.origin is not None
    return ImageFont.truetype(str(Path(package.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"), TEXT)


def _height(lines: int) -> int:
    return lines * (TEXT + 5) + (4 if lines else 0)
