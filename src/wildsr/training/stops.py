"""End a fit before its last iteration, by a signal or a time limit; either leaves a checkpoint behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L

from wildsr.checks import refuse
from wildsr.labels import stage_title
from wildsr.training.checkpoints import LAST

# What a person sends, what ends a process, and what clusters send some time before they end it.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
AGREE_EVERY = 10  # iterations between two questions to the other processes: each answer waits for all devices

log = logging.getLogger(__name__)


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A fit stopped before its end. What it says is for the user."""


class GracefulStop(L.Callback):
    """Interrupt a fit between two iterations, after a checkpoint.

    Lightning's Timer, and `should_stop`, validate first, which may take longer than a cluster waits; and its own
    answer to signals loses the work since the last checkpoint. Several processes stop after the same iteration,
    whichever of them was asked. SIGUSR1 in a SLURM job saves, then puts the job back into the queue; a handler that
    a launcher had set runs after the save. Handlers are given back at the end of the fit, however it ends.

    Args:
        folder: where last.ckpt is written.
        max_time: DD:HH:MM:SS, or None: no limit.

    Attributes:
        begin: where the time limit starts, by `time.monotonic`: when this was made, unless a caller sets it.

    Raises:
        ValueError: `max_time` is no such time.
    """

    def __init__(self, folder: str | Path, max_time: str | None = None) -> None:
        self.folder = Path(folder)
        self.limit = None if max_time is None else parse_duration(max_time)
        self.asked: signal.Signals | None = None
        self.begin = time.monotonic()
        self.handlers: dict[int, Any] = {}  # that were there before

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self.handlers[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, _: Any) -> None:
        self.asked = signal.Signals(number)
        signal.signal(number, self.handlers[number])  # a second one does not wait

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        is_late = self.limit is not None and time.monotonic() - self.begin > self.limit
        is_due = module.iteration % AGREE_EVERY == 0 or module.iteration == trainer.max_steps
        if agree(trainer, self.asked is not None or is_late, is_due):
            self._interrupt(trainer, module, is_late)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        """Stop here too: the last validation may have been long, and another stage may follow."""
        if agree(trainer, self.asked is not None, is_due=True):
            self._interrupt(trainer, module, is_late=False)

    def _interrupt(self, trainer: L.Trainer, module: Any, is_late: bool) -> None:
        """Save, do what a launcher wants done after it, and leave the fit."""
        trainer.save_checkpoint(self.folder / LAST, weights_only=False)
        if self.asked is not None and trainer.is_global_zero:
            self._hand_on(self.asked)
        limit = f"trainer.max_time after {self.limit:.0f} s" if is_late else "asked by another process"
        why = self.asked.name if self.asked else limit
        stage = f"{stage_title(module.origin['stage'])} " if "stage" in module.origin else ""
        raise Interrupted(f"{stage}stopped after iteration {module.iteration} ({why})")

    def _hand_on(self, asked: signal.Signals) -> None:
        """Do what the cluster wants done after the save."""
        if asked.name == "SIGUSR1" and "SLURM_JOB_ID" in os.environ:
            requeue()
        elif asked.name in ("SIGUSR1", "SIGUSR2") and callable(self.handlers[asked]):
            signal.raise_signal(asked)  # submitit's handler queues the job anew, and leaves

    def on_exception(self, trainer: L.Trainer, module: Any, exception: BaseException) -> None:
        self._give_back()

    def teardown(self, trainer: L.Trainer, module: Any, stage: str) -> None:
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}


def agree(trainer: L.Trainer, wish: bool, is_due: bool) -> bool:
    """Return whether to stop: one process at once, several when it is due and any of them wishes to."""
    if trainer.world_size == 1:
        return wish
    return is_due and trainer.strategy.reduce_boolean_decision(wish, all=False)


def requeue() -> None:
    """Put this SLURM job back into the queue; what stops it from going there is said, the work is saved anyway."""
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        log.warning("scontrol requeue %s: %s", job, error)


def parse_duration(text: str, key: str = "max_time") -> float:
    """Read DD:HH:MM:SS as seconds; `key` names it in a refusal.

    Raises:
        ValueError: it is no such time.
    """
    parts = str(text).split(":")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        raise refuse(key, text, "DD:HH:MM:SS")
    days, hours, minutes, rest = map(int, parts)
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds()
