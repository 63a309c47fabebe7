"""The wandb logger, made so that it never asks and never fails for want of an account or a network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger


def wandb_logger(folder: str, project: str, name: str) -> WandbLogger:
    """Log to wandb: online where there is a key, else offline into `folder`/wandb. WANDB_MODE overrides.

    The run's id follows from its folder, so that a resumed run goes on in the same curves.
    """
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
    return WandbLogger(
        name=f"{name}/{place.name}",
        group=name,
        save_dir=folder,
        project=project,
        id=hashlib.sha256(str(place).encode()).hexdigest()[:12],
        mode=mode,
        resume="allow",
        settings=wandb.Settings(silent=True),
    )


def finish(loggers: Iterable[Any]) -> None:
    """Close wandb runs, so that the next stage opens its own; Lightning leaves them open."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()
