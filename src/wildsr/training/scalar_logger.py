"""Log what `self.log` cannot: speed, memory, and the discriminator's logits as histograms."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from wildsr.checks import checked_integer
from wildsr.training.loggers import STEP

MAX_LOGITS = 10_000  # of a histogram: more would not change its look
GB = 2**30


class ScalarLogger(L.Callback):
    """Log speed, memory and histograms of logits to every logger.

    `speed/images_per_second`, of all processes; `speed/data_share`, the share of the time that passes between two
    iterations, while pairs are loaded and degraded; `memory/peak_gb`, of the GPU where there is one. Histograms go to
    the loggers that draw them.

    Args:
        every: iterations between two points; a shorter fit records its last. Validation does not count in the speed.
    """

    def __init__(self, every: int = 100) -> None:
        self.every = checked_integer("every", every, 1, 10**9)
        self.begin = self.ended = self.waited = 0.0
        self.iterations = 0

    def _restart(self, *_: Any) -> None:
        self.begin = self.ended = time.monotonic()
        self.waited, self.iterations = 0.0, 0

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self._restart()

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        self._restart()

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.waited += time.monotonic() - self.ended

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.iterations += 1
        every = min(self.every, trainer.max_steps) if trainer.max_steps > 0 else self.every
        if module.iteration % every == 0:
            scalars = self.measure(trainer.datamodule.batch_size)  # type: ignore[attr-defined]
            for logger in trainer.loggers:
                logger.log_metrics(scalars, step=module.iteration)
            log_histograms(trainer, module)
            self._restart()
        self.ended = time.monotonic()

    def measure(self, batch_size: int) -> dict[str, float]:
        """Return speed and memory since the last point."""
        passed = time.monotonic() - self.begin
        return {
            "speed/images_per_second": self.iterations * batch_size / passed,
            "speed/data_share": self.waited / passed,
            "memory/peak_gb": peak_memory() / GB,
        }


def peak_memory() -> int:
    """Return the bytes that this process has held at most: of the GPU, else of all its memory; 0 on Windows."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024  # macOS counts bytes, Linux KiB


def log_histograms(trainer: L.Trainer, module: Any) -> None:
    """Log the discriminator's logits for real and generated images."""
    if module.logits is None or not trainer.is_global_zero:
        return
    both = module.logits.flatten(1)
    both = both[:, :: max(both.shape[1] // MAX_LOGITS, 1)].float().cpu()
    for logger in trainer.loggers:
        for name, values in zip(("logits/real", "logits/fake"), both, strict=True):
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_histogram(name, values, module.iteration)
            elif isinstance(logger, WandbLogger):
                import wandb

                logger.experiment.log({name: wandb.Histogram(values.numpy()), STEP: module.iteration})
