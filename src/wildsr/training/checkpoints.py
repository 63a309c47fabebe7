"""Checkpoints as files: each written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from wildsr.io import write_whole

LAST = "last.ckpt"  # as Lightning's ModelCheckpoint calls it


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its place and rename it, so that a broken write leaves the old one.

    Lightning's own stages the file in the system's temporary folder: across devices its move is a copy. The first
    write into a folder removes what a killed process was writing there; a run's folder is one process's at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tidied: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        if target.parent not in self.tidied:
            self.tidied.add(target.parent)
            for broken in target.parent.glob(".*.part"):
                broken.unlink(missing_ok=True)
        buffer = io.BytesIO()  # torch.save answers a full disk with a RuntimeError, a plain write with an OSError
        torch.save(checkpoint, buffer)
        write_whole(target, lambda file: file.write(buffer.getbuffer()))
