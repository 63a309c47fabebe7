"""The callback that writes windows of a run's validation images, and its report, at each validation."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from wildsr.apps.evaluate.crops import CROPS
from wildsr.apps.evaluate.files import write_displays
from wildsr.apps.evaluate.labels import content_of
from wildsr.apps.evaluate.windows import Windows
from wildsr.apps.report.drawn import DRAWN, look_at, write_drawn
from wildsr.apps.report.facts import Facts, read_facts, write_facts
from wildsr.apps.report.page import write_report
from wildsr.apps.report.runs import OVERRIDES
from wildsr.data import MixedSamples, PairedSamples, Samples, TrainingSamples
from wildsr.io import first_line, write_json
from wildsr.metrics.choice import own_displays
from wildsr.overrides import typed_overrides
from wildsr.training.provenance import code_version

log = logging.getLogger(__name__)


class Report(L.Callback):
    """Writes `folder`/report.html at each validation: readable while the run goes on, with what there is so far.

    What stops a report from being written does not stop the training: it is logged once.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.windows: Windows | None = None
        self.facts: Facts | None = None
        self.warned = False

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if trainer.is_global_zero:
            with self._warning():
                write_origin(self.folder, _data(trainer).samples)
                write_displays(own_displays(module.metrics or {}), self.folder)
                self.facts = facts_of(trainer, module)
                before = read_facts(self._stage(module)) if module.iteration else None
                self.begin = time.monotonic() - (before.seconds if before else 0.0)
                self._write_facts(module)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        if trainer.is_global_zero:
            with self._warning():
                self._write_facts(module)

    def on_validation_start(self, trainer: L.Trainer, module: Any) -> None:
        if self.windows is None and trainer.is_global_zero and not trainer.sanity_checking:
            stage = module.origin.get("stage", "")
            self.windows = Windows(self.folder, {stage: self.folder / stage / CROPS}, _data(trainer).val)

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        name, images = list(_data(trainer).val.items())[dataloader_idx]
        if self.windows is not None and (name, batch_idx) in self.windows.chosen:
            with self._warning():
                sr = dict.fromkeys(self.windows.methods, outputs)
                self.windows.write(name, batch_idx, images, batch, sr)

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        if self.windows is not None and self.windows.chosen:
            with self._warning():
                self.windows.write_list()
                self._write_facts(module)
                write_report(self.folder, running=(module.origin.get("stage", ""), module.iteration))

    def _stage(self, module: Any) -> Path:
        return self.folder / str(module.origin.get("stage", ""))

    def _write_facts(self, module: Any) -> None:
        if self.facts is not None:
            seconds = time.monotonic() - self.begin
            write_facts(dataclasses.replace(self.facts, seconds=seconds), self._stage(module))

    @contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            if not self.warned:
                log.warning("warning: the report is not up to date: %s", first_line(error))
            self.warned = True


def facts_of(trainer: L.Trainer, module: Any) -> Facts:
    """Return the facts of a stage that begins."""
    networks = {"generator": module.generator, "discriminator": module.discriminator}
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    return Facts(
        device=device_name(trainer.strategy.root_device),
        processes=trainer.world_size,
        seconds=0.0,
        parameters={
            name: sum(weight.numel() for weight in network.parameters())
            for name, network in networks.items()
            if network is not None
        },
        images=count_images(_data(trainer).samples),
        code=code_version(),
        sets={name: content_of(map(images.label, range(len(images)))) for name, images in _data(trainer).val.items()},
        job=hydra.job.num if hydra is not None and hydra.mode == RunMode.MULTIRUN else None,
    )


def device_name(device: torch.device) -> str:
    """Return a device as people know it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}" if device.type == "cpu" else device.type.upper()


def count_images(samples: TrainingSamples) -> int:
    """Return how many images, or pairs, training cuts its samples from."""
    if isinstance(samples, MixedSamples):
        return count_images(samples.paired) + count_images(samples.synthetic)
    return len(samples.files if isinstance(samples, PairedSamples) else samples.images)


def write_origin(run: Path, train: TrainingSamples) -> None:
    """Write the command line of a run and the draws of its degradation, for its report."""
    if HydraConfig.initialized():
        write_json(typed_overrides(HydraConfig.get()), run / OVERRIDES)
    synthetic = train.synthetic if isinstance(train, MixedSamples) else train
    if isinstance(synthetic, Samples):  # pairs from disk are degraded already
        write_drawn(look_at(synthetic.spec), run / DRAWN)


def _data(trainer: L.Trainer) -> Any:
    return trainer.datamodule  # type: ignore[attr-defined]
