"""What a person sees while it trains: a progress line and panels, counted in iterations.

Shapes: C = 1 or 3, H W image.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch.nn.functional as F
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wildsr.images import most_detailed, save_picture, to_pil
from wildsr.images.sheets import sheet
from wildsr.rules import whole
from wildsr.training.curves import mean_scalars

SHORT = {"loss/perceptual": "perc", "loss/adversarial": "adv", "loss/discriminator": "D"}  # for 80 columns
PLAIN_EVERY = 10.0  # seconds between two lines where the output is no terminal


class ProgressLine(L.Callback):
    """One bar a stage: iterations done, losses (means over all processes), time left. Plain lines where the output is
    no terminal.

    Args:
        every: iterations between two readings of the losses; each reading waits for the device.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = whole(1, 10**9)("every", every)
        self.console = Console(file=sys.stderr)
        self.progress: Progress | None = None
        self.start = self.spoken = 0.0
        self.first = 0

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.start = self.spoken = time.monotonic()
        self.first = module.iteration
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left  {task.fields[losses]}"),  # last: a narrow terminal cuts here, never the time
            console=self.console,
        )
        self.progress.start()
        self.progress.add_task(
            f"{module.stage.name} stage", total=module.stage.iterations, completed=self.first, losses=""
        )

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        done = module.iteration
        if done % self.every and done != module.stage.iterations:
            return
        means = mean_scalars(trainer, module)  # in every process
        if not trainer.is_global_zero:
            return
        losses = "  ".join(
            f"{SHORT.get(name, name.removeprefix('loss/'))} {value:.3g}"
            for name, value in means.items()
            if name.startswith("loss/")
        )
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], completed=done, losses=losses)
        elif time.monotonic() - self.spoken > PLAIN_EVERY or done == module.stage.iterations:
            self.spoken = time.monotonic()
            left = (self.spoken - self.start) / (done - self.first) * (module.stage.iterations - done)
            print(
                f"{module.stage.name} stage  {done}/{module.stage.iterations}  {losses}  {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def on_exception(self, trainer: L.Trainer, module: Any, exception: BaseException) -> None:
        self.on_train_end(trainer, module)


class Panels(L.Callback):
    """LQ, bicubic, SR and HQ of the first pictures of each validation set at each validation, always the same window:
    to wandb and tensorboard where they are on, and as a PNG file in the run's folder. Real photographs have no HQ.

    Args:
        folder: where the PNG files go.
        pictures: how many of each set a panel shows.
        side: of the window with the most detail, in HQ pixels.
    """

    def __init__(self, folder: str | Path, pictures: int = 3, side: int = 256) -> None:
        self.folder, self.pictures, self.side = Path(folder), pictures, whole(8, 10**5)("side", side)
        self.rows: list[list[Any]] = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if not trainer.is_global_zero or trainer.sanity_checking or batch_idx >= self.pictures:
            return
        lq, cubic = (F.interpolate(batch.lq, size=outputs.shape[-2:], mode=mode) for mode in ("nearest", "bicubic"))
        shown = [image[0] for image in (lq, cubic, outputs, batch.hq) if image is not None]
        scale = outputs.shape[-1] // batch.lq.shape[-1]
        window = most_detailed(cubic[0] if batch.hq is None else batch.hq[0], self.side, scale)
        self.rows.append([to_pil(image[:, *window]) for image in shown])

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        if not self.rows:
            return
        picture = sheet([list(zip(row, ("LQ", "bicubic", "SR", "HQ"), strict=False)) for row in self.rows])
        self.rows = []
        save_picture(picture, self.folder / f"iteration_{module.iteration:07d}.png")
        show(trainer.loggers, picture, module.iteration)


def show(loggers: Sequence[Any], picture: Any, iteration: int) -> None:
    """Hand a panel to the loggers that take pictures."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image("panels", [picture], step=iteration)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("panels", np.asarray(picture), iteration, dataformats="HWC")
