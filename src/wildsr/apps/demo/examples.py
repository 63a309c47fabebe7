"""Images to try the page with: photographs that scikit-image carries, degraded for its first tab."""

from __future__ import annotations

from pathlib import Path

from wildsr.apps.export.card import degrade_photographs
from wildsr.data.photographs import sample_folder
from wildsr.images import read_image, save_pil, to_pil
from wildsr.io import UserError

EXAMPLES = ("coffee.png", "chelsea.png", "astronaut.png")
SCALE = 2  # small enough that each is upscaled in seconds on a CPU


def photographs() -> list[Path]:
    """Return the files of the photographs; none without scikit-image."""
    try:
        return [sample_folder() / name for name in EXAMPLES]
    except UserError:
        return []


def degraded(folder: Path) -> list[Path]:
    """Write a small, degraded version of each photograph, LQ, into a folder; return the files."""
    sources = photographs()
    files = [folder / f"{source.stem}_lq.png" for source in sources]
    pairs = degrade_photographs([read_image(source) for source in sources], SCALE, channels=3)
    for file, pair in zip(files, pairs, strict=True):
        save_pil(to_pil(pair.lq), file)
    return files
