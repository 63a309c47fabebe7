"""The same windows of the same images at each validation, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch.nn.functional as F
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor

from wildsr.checks import checked_integer
from wildsr.images import most_detailed, save_picture, to_pil
from wildsr.images.sheets import sheet
from wildsr.training.pairs import ValidationPair
from wildsr.training.scalars import logged_step

TITLES = ("LQ", "bicubic", "SR", "HQ")


class Panels(L.Callback):
    """Show LQ, bicubic, SR and HQ of the first images of each validation set: as a PNG file, to wandb and tensorboard.

    Real photographs have no HQ.

    Args:
        folder: where the PNG files go.
        images: how many of each set a panel shows.
        side: of the window with the most detail, in HQ pixels.
    """

    def __init__(self, folder: str | Path, images: int = 3, side: int = 256) -> None:
        self.folder = Path(folder)
        self.images = checked_integer("images", images, 1, 1000)
        self.side = checked_integer("side", side, 8, 10**5)
        self.rows: list[list[Any]] = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking and batch_idx < self.images:
            self.rows.append(panel_row(batch, outputs, self.side))

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        if not self.rows:
            return
        panel = sheet([[(image, "") for image in row] for row in self.rows], heads=TITLES)
        self.rows = []
        save_picture(panel, self.folder / f"iteration_{module.iteration:07d}.png")
        show(trainer.loggers, panel, logged_step(trainer))


def panel_row(pair: ValidationPair, sr: Tensor, side: int) -> list[Any]:
    """Return one window of LQ, bicubic, SR and, where there is one, HQ, as Pillow's images."""
    nearest, bicubic = (F.interpolate(pair.lq, size=sr.shape[-2:], mode=mode) for mode in ("nearest", "bicubic"))
    shown = [image[0] for image in (nearest, bicubic, sr, pair.hq) if image is not None]
    scale = sr.shape[-1] // pair.lq.shape[-1]
    window = most_detailed(bicubic[0] if pair.hq is None else pair.hq[0], side, scale)
    return [to_pil(image[:, *window]) for image in shown]


def show(loggers: Sequence[Any], panel: Any, step: int) -> None:
    """Hand a panel to the loggers that take images."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image("panels", [panel], step=step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("panels", np.asarray(panel), step, dataformats="HWC")
