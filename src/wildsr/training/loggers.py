"""The wandb logger, which never asks, and never fails for want of an account or a network."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from wildsr.io import UserError, first_line, write_whole
from wildsr.scores import MetricDisplay

LONGEST_TAG = 64  # characters that wandb takes of a tag
STEP = "trainer/global_step"  # the x-axis that Lightning's wandb logger defines


def wandb_logger(folder: str, project: str, name: str, tags: Sequence[str] = ()) -> WandbLogger:
    """Log to wandb: online where there is a key, else offline into `folder`/wandb. WANDB_MODE overrides.

    The run's id stands in `folder`/wandb_id, so that a resumed run goes on in the same curves.

    A run is a group: its stages, and what closes it, are wandb's runs in it, told apart by their job_type.

    Args:
        folder: of a stage; its last part is the stage's name, the job_type.
        project: of wandb.
        name: of the run; with its tags the group.
        tags: what differs between the runs of a multirun, such as "ablation=no_sinc".

    Raises:
        UserError: wandb refuses its key, or is out of reach.
    """
    import wandb  # optional: only those who log to it need it

    place = Path(folder).resolve()
    identity = place / "wandb_id"
    if not identity.is_file():
        rank_zero_only(write_whole)(identity, lambda file: file.write(uuid.uuid4().hex[:12].encode()))
    mode, group = wandb_mode(), "/".join([name, *tags])
    logger = WandbLogger(
        name=f"{group}/{place.name}",
        group=group,
        job_type=place.name,
        tags=[tag[:LONGEST_TAG] for tag in tags],
        save_dir=folder,
        project=project,
        id=identity.read_text(encoding="utf-8") if identity.is_file() else None,  # other processes log nothing
        mode=mode,
        resume="allow" if mode == "online" else None,  # offline it has no effect
        settings=wandb.Settings(silent=True),
    )
    logger._wandb_init.pop("anonymous", None)  # Lightning gives it, and wandb warns that it has no effect
    return logger


def define_scores(loggers: Iterable[Any], sets: Iterable[str], metrics: Mapping[str, MetricDisplay]) -> None:
    """Have wandb keep the best value of each validation score in a run's summary, not only the last.

    Args:
        loggers: of any kind.
        sets: the validation sets in their order.
        metrics: by name; one that does not say which value is better has no best.
    """
    prefixes = ["val/" if place == 0 else f"val/{name}/" for place, name in enumerate(sets)]
    better = {
        name: "min" if "lower" in display.meaning else "max" for name, display in metrics.items() if display.meaning
    }
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            for prefix, (name, goal) in product(prefixes, better.items()):
                key = f"{prefix}{name}"
                logger.experiment.define_metric(key, step_metric=STEP, step_sync=True, summary=f"{goal},last")


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
