"""The training samples that a network finds hardest, joined to what was done to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from wildsr.images import to_pil
from wildsr.io import write_rows
from wildsr.rules import whole


class Hardest(L.Callback):
    """After each epoch, its samples with the largest pixel loss: a CSV file, and a table with their pictures to wandb.

    Of several processes the first tells of its own samples.

    Args:
        file: the CSV file, written anew each time.
        most: how many samples.
    """

    def __init__(self, file: str | Path, most: int = 12) -> None:
        self.file, self.most = Path(file), whole(1, 1000)("most", most)
        self.seen: list[tuple[int, Tensor]] = []  # iteration, and the loss of each of its samples, on the device

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.seen.append((module.iteration, module.sample_losses))

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        if not self.seen or not trainer.is_global_zero:
            self.seen = []
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        losses = torch.cat([found for _, found in self.seen]).float().cpu()
        numbers = [number for iteration, _ in self.seen for number in data.numbers(iteration)]
        self.seen = []
        rows, pictures = [], []
        for place in losses.topk(min(self.most, len(losses))).indices.tolist():
            item = data.train[numbers[place]]
            rows.append(row(float(losses[place]), data.train.name(item.drawn), item.drawn))
            pictures.append(data.pair([item]))
        write_rows(rows, self.file)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                table(logger, rows, pictures)


def row(loss: float, picture: str, sample: Any) -> dict[str, Any]:
    """What is told of one sample."""
    recipe = "as found" if sample.recipe is None else sample.recipe.describe()
    place = {"number": sample.number, "picture": picture, "left": sample.left, "top": sample.top}
    return {"loss": round(loss, 5), **place, "recipe": recipe}


def table(logger: WandbLogger, rows: list[dict[str, Any]], pictures: list[Any]) -> None:
    import wandb

    images = [[wandb.Image(to_pil(image[0])) for image in (pair.lq, pair.target_adversarial)] for pair in pictures]
    data = [[*found.values(), *pair] for found, pair in zip(rows, images, strict=True)]
    logger.log_table("hardest samples", columns=[*rows[0], "LQ", "HQ"], data=data)
