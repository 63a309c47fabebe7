"""Room on the disk: asked for before a long piece of work, so that it does not fail at its end."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.filesize import decimal

from wildsr.io import UserError


def require_space(folder: Path, needed: float, purpose: str) -> None:
    """Check that `needed` bytes are free where `folder` lies or will lie.

    Raises:
        UserError: there is less room than that.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"{folder}: {purpose} takes about {decimal(int(needed))}, and {decimal(int(free))} is free there"
        )
