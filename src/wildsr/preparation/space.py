"""Room on the disk: asked for before a long piece of work, so that it does not fail at its end."""

from __future__ import annotations

import shutil
from pathlib import Path

UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def require_space(folder: Path, needed: float, purpose: str) -> None:
    """Check that `needed` bytes are free where `folder` lies or will lie.

    Raises:
        ValueError: there is less room than that.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ValueError(f"{folder}: {purpose} takes about {readable(needed)}, and {readable(free)} is free there")


def readable(size: float) -> str:
    """Bytes in words: 3530603713 is "3.5 GB"."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"
