"""The training samples with the largest losses, joined to what was done to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from wildsr.checks import checked_integer
from wildsr.data import Batch
from wildsr.images import to_pil
from wildsr.io import write_rows


class HardExamples(L.Callback):
    """After each epoch, list its samples with the largest pixel loss: a CSV file, and a table with images to wandb.

    Of several processes the first tells of its own samples.

    Args:
        file: the CSV file, written anew each time.
        count: how many samples.
    """

    def __init__(self, file: str | Path, count: int = 12) -> None:
        self.file, self.count = Path(file), checked_integer("count", count, 1, 1000)
        self.seen: list[tuple[int, Tensor]] = []  # iteration, and the loss of each of its samples, on the device

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        if trainer.is_global_zero:
            self.seen.append((module.iteration, module.sample_losses))

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        seen, self.seen = self.seen, []
        if not seen:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        losses = torch.cat([found for _, found in seen]).float().cpu()
        numbers = [number for iteration, _ in seen for number in data.numbers(iteration)]
        places = losses.topk(min(self.count, len(losses))).indices.tolist()
        items = [data.samples[numbers[place]] for place in places]
        rows = [row(float(losses[place]), data.samples, item.params) for place, item in zip(places, items, strict=True)]
        write_rows(rows, self.file)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                device = trainer.strategy.root_device
                log_table(logger, rows, [data.make_pairs(Batch.collate([item]).to(device)) for item in items])


def row(loss: float, samples: Any, sample: Any) -> dict[str, Any]:
    """Return what is told of one sample."""
    recipe = "as found" if sample.recipe is None else sample.recipe.describe()
    place = {"number": sample.number, "image": samples.name(sample), "left": sample.left, "top": sample.top}
    return {"loss": round(loss, 5), **place, "recipe": recipe}


def log_table(logger: WandbLogger, rows: list[dict[str, Any]], pairs: list[Any]) -> None:
    """Hand rows to wandb, with LQ and HQ beside each."""
    import wandb

    images = [[wandb.Image(to_pil(image[0])) for image in (pair.lq, pair.target_adversarial)] for pair in pairs]
    data = [[*found.values(), *both] for found, both in zip(rows, images, strict=True)]
    logger.log_table("hard examples", columns=[*rows[0], "LQ", "HQ"], data=data)
