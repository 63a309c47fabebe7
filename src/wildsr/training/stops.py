"""What ends a stage: its last iteration, a time limit, Ctrl-C or SIGTERM. The latter three leave a checkpoint first."""

from __future__ import annotations

import signal
import threading
import time
from datetime import timedelta
from typing import Any

import lightning as L

from wildsr.rules import refuse


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A stage stopped before its end. What it says is for the user."""


class Stops(L.Callback):
    """Ends a stage by its count of iterations, and interrupts it between two of them.

    Lightning's own ways count epochs, whose length a user may change, and lose the work since the last checkpoint.

    Args:
        max_time: DD:HH:MM:SS for this process, or None.

    Raises:
        ValueError: `max_time` is no such time.
    """

    def __init__(self, max_time: str | None = None) -> None:
        self.limit = None if max_time is None else seconds(max_time)
        self.asked, self.begin = "", 0.0
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.begin = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, _: Any) -> None:
        self.asked = signal.Signals(number).name
        signal.signal(number, self.before[number])  # a second one does not wait

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        if module.iteration >= module.stage.iterations:
            trainer.should_stop = True
            return
        late = self.limit is not None and time.monotonic() - self.begin > self.limit
        if self.asked or late:
            checkpoints: Any = trainer.checkpoint_callback
            if checkpoints is not None:
                checkpoints.save(trainer, module.iteration)
            why = self.asked or f"callbacks.stops.max_time after {self.limit:.0f} s"
            raise Interrupted(f"{module.stage.name} stage stopped after iteration {module.iteration} ({why})")

    def teardown(self, trainer: L.Trainer, module: Any, stage: str) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}


def seconds(text: str) -> float:
    """DD:HH:MM:SS as seconds."""
    parts = str(text).split(":")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        raise refuse("callbacks.stops.max_time", text, "DD:HH:MM:SS")
    days, hours, minutes, rest = map(int, parts)
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds()
