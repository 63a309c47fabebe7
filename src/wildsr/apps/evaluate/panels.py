"""Windows of pictures as data URIs, within a bound, and which of them a panel shows side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wildsr.apps.evaluate.tables import number
from wildsr.images import read_image, to_pil
from wildsr.metrics import METRICS, display_of, metric_names
from wildsr.metrics.choice import Displays

BOUND = 9_000_000  # bytes of all pictures in a page, which so stays below 10 MB
QUALITY = 90  # of WebP, where the lossless files would surpass the bound


class Version(NamedTuple):
    """A window as one method made it: where it lies, and what stands beside it."""

    label: str
    file: Path
    note: str = ""
    tone: int | None = None


@dataclass(frozen=True)
class Panel:
    """Versions of one window; `left` and `right` are those that are compared first."""

    title: str
    recipe: str
    width: int
    height: int
    versions: list[Version]
    left: int
    right: int


class Embedded(NamedTuple):
    """Panels whose pictures fit the bound, the data URI of each picture, and what was done to make them fit."""

    panels: list[Panel]
    uris: dict[Path, str]
    remark: str


def embed(panels: Sequence[Panel], bound: int = BOUND) -> Embedded:
    """Embed the pictures of panels: as they are; else all as WebP at QUALITY; else so, of as many panels as fit."""
    files = list(dict.fromkeys(version.file for panel in panels for version in panel.versions))
    if sum(_encoded(file.stat().st_size) for file in files) <= bound:
        return Embedded(list(panels), {file: _uri("png", file.read_bytes()) for file in files}, "")
    remark = f"Pictures are WebP at quality {QUALITY}, which keeps this page below {(bound + 10**6) // 10**6} MB."
    uris: dict[Path, str] = {}
    kept: list[Panel] = []
    for panel in panels:
        more = {version.file: _uri("webp", _webp(version.file)) for version in panel.versions}
        if sum(map(len, (uris | more).values())) > bound:
            break
        uris |= more
        kept.append(panel)
    if len(kept) < len(panels):
        remark += f" {len(panels) - len(kept)} of {len(panels)} are left out for the same reason."
    return Embedded(kept, uris, remark)


def _encoded(size: int) -> int:
    return -(-size // 3) * 4


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _webp(file: Path) -> bytes:
    content = io.BytesIO()
    to_pil(read_image(file)).save(content, "WEBP", quality=QUALITY)
    return content.getvalue()


ABOUT = ("set", "picture", "version", "method", "recipe")  # the columns of images.csv that are no metric
Key = tuple[str, str, str, str]  # set, picture, version, method


def notes_of(images: Sequence[Mapping[str, str]], displays: Displays = METRICS) -> dict[Key, str]:
    """Return what each method reached on each picture, in few words: its first figure."""
    notes: dict[Key, str] = {}
    for row in images:
        names = metric_names(name for name in row if name not in ABOUT)
        found = [(display_of(name, displays), value) for name in names if (value := number(row[name])) is not None]
        if found:
            key = (row.get("set", ""), row.get("picture", ""), row.get("version", ""), row.get("method", ""))
            figure, value = found[0]
            text = f"{value:.{figure.digits}f}"
            notes[key] = f"{text} dB" if figure.meaning.startswith("dB") else f"{figure.label} {text}"
    return notes
