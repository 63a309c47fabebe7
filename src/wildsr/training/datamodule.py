"""The data of a run: crops travel as uint8, the degradation happens on the device."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, Subset

from wildsr.checks import checked_choice, checked_integer, checked_number, refuse
from wildsr.data import Batch, MixedSamples, PairedFiles, PairedSamples, Samples, TrainingSamples, ValidationSet
from wildsr.data.samples import Images
from wildsr.degradation import SharpenSpec
from wildsr.io import ConfigError
from wildsr.scores import MAIN
from wildsr.training.pairs import PairMaker, TrainingPair, ValidationPair
from wildsr.training.stops import SIGNALS

log = logging.getLogger(__name__)


class DegradedPhotographs(L.LightningDataModule):
    """Give training pairs by number, and validation sets by name.

    The n-th sample is always the same. Iteration i of the module takes the samples i * batch_size to
    (i + 1) * batch_size - 1, whatever the number of processes: no sample comes twice, neither in another epoch nor
    after a resume, for the sampler reads `iteration` of the module that is trained at each start.

    Args:
        train: photographs by number; None where all samples are pairs.
        degradation: images and recipes to LQ images; its `spec` draws the recipes and has the scale.
        batch_size: of all processes together.
        val: validation sets by name, the first of them the main one, or one set. None: no validation.
        sharpen: where the sharpened HQ takes the HQ's place; None: nowhere.
        crop: HQ pixels a side that are read and degraded.
        patch: HQ pixels a side that the networks see, cut out of the crop.
        seed: everything random follows from it and from `stage`.
        stage: the stage's number; stages of different numbers share no sample.
        iterations_per_epoch: the length of an epoch, after which Lightning validates.
        workers: processes that decode and crop; 0 decodes in the main process.
        degrade_in: "device" degrades where the networks are, on a GPU a batch at a time, but for samples with a codec
            that runs on the CPU; "worker" in the workers: the same pairs, bit for bit, where the device is the CPU.
        pairs: LQ and HQ that belong together, mixed in by `paired_share`, a probability.
        channels: of the images, as the networks take them: 3, or 1 for the luma.
        rotate: turn crops by quarter turns, too, as the sample's number says; else they are flipped only.

    Raises:
        TypeError: `train` is a folder's name, or `degradation` no module.
        ValueError: a value is impossible, or what `paired_share` asks for is missing.
    """

    def __init__(
        self,
        train: Images | None,
        degradation: nn.Module,
        batch_size: int,
        val: Mapping[str, ValidationSet] | ValidationSet | None = None,
        sharpen: SharpenSpec | None = None,
        crop: int = 400,
        patch: int = 256,
        seed: int = 0,
        stage: int = 0,
        iterations_per_epoch: int = 5000,
        workers: int = 0,
        degrade_in: str = "device",
        pairs: PairedFiles | None = None,
        paired_share: float = 0.0,
        channels: int = 3,
        rotate: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(train, str | Path):  # a text is a sequence of samples, too
            raise TypeError(f"train: given {str(train)!r}, wanted images, such as Photographs({str(train)!r})")
        if not isinstance(degradation, nn.Module):
            raise TypeError(f"degradation: given a {type(degradation).__name__}, wanted a module: Degradation(spec)")
        self.batch_size = checked_integer("batch_size", batch_size, 1, 10**6)
        self.iterations_per_epoch = checked_integer("iterations_per_epoch", iterations_per_epoch, 1, 10**9)
        self.workers = checked_integer("workers", workers, 0, 1024)
        self.degrade_in = checked_choice("degrade_in", degrade_in, ("device", "worker"))
        key = {"crop": crop, "patch": patch, "seed": seed, "stage": stage, "channels": channels, "rotate": rotate}
        checked_number("paired_share", paired_share, 0, 1)
        self.samples = training_samples(train, pairs, paired_share, degradation, key)
        self.val: dict[str, ValidationSet] = {}
        if val is not None:
            self.val = dict(val) if isinstance(val, Mapping) else {MAIN: val}
        self.make_pairs = PairMaker(degradation, sharpen, patch)

    def setup(self, stage: str) -> None:
        device = self._process.strategy.root_device
        if self.degrade_in == "device":
            self.make_pairs.to(device)
        codecs = getattr(self.make_pairs.degradation.spec, "on_cpu", ())
        is_told = stage == "fit" and self.degrade_in == "device" and device.type == "cuda"
        if codecs and is_told and self._process.is_global_zero:
            log.info("%s: computed on the CPU, so such samples are degraded in the workers", ", ".join(codecs))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> TrainingPair | ValidationPair:
        pair: TrainingPair | ValidationPair = self.make_pairs(batch)
        if isinstance(pair, ValidationPair):
            own = len(list(self.val.values())[dataloader_idx]) > self._process.global_rank
            return pair._replace(is_repeated=not own)
        return pair

    def numbers(self, iteration: int) -> range:
        """Return the numbers of the samples that this process sees in the n-th iteration, counted from 1."""
        share = self.batch_size // self._process.world_size
        first = (iteration - 1) * self.batch_size + self._process.global_rank * share
        return range(first, first + share)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return batches from the module's own iteration on.

        Raises:
            ValueError: the processes cannot share the batch.
        """
        share, rest = divmod(self.batch_size, self._process.world_size)
        if rest:
            raise refuse("batch_size", self.batch_size, f"a multiple of {self._process.world_size} processes")
        return make_loader(self.samples, IterationSampler(self), share, self._collate(), self.workers)

    def _collate(self) -> Callable[[Any], Any]:
        """Return what makes a batch of samples: pairs, or what the device makes them of."""
        if self.degrade_in == "worker":
            return self.make_pairs.collate_pairs
        if self._process.strategy.root_device.type == "cuda":
            return self.make_pairs.collate_for_gpu
        return Batch.collate

    def val_dataloader(self) -> dict[str, DataLoader[Any]]:
        """Return a loader for each set; process r of n shows every n-th image from r on, none of them twice.

        Where there are fewer images than processes, those without one repeat the first: one that has nothing to do
        would leave validation before the scores are exchanged.
        """
        rank, world = self._process.global_rank, self._process.world_size
        loaders: dict[str, DataLoader[Any]] = {}
        for name, images in self.val.items():
            own = Subset(images, range(rank, len(images), world) or range(1))
            # Lightning leaves such a sampler in its place.
            in_order: DistributedSampler[Any] = DistributedSampler(own, num_replicas=1, rank=0, shuffle=False)
            loaders[name] = make_loader(own, in_order, 1, Batch.collate)
        return loaders

    @property
    def _process(self) -> L.Trainer:
        assert self.trainer is not None
        return self.trainer


