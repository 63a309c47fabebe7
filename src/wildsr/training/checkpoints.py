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

    Lightning's own stages the file in the system's temporary folder: across devices its move is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()  # torch.save answers a full disk with a RuntimeError, a plain write with an OSError
        torch.save(checkpoint, buffer)
        write_whole(Path(path), lambda file: file.write(buffer.getbuffer()))
