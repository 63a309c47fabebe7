"""The same windows of the same images at each validation, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch.nn.functional as F
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from PIL import Image
from torch import Tensor

from wildsr.checks import checked_integer
from wildsr.images import most_detailed, save_pil, to_pil
from wildsr.images.sheets import sheet
from wildsr.labels import image_title
from wildsr.metrics import PSNR
from wildsr.training.pairs import ValidationPair

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
        self.rows: dict[str, list[Any]] = {}  # the images of each row, by its caption

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking and batch_idx < self.images:
            name, images = list(trainer.datamodule.val.items())[dataloader_idx]  # type: ignore[attr-defined]
            image, version = images.label(batch_idx * trainer.world_size)  # the first process has every N-th of a set
            title = caption(image_title(image, version, name), batch, outputs)
            self.rows[title] = panel_row(batch, outputs, self.side)

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        if not self.rows:
            return
        rows = {text: [(image, "") for image in row] for text, row in self.rows.items()}
        self.rows = {}
        panel = sheet(list(rows.values()), heads=TITLES, names=list(rows))
        save_pil(panel, self.folder / f"iteration_{module.iteration:07d}.png")
        images = {text: sheet([row], heads=TITLES) for text, row in rows.items()}
        show(trainer.loggers, panel, images, module.iteration)


def caption(title: str, pair: ValidationPair, sr: Tensor) -> str:
    """Return what is said of an image: "chelsea.png, version 2: PSNR-Y 24.31 dB, bicubic 23.90 dB"."""
    if pair.hq is None:
        return title
    bicubic = F.interpolate(pair.lq, size=sr.shape[-2:], mode="bicubic").clamp(0, 1)
    scores = []
    for image in (sr, bicubic):
        metric = PSNR("y", border=sr.shape[-1] // pair.lq.shape[-1]).to(sr.device)
        score = metric(image, pair.hq)  # not `compute`, which waits for the other processes: they draw no panel
        scores.append(f"{float(score):.2f} dB")
    return f"{title}: PSNR-Y {scores[0]}, bicubic {scores[1]}"


def panel_row(pair: ValidationPair, sr: Tensor, side: int) -> list[Any]:
    """Return one window of LQ, bicubic, SR and, where there is one, HQ, as Pillow's images."""
    nearest, bicubic = (F.interpolate(pair.lq, size=sr.shape[-2:], mode=mode) for mode in ("nearest", "bicubic"))
    shown = [image[0] for image in (nearest, bicubic, sr, pair.hq) if image is not None]
    scale = sr.shape[-1] // pair.lq.shape[-1]
    window = most_detailed(bicubic[0] if pair.hq is None else pair.hq[0], side, scale)
    return [to_pil(image[:, *window]) for image in shown]


def show(loggers: Sequence[Any], panel: Any, images: Mapping[str, Any], step: int) -> None:
    """Hand a panel to the loggers that take images: to wandb each image of it with its caption."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image("panels", padded(list(images.values())), step=step, caption=list(images))
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("panels", np.asarray(panel), step, dataformats="HWC")


def padded(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Put images on white canvases of one size, as wandb wants those of one key; each stays at the top left."""
    size = max(image.width for image in images), max(image.height for image in images)
    canvases = [Image.new("RGB", size, "white") for _ in images]
    for canvas, image in zip(canvases, images, strict=True):
        canvas.paste(image)
    return canvases