class IterationSampler(DistributedSampler[Any]):
    """Hand out the numbers of one epoch's samples, of one process, from where the module stands at each start.

    It is a DistributedSampler, so that Lightning leaves it in its place.
    """

    def __init__(self, data: DegradedPhotographs) -> None:
        self.data = data

    def __iter__(self) -> Iterator[int]:
        assert self.data.trainer is not None
        done: int = getattr(self.data.trainer.lightning_module, "iteration", 0)
        for iteration in range(done, done + self.data.iterations_per_epoch):
            yield from self.data.numbers(iteration + 1)

    def __len__(self) -> int:
        return self.data.iterations_per_epoch * len(self.data.numbers(1))


class ResumableLoader(DataLoader[Any]):
    """Go on where the module stands; having these methods, a loader is believed by Lightning to do so."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def training_samples(
    train: Images | None, pairs: PairedFiles | None, share: float, degradation: nn.Module, key: dict[str, Any]
) -> TrainingSamples:
    """Return the endless list of samples: degraded photographs, pairs from disk, or both by the share of pairs.

    Raises:
        ValueError: what the share asks for is missing.
    """
    if train is None and share < 1:
        raise ConfigError(f"train: given nothing, wanted photographs to degrade, as paired_share={share:g}")
    if pairs is None and share > 0:
        raise ConfigError(f"pairs: given nothing, wanted pairs, as paired_share={share:g}")
    spec: Any = degradation.spec
    if pairs is None or share == 0:
        return Samples(train, spec, **key)  # type: ignore[arg-type]
    paired = PairedSamples(pairs, **key)
    if train is None or share == 1:
        return paired
    return MixedSamples(paired, Samples(train, spec, **key), share)


def make_loader(
    dataset: Any, sampler: DistributedSampler[Any], batch_size: int, collate: Callable[[Any], Any], workers: int = 0
) -> ResumableLoader:
    """Return a loader. Workers stay from epoch to epoch, and Lightning ends them with the loader, however it ends."""
    return ResumableLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=leave_signals_to_the_main_process,
    )


def leave_signals_to_the_main_process(_: int) -> None:
    """Ignore Ctrl-C and a cluster's SIGTERM in a worker: the main process still wants its next batch."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
