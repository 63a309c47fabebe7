"""The wandb logger, which never asks, and never fails for want of an account or a network."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from wildsr.io import UserError, first_line, write_whole

LONGEST_TAG = 64  # characters that wandb takes of a tag


def wandb_logger(folder: str, project: str, name: str, tags: Sequence[str] = ()) -> WandbLogger:
    """Log to wandb: online where there is a key, else offline into `folder`/wandb. WANDB_MODE overrides.

    The run's id stands in `folder`/wandb_id, so that a resumed run goes on in the same curves.

    Args:
        folder: of a stage; its last part is the stage's name.
        project: of wandb.
        name: of the run; the runs of a multirun share it, as their group.
        tags: what differs between the runs of a multirun, such as "ablation=no_sinc".

    Raises:
        UserError: wandb refuses its key, or is out of reach.
    """
    import wandb  # optional: only those who log to it need it

    place = Path(folder).resolve()
    identity = place / "wandb_id"
    if not identity.is_file() and getattr(rank_zero_only, "rank", 0) == 0:
        write_whole(identity, lambda file: file.write(uuid.uuid4().hex[:12].encode()))
    return WandbLogger(
        name="/".join([name, *tags, place.name]),
        group=name,
        tags=[tag[:LONGEST_TAG] for tag in tags],
        save_dir=folder,
        project=project,
        id=identity.read_text() if identity.is_file() else None,  # other processes log nothing
        mode=wandb_mode(),
        resume="allow",
        settings=wandb.Settings(silent=True),
    )


def wandb_mode() -> Literal["online", "offline", "shared", "disabled"]:
    """Return what WANDB_MODE says; else online where there is a key, and offline without one.

    Raises:
        UserError: wandb tries the key at once, and it is refused, or wandb is out of reach.
    """
    import wandb

    given: Any = os.environ.get("WANDB_MODE")
    try:
        return given or ("online" if wandb.login(prompt=False) else "offline")
    except wandb.errors.Error as error:
        raise UserError(f"wandb: {first_line(error)}; WANDB_MODE=offline records without it") from error


def finish(loggers: Iterable[Any]) -> None:
    """Close wandb runs, so that the next stage opens its own; Lightning leaves them open."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()
