"""Panels of a page: versions of a window side by side, and their images as data URIs, within a bound."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wildsr.apps.evaluate.crops import BICUBIC, CROPS, HQ, LQ, Crop, crop_file
from wildsr.apps.evaluate.files import number
from wildsr.apps.evaluate.tables import IMAGE_COLUMNS, metric_names
from wildsr.labels import image_title
from wildsr.scores import METRICS, Displays, display_of

BOUND = 9_000_000  # bytes of all images in a page, which so stays below 10 MB
QUALITY = 90  # of WebP, where the lossless files would surpass the bound

Notes = Mapping[tuple[str, str, str], str]  # of one method: set, image, version -> a few words


class Source(NamedTuple):
    """The windows of one method: what it is called, the run they are of, their folder in it, and their notes."""

    label: str
    run: Path
    folder: Path
    notes: Notes
    tone: int | None = None


class Version(NamedTuple):
    """A window as one method made it: where it lies, and what stands beside it."""

    label: str
    file: Path
    note: str = ""
    tone: int | None = None


class Panel(NamedTuple):
    """Versions of one window; `left` and `right` are those that are compared first."""

    crop: Crop
    versions: list[Version]
    left: int
    right: int

    @property
    def title(self) -> str:
        """Return the image's name, with its set and version where they say something."""
        return image_title(self.crop.picture, self.crop.version, self.crop.set)


def panels_of(run: Path, crops: Sequence[Crop], methods: Sequence[Source], notes: Mapping[str, Notes]) -> list[Panel]:
    """Return a panel a window: what lies of LQ and bicubic in the run, of each method, of HQ.

    The first is beside the last but HQ. Different images come first, then their further versions.

    Args:
        notes: by method, of bicubic.
    """
    lq, bicubic, hq = (
        Source(label, run, run / CROPS / folder, notes.get(label, {}))
        for label, folder in (("LQ", LQ), ("bicubic", BICUBIC), ("HQ", HQ))
    )
    panels = []
    for crop in sorted(crops, key=lambda crop: crop.version):
        where = (crop.set, crop.picture, str(crop.version))
        versions = [
            Version(source.label, file, source.notes.get(where, ""), source.tone)
            for source in (lq, bicubic, *methods, hq)
            if (file := crop_file(source.run, source.folder, crop)) is not None
        ]
        if len(versions) > 1:
            last = max(place for place, version in enumerate(versions) if version.label != "HQ")
            panels.append(Panel(crop, versions, 0, last))
    return panels


class Embedded(NamedTuple):
    """Panels whose images fit the bound, the data URI of each image, and what was done to make them fit."""

    panels: list[Panel]
    uris: dict[Path, str]
    remark: str


def embed(panels: Sequence[Panel], bound: int = BOUND) -> Embedded:
    """Embed the images of panels: as they are; else all as WebP at QUALITY; else so, of as many panels as fit."""
    files = list(dict.fromkeys(version.file for panel in panels for version in panel.versions))
    if sum(_encoded(file.stat().st_size) for file in files) <= bound:
        return Embedded(list(panels), {file: _uri("png", file.read_bytes()) for file in files}, "")
    remark = f"Images are WebP at quality {QUALITY}, which keeps this page below {(bound + 10**6) // 10**6} MB."
    uris: dict[Path, str] = {}
    fitting: list[Panel] = []
    for panel in panels:
        more = {version.file: _uri("webp", _webp(version.file)) for version in panel.versions}
        if sum(map(len, (uris | more).values())) > bound:
            break
        uris |= more
        fitting.append(panel)
    if len(fitting) < len(panels):
        remark += f" {len(panels) - len(fitting)} of {len(panels)} are left out for the same reason."
    return Embedded(fitting, uris, remark)


def _encoded(size: int) -> int:
    return -(-size // 3) * 4


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _webp(file: Path) -> bytes:
    from wildsr.images import read_image, to_pil  # torch: most pages do without

    content = io.BytesIO()
    to_pil(read_image(file)).save(content, "WEBP", quality=QUALITY)
    return content.getvalue()


def notes_of(images: Sequence[Mapping[str, Any]], displays: Displays = METRICS) -> Mapping[str, Notes]:
    """Return by method what it reached on each image, in few words: its first score."""
    notes: dict[str, dict[tuple[str, str, str], str]] = {}
    for row in images:
        names = metric_names(name for name in row if name not in IMAGE_COLUMNS)
        scores = [(display_of(name, displays), score) for name in names if (score := number(row[name])) is not None]
        if scores:
            where = (str(row.get("set", "")), str(row.get("picture", "")), str(row.get("version", "")))
            display, score = scores[0]
            text = f"{score:.{display.digits}f}"
            note = f"{text} dB" if display.meaning.startswith("dB") else f"{display.label} {text}"
            notes.setdefault(str(row.get("method", "")), {})[where] = note
    return notes
