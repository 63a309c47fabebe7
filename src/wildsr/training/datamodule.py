"""The data of a run: crops travel as uint8, the degradation happens on the device.

Shapes: B batch, C = 1 or 3, H W image, P HQ patch, p = P // scale LQ patch. Images are float32 in [0, 1].
"""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.util  # its own way of ending workers is registered here
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from wildsr.data import Batch, Item, RunBatches, Sample, TrainingSamples, ValidationSet
from wildsr.degradation import Recipe, SharpenSpec, degrade, sharpen
from wildsr.images import to_float
from wildsr.training.stops import SIGNALS


class TrainingPair(NamedTuple):
    """What one iteration sees: lq (B, C, p, p) and the targets of the three losses, each (B, C, P, P)."""

    lq: Tensor
    target_pixel: Tensor
    target_perceptual: Tensor
    target_adversarial: Tensor


class ValidationPair(NamedTuple):
    """One picture: lq (1, C, H // scale, W // scale), hq (1, C, H, W), or None for a real photograph."""

    lq: Tensor
    hq: Tensor | None


class DegradedPhotographs(L.LightningDataModule):
    """Training pairs by number, and validation sets by name.

    Args:
        train: the endless list of samples.
        val: the validation sets; without any it trains without validation.
        sharpening: where the sharpened HQ takes the HQ's place: as the source of the LQ, as a target.
        batch_size: the global batch, divided among the processes.
        workers: processes that decode and crop; 0 decodes in the main process.
        degrade_in: "device" degrades where the networks are, "worker" in the workers: the same pairs, bit for
            bit, where the device is the CPU.
    """

    def __init__(
        self,
        train: TrainingSamples,
        val: Mapping[str, ValidationSet],
        sharpening: SharpenSpec,
        batch_size: int,
        workers: int = 0,
        degrade_in: str = "device",
    ) -> None:
        super().__init__()
        self.train, self.val, self.sharpening = train, dict(val), sharpening
        self.batch_size, self.workers, self.degrade_in = batch_size, workers, degrade_in
        # No method: where workers are spawned, all that it belongs to would have to go to them.
        self.pair: Callable[[Sequence[Item[Sample]]], TrainingPair]
        self.pair = partial(degraded, sharpening=sharpening, patch=train.patch)

    def numbers(self, iteration: int) -> range:
        """The numbers of the samples that this process sees in the n-th iteration, counted from 1."""
        assert self.trainer is not None
        share = self.batch_size // self.trainer.world_size
        first = (iteration - 1) * self.batch_size + self.trainer.global_rank * share
        return range(first, first + share)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches from the module's own iteration on: a resumed run goes on with the pair it stopped before."""
        trainer = self.trainer
        assert trainer is not None
        start = getattr(trainer.lightning_module, "iteration", 0)
        batches = RunBatches(self.batch_size, start, trainer.global_rank, trainer.world_size)
        collate = self.pair if self.degrade_in == "worker" else Batch.collate
        return self._loader(self.train, collate, batch_sampler=batches, num_workers=self.workers)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """One loader a set; process r of n judges every n-th picture from r on, none of them twice.

        Where there are fewer pictures than processes, those without one go through the first: one that has nothing to
        do would leave validation before the figures are exchanged. `judges` tells.
        """
        trainer = self.trainer
        assert trainer is not None
        rank, world = trainer.global_rank, trainer.world_size
        return [
            self._loader(pictures, Batch.collate, batch_size=1, sampler=range(rank, len(pictures), world) or range(1))
            for pictures in self.val.values()
        ]

    def judges(self, number: int) -> bool:
        """Whether the pictures that this process sees of the set of that number count."""
        assert self.trainer is not None
        return self.trainer.global_rank < len(list(self.val.values())[number])

    def _loader(self, dataset: Any, collate: Callable[[Any], Any], **options: Any) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=leave_signals_to_the_main_process,
            **options,
        )

    def on_after_batch_transfer(
        self, batch: Batch[Any] | TrainingPair, dataloader_idx: int
    ) -> TrainingPair | ValidationPair:
        assert self.trainer is not None
        if isinstance(batch, TrainingPair):
            return batch
        if self.trainer.training:
            return training_pair(batch, self.sharpening, self.train.patch)
        return validation_pair(batch)


def degraded(items: Sequence[Item[Sample]], sharpening: SharpenSpec, patch: int) -> TrainingPair:
    """What samples become where they are degraded at once, as by a worker."""
    return training_pair(Batch.collate(items), sharpening, patch)


@atexit.register  # behind multiprocessing's own, so that it runs before it
def end_workers() -> None:
    """What ends by an error leaves workers behind that do not hear SIGTERM; Python would wait for them without end."""
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


def leave_signals_to_the_main_process(_: int) -> None:
    """A terminal's Ctrl-C and a cluster's SIGTERM reach workers, too: the main process still wants their next batch."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def sharpened(image: Tensor, sharpening: SharpenSpec) -> Tensor:
    """An image or a batch after the unsharp mask of a spec."""
    return sharpen(image, sharpening.radius, sharpening.sigma, sharpening.amount, sharpening.threshold)


@torch.no_grad()
def training_pair(batch: Batch[Sample], sharpening: SharpenSpec, patch: int) -> TrainingPair:
    """Sharpen, degrade and cut a batch: one recipe and one window an image.

    A pair that was found as such has its LQ as it is, never sharpened; its targets are sharpened as the others' are.
    """
    assert batch.hq is not None
    hq = to_float(batch.hq)
    needed = sharpening.source or sharpening.target_pixel or sharpening.target_perceptual
    sharp = sharpened(hq, sharpening) if needed else hq
    source = sharp if sharpening.source else hq
    found = iter(() if batch.lq is None else to_float(batch.lq))
    lqs, sharps, hqs = [], [], []
    for index, sample in enumerate(batch.drawn):
        lq = next(found) if sample.recipe is None else degrade(source[index], sample.recipe)
        scale = hq.shape[-1] // lq.shape[-1]
        top, left, side = sample.window_top, sample.window_left, patch // scale
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
def validation_pair(batch: Batch[Recipe | None]) -> ValidationPair:
    """LQ and HQ of a batch of one picture; judged against the picture itself, never its sharpened version."""
    hq = None if batch.hq is None else to_float(batch.hq)
    if batch.lq is not None:
        return ValidationPair(to_float(batch.lq), hq)
    recipe = batch.drawn[0]
    assert hq is not None and recipe is not None
    return ValidationPair(degrade(hq[0], recipe)[None], hq)
