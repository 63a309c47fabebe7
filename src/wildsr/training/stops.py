"""What ends a stage: its last iteration, a time limit or a signal. All but the first leave a checkpoint behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import lightning as L

from wildsr.rules import refuse

# What a person sends, what ends a process, and what clusters send some time before they end it.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
AGREE_EVERY = 10  # iterations between two questions to the other processes: each answer waits for all devices


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A stage stopped before its end. What it says is for the user."""


class Stops(L.Callback):
    """Ends a stage by its count of iterations, and interrupts it between two of them.

    Lightning's own ways count epochs, whose length a user may change, and lose the work since the last checkpoint.
    Several processes stop after the same iteration, whichever of them was asked. SIGUSR1 in a SLURM job saves,
    then puts the job back into the queue; a handler that a launcher had set runs after the save.

    Args:
        max_time: DD:HH:MM:SS for one call, or None. It runs from `begin` on, where the call sets that, since a call
            may train several stages.

    Raises:
        ValueError: `max_time` is no such time.
    """

    def __init__(self, max_time: str | None = None) -> None:
        self.limit = None if max_time is None else seconds(max_time)
        self.asked: signal.Signals | None = None
        self.begin = time.monotonic()
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self.before[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, _: Any) -> None:
        self.asked = signal.Signals(number)
        signal.signal(number, self.before[number])  # a second one does not wait

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        done = module.iteration >= module.stage.iterations
        late = self.limit is not None and time.monotonic() - self.begin > self.limit
        wish = self.asked is not None or late  # also at the end: a stage may follow
        if not agreed(trainer, wish, due=done or module.iteration % AGREE_EVERY == 0):
            trainer.should_stop = done
            return
        checkpoints: Any = trainer.checkpoint_callback
        if checkpoints is not None:
            checkpoints.save(trainer, module.iteration)
        self._interrupt(trainer, module, late)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        """The last validation may have been long; its checkpoint is written."""
        if agreed(trainer, self.asked is not None, due=True):
            self._interrupt(trainer, module, late=False)

    def _interrupt(self, trainer: L.Trainer, module: Any, late: bool) -> None:
        if self.asked is not None and trainer.is_global_zero:
            self._hand_on(self.asked)
        limit = f"trainer.max_time after {self.limit:.0f} s" if late else "asked by another process"
        why = self.asked.name if self.asked else limit
        raise Interrupted(f"{module.stage.name} stage stopped after iteration {module.iteration} ({why})")

    def _hand_on(self, asked: signal.Signals) -> None:
        """Do what the cluster wants done after the save."""
        if asked is signal.SIGUSR1 and "SLURM_JOB_ID" in os.environ:
            requeue()
        elif asked in (signal.SIGUSR1, signal.SIGUSR2) and callable(self.before[asked]):
            signal.raise_signal(asked)  # submitit's handler queues the job anew, and leaves

    def teardown(self, trainer: L.Trainer, module: Any, stage: str) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}


def agreed(trainer: L.Trainer, wish: bool, due: bool) -> bool:
    """Whether to stop: for one process at once, for several when it is due and any of them wishes to."""
    if trainer.world_size == 1:
        return wish
    return due and trainer.strategy.reduce_boolean_decision(wish, all=False)


def requeue() -> None:
    """Put this SLURM job back into the queue; what stops it from going there is said, the work is saved anyway."""
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"warning: scontrol requeue {job}: {error}", file=sys.stderr)


def seconds(text: str) -> float:
    """DD:HH:MM:SS as seconds."""
    parts = str(text).split(":")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        raise refuse("trainer.max_time", text, "DD:HH:MM:SS")
    days, hours, minutes, rest = map(int, parts)
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds()
