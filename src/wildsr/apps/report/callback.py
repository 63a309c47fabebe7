"""The callback that writes windows of a run's validation images, and its report, at each validation."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig

from wildsr.apps.evaluate.crops import CROPS
from wildsr.apps.evaluate.files import write_displays
from wildsr.apps.evaluate.windows import Windows
from wildsr.apps.report.drawn import DRAWN, look_at, write_drawn
from wildsr.apps.report.page import write_report
from wildsr.apps.report.runs import OVERRIDES
from wildsr.data import MixedSamples, Samples, TrainingSamples
from wildsr.images import first_line, write_whole
from wildsr.metrics.choice import own_displays
from wildsr.overrides import typed_overrides

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
        self.warned = False

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if trainer.is_global_zero:
            with self._warning():
                write_facts(self.folder, _data(trainer).samples)
                write_displays(own_displays(module.metrics or {}), self.folder)

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
                write_report(self.folder, running=(module.origin.get("stage", ""), module.iteration))

    @contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            if not self.warned:
                log.warning("warning: the report is not up to date: %s", first_line(error))
            self.warned = True


def write_facts(run: Path, train: TrainingSamples) -> None:
    """Write the command line of a run and the draws of its degradation, for its report."""
    if HydraConfig.initialized():
        words = typed_overrides(HydraConfig.get())
        write_whole(run / OVERRIDES, lambda file: file.write(json.dumps(words).encode()))
    synthetic = train.synthetic if isinstance(train, MixedSamples) else train
    if isinstance(synthetic, Samples):  # pairs from disk are degraded already
        write_drawn(look_at(synthetic.spec), run / DRAWN)


def _data(trainer: L.Trainer) -> Any:
    return trainer.datamodule  # type: ignore[attr-defined]
