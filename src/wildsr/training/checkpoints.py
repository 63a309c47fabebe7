"""Checkpoints of a stage: last, best and every N iterations, each written whole or not at all."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from wildsr.images import write_whole
from wildsr.rules import whole
from wildsr.training.alarms import Alarms

LAST, BEST = "last.ckpt", "best.ckpt"


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that a broken write leaves the old one.

    Lightning's own stages the file in the system's temporary folder: across devices its move is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()  # torch.save answers a full disk with a RuntimeError, a plain write with an OSError
        torch.save(checkpoint, buffer)
        write_whole(Path(path), lambda file: file.write(buffer.getbuffer()))


class Checkpoints(Checkpoint):
    """Saves `iteration_0005000.ckpt`, with `last.ckpt` and `best.ckpt` as further names of such files.

    Lightning's ModelCheckpoint counts the steps of both optimisers; this one counts iterations. At the
    end of an epoch it saves before validation, which may fail, and after it, with the best score.

    Args:
        folder: where the checkpoints go.
        monitor: the validation metric that decides which one is best.
        mode: "max" or "min".
        keep: how many numbered checkpoints stay; the best one stays besides.
    """

    def __init__(self, folder: str | Path, monitor: str = "val/psnr_y", mode: str = "max", keep: int = 3) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"callbacks.checkpoints.mode={mode!r}: wanted max or min")
        whole(1, 10**6)("keep", keep)
        self.folder, self.monitor, self.mode, self.keep = Path(folder), monitor, mode, keep
        self.best: float | None = None

    @property
    def last_file(self) -> Path:
        """The newest checkpoint's further name, whether there is one or not."""
        return self.folder / LAST

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if trainer.is_global_zero:
            for broken in self.folder.glob(".*.part"):  # what a killed process was writing
                broken.unlink(missing_ok=True)

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        done, stage = module.iteration, module.stage
        if done % stage.checkpoint_every == 0 or done % stage.epoch == 0:
            self.save(trainer, done)

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        metric = trainer.callback_metrics.get(self.monitor)
        score = None if metric is None else float(metric)
        better = (
            score is not None
            and math.isfinite(score)
            and (self.best is None or (score > self.best if self.mode == "max" else score < self.best))
        )
        if better:
            self.best = score
        self.save(trainer, module.iteration, best=better)

    def save(self, trainer: L.Trainer, iteration: int, best: bool = False) -> None:
        """Save now; the oldest numbered files go, by the time of their writing.

        Raises:
            NotFiniteError, RunawayError: the weights are not worth keeping.
        """
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Alarms):
                callback.require_healthy(trainer, trainer.lightning_module)
        file = self.folder / f"iteration_{iteration:07d}.ckpt"
        trainer.save_checkpoint(file)
        if trainer.is_global_zero:
            if best:
                name_also(file, self.folder / BEST)
            name_also(file, self.last_file)
            for old in numbered(self.folder)[: -self.keep]:
                old.unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def numbered(folder: Path) -> list[Path]:
    """The numbered checkpoints in a folder, in the order of their writing."""
    return sorted(folder.glob("iteration_*.ckpt"), key=lambda path: path.stat().st_mtime_ns)


def name_also(file: Path, name: Path) -> None:
    """Give a file a second name, replacing what bore it, in one step. A hard link costs no space; else a copy."""
    temporary = name.with_name(f".{name.name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(file)
    except OSError:  # a file system without hard links
        write_whole(name, lambda target: target.write(file.read_bytes()))
    else:
        temporary.replace(name)
