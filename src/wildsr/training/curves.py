"""Figures over iterations, for every logger: losses, gradients, logits, rates, speed, memory; metrics at validation."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from wildsr.rules import whole

MOST_LOGITS = 10_000  # of a histogram: more would not change its look
GB = 2**30


class Curves(L.Callback):
    """Hands scalars to every logger with the iteration as x-axis, means over all processes.

    Besides the module's own (losses, gradient norms, logits of the discriminator): `lr/…` of each network,
    `speed/images_per_second` and `speed/data_share`, the share of the time that passes between two iterations, while
    pairs are loaded and degraded, `memory/peak_gb`, of the GPU where there is one; and the logits as histograms.

    Args:
        every: iterations between two points; each waits for the device.
    """

    def __init__(self, every: int = 100) -> None:
        self.every = whole(1, 10**9)("every", every)
        self.begin = self.ended = self.waited = 0.0
        self.images = 0

    def _restart(self) -> None:
        """Speed is that since the last point; validation does not count."""
        self.begin = self.ended = time.monotonic()
        self.waited, self.images = 0.0, 0

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self._restart()

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.waited += time.monotonic() - self.ended

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.images += trainer.datamodule.batch_size  # type: ignore[attr-defined]
        if module.iteration % self.every == 0:
            log(trainer, module, {**mean_scalars(trainer, module), **rates(trainer), **self._speed()})
            log_logits(trainer, module)
            self._restart()
        self.ended = time.monotonic()

    def _speed(self) -> dict[str, float]:
        passed = time.monotonic() - self.begin
        return {
            "speed/images_per_second": self.images / passed,
            "speed/data_share": self.waited / passed,
            "memory/peak_gb": peak_memory() / GB,
        }

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        if not trainer.sanity_checking:
            log(trainer, module, {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")})
        self._restart()


def mean_scalars(trainer: L.Trainer, module: Any) -> dict[str, float]:
    """Return the last iteration's scalars, means over all processes: each of them has to ask. It waits for the device.

    Whatever is shown or decided of a loss comes from here, so that the screen, the curves and the alarms agree.
    """
    names = list(module.scalars)
    if not names:  # before the first iteration
        return {}
    means = trainer.strategy.reduce(torch.stack([module.scalars[name].float() for name in names]))
    return dict(zip(names, means.tolist(), strict=True))


def log(trainer: L.Trainer, module: Any, scalars: dict[str, float]) -> None:
    """Hand scalars to every logger at the module's iteration."""
    for logger in trainer.loggers:
        logger.log_metrics({**scalars, "iteration": float(module.iteration)}, step=module.iteration)


def rates(trainer: L.Trainer) -> dict[str, float]:
    """The learning rate of each network."""
    names = ("lr/generator", "lr/discriminator")
    return {name: float(opt.param_groups[0]["lr"]) for name, opt in zip(names, trainer.optimizers, strict=False)}


def peak_memory() -> int:
    """Bytes that this process has held at most: on the GPU where there is one, else all of its memory; 0 on Windows."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024  # macOS counts bytes, Linux KiB


def log_logits(trainer: L.Trainer, module: Any) -> None:
    """The discriminator's logits for real and generated images, as histograms to the loggers that draw them."""
    if module.logits is None or not trainer.is_global_zero:
        return
    both = module.logits.flatten(1)
    both = both[:, :: max(both.shape[1] // MOST_LOGITS, 1)].float().cpu()
    for logger in trainer.loggers:
        for name, values in zip(("logits/real", "logits/fake"), both, strict=True):
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_histogram(name, values, module.iteration)
            elif isinstance(logger, WandbLogger):
                import wandb

                logger.experiment.log({name: wandb.Histogram(values.numpy()), "iteration": module.iteration})
