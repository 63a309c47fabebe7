"""Show how far a fit is: Lightning's bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import RichProgressBarTheme

from wildsr.labels import stage_title

PLAIN_EVERY = 10.0  # seconds


def progress_bar(every: float = PLAIN_EVERY) -> ProgressBar:
    """Return a bar for a terminal, or a line every so many seconds where the output is none, such as a log file."""
    theme = RichProgressBarTheme(metrics_format=".3g")  # with its own, a rate of 1e-4 is 0.000
    return RichProgressBar(theme=theme) if sys.stderr.isatty() and sys.stdout.isatty() else PlainProgress(every)


class PlainProgress(ProgressBar):
    """Write a line to stderr now and then: iterations done, what is logged for the bar, seconds left.

    Args:
        every: seconds between two lines; the last iteration has one, too.
    """

    def __init__(self, every: float = PLAIN_EVERY) -> None:
        super().__init__()
        self.every, self.is_enabled = every, True
        self.start = self.spoken = 0.0
        self.first = 0

    def disable(self) -> None:
        """Be quiet; Lightning asks this of all processes but the first."""
        self.is_enabled = False

    def enable(self) -> None:
        self.is_enabled = True

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.start = self.spoken = time.monotonic()
        self.first = trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        is_due = time.monotonic() - self.spoken > self.every or trainer.global_step == trainer.max_steps
        if self.is_enabled and is_due:
            self.spoken = time.monotonic()
            print(self.line(trainer, module), file=sys.stderr, flush=True)

    def line(self, trainer: L.Trainer, module: Any) -> str:
        """Return, for example: GAN stage  40/100  loss/pixel 0.0312  lr/generator 0.0001  12 s left"""
        done, total = trainer.global_step, trainer.max_steps
        stage = [stage_title(module.origin["stage"])] if "stage" in module.origin else []
        scores = [f"{name} {value:.3g}" for name, value in self.get_metrics(trainer, module).items() if name != "v_num"]
        if total < 0:
            return "  ".join([*stage, str(done), *scores])
        left = (self.spoken - self.start) / (done - self.first) * (total - done)
        return "  ".join([*stage, f"{done}/{total}", *scores, f"{left:.0f} s left"])
