"""The data of a run: crops travel as uint8, the degradation happens on the device.

Shapes: B batch, C = 3, H W image, P HQ patch, p = P // scale LQ patch. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from wildsr.data import Batch, Pairs, RunBatches, Sample, Samples
from wildsr.degradation import Recipe, SharpenSpec, degrade, sharpen
from wildsr.images import to_float


class TrainingPair(NamedTuple):
    """What one iteration sees: lq (B, C, p, p) and the targets of the three losses, each (B, C, P, P)."""

    lq: Tensor
    target_pixel: Tensor
    target_perceptual: Tensor
    target_adversarial: Tensor


class ValidationPair(NamedTuple):
    """One picture and its degraded version: lq (1, C, H // scale, W // scale), hq (1, C, H, W)."""

    lq: Tensor
    hq: Tensor


class DegradedPhotographs(L.LightningDataModule):
    """Training pairs by number and validation pairs with frozen recipes.

    Args:
        train: the endless list of samples.
        val: the validation pairs; None trains without validation.
        sharpening: where the sharpened HQ takes the HQ's place: as the source of the LQ, as a target.
        batch_size: the global batch, divided among the processes.
        workers: processes that decode and crop; 0 decodes in the main process.
        degrade_in: "device" degrades where the networks are, "worker" in the workers: the same pairs, bit for
            bit, where the device is the CPU.
    """

    def __init__(
        self,
        train: Samples,
        val: Pairs | None,
        sharpening: SharpenSpec,
        batch_size: int,
        workers: int = 0,
        degrade_in: str = "device",
    ) -> None:
        super().__init__()
        self.train, self.val, self.sharpening = train, val, sharpening
        self.batch_size, self.workers, self.degrade_in = batch_size, workers, degrade_in

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches from the module's own iteration on: a resumed run goes on with the pair it stopped before."""
        trainer = self.trainer
        assert trainer is not None
        start = getattr(trainer.lightning_module, "iteration", 0)
        batches = RunBatches(self.batch_size, start, trainer.global_rank, trainer.world_size)
        collate = self.pair if self.degrade_in == "worker" else Batch.collate
        return self._loader(self.train, collate, batch_sampler=batches, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        return [] if self.val is None else self._loader(self.val, Batch.collate, batch_size=1)

    def _loader(self, dataset: Any, collate: Callable[[Any], Any], **options: Any) -> DataLoader[Any]:
        return DataLoader(dataset, collate_fn=collate, pin_memory=torch.cuda.is_available(), **options)

    def pair(self, items: Sequence[tuple[Tensor, Sample]]) -> TrainingPair:
        """What a worker makes of its samples where it degrades them itself."""
        return training_pair(Batch.collate(items), self.sharpening, self.train.patch)

    def on_after_batch_transfer(
        self, batch: Batch[Any] | TrainingPair, dataloader_idx: int
    ) -> TrainingPair | ValidationPair:
        assert self.trainer is not None
        if isinstance(batch, TrainingPair):
            return batch
        if self.trainer.training:
            return training_pair(batch, self.sharpening, self.train.patch)
        return validation_pair(batch.hq[0], batch.drawn[0])


def sharpened(image: Tensor, sharpening: SharpenSpec) -> Tensor:
    """An image or a batch after the unsharp mask of a spec."""
    return sharpen(image, sharpening.radius, sharpening.sigma, sharpening.amount, sharpening.threshold)


@torch.no_grad()
def training_pair(batch: Batch[Sample], sharpening: SharpenSpec, patch: int) -> TrainingPair:
    """Sharpen, degrade and cut a batch: one recipe and one window an image."""
    hq = to_float(batch.hq)
    needed = sharpening.source or sharpening.target_pixel or sharpening.target_perceptual
    sharp = sharpened(hq, sharpening) if needed else hq
    source = sharp if sharpening.source else hq
    lqs, sharps, hqs = [], [], []
    for index, sample in enumerate(batch.drawn):
        scale = sample.recipe.scale
        top, left, side = sample.window_top, sample.window_left, patch // scale
        lq = degrade(source[index], sample.recipe)
        lqs.append(lq[:, top : top + side, left : left + side])
        rows = slice(top * scale, top * scale + patch)
        columns = slice(left * scale, left * scale + patch)
        sharps.append(sharp[index, :, rows, columns])
        hqs.append(hq[index, :, rows, columns])
    target, sharp_target = torch.stack(hqs), torch.stack(sharps)
    return TrainingPair(
        lq=torch.stack(lqs),
        target_pixel=sharp_target if sharpening.target_pixel else target,
        target_perceptual=sharp_target if sharpening.target_perceptual else target,
        target_adversarial=target,
    )


@torch.no_grad()
def validation_pair(image: Tensor, recipe: Recipe) -> ValidationPair:
    """Degrade one (C, H, W) uint8 picture; judged against the picture itself, never its sharpened version."""
    hq = to_float(image)
    return ValidationPair(degrade(hq, recipe)[None], hq[None])
