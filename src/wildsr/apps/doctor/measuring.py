"""Inside the process of a burst: a few real iterations of a stage, and one validated image of each set, measured.

Networks and optimisers start at random: neither time nor memory depends on their values.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf

from wildsr.apps.evaluate.evaluator import shown_pair
from wildsr.apps.upscale.backends import find_device
from wildsr.building import is_rank_zero
from wildsr.data import ValidationSet
from wildsr.io import first_line, write_whole
from wildsr.networks.memory import free_memory, is_out_of_memory
from wildsr.stage import Stage
from wildsr.training import SuperResolution
from wildsr.training.scalar_logger import peak_memory
from wildsr.training.stops import AGREE_EVERY, agree
from wildsr.training.validation import SetMetrics, upscale_batch

PREFETCHED = 2  # batches that each worker of a DataLoader has ready before the first iteration asks


class Meter(L.Callback):
    """Times iterations once they are steady, then ends the fit.

    Steady is what comes after the batches that the workers had ready, or after `seconds`, as what comes first.

    Args:
        seconds: how long it measures; one iteration at least.
    """

    def __init__(self, seconds: float) -> None:
        self.limit = seconds
        self.begin = self.ended = self.waited = self.taken = 0.0
        self.steady = self.iterations = 0

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.begin = self.ended = time.monotonic()

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.waited += time.monotonic() - self.ended

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        done, passed = module.iteration, time.monotonic() - self.begin
        late = passed >= self.limit
        if agree(trainer, self.steady > 0 and late and trainer.is_global_zero, is_due=done % AGREE_EVERY == 0):
            self.iterations, self.taken = done - self.steady, now() - self.begin
            trainer.should_stop = True
        elif not self.steady and (late or done > PREFETCHED * trainer.datamodule.workers):  # type: ignore[attr-defined]
            self.steady, self.begin, self.waited = done, now(), 0.0
        self.ended = time.monotonic()


def main(file: str) -> None:
    """Measure the stage whose configuration is in `file`; what was found goes into the file of the same name, .json."""
    found: dict[str, Any]
    try:
        found = measure(OmegaConf.load(file))  # type: ignore[arg-type]
    except Exception as error:  # whatever it is, the run would meet it too
        found = {"error": first_line(error), "out_of_memory": is_out_of_memory(error)}
    if is_rank_zero():
        write_whole(Path(file).with_suffix(".json"), lambda target: target.write(json.dumps(found).encode()))


def measure(cfg: DictConfig) -> dict[str, Any]:
    """Fit for `meter.seconds`, validate an image of each set; returns figures by name.

    `iterations` in `seconds`, `waited` of them for pairs; `validation` seconds for all sets; `peak` and `free`, bytes
    on the GPU, or without one in this process's memory and for it; `workers`, `threads`, and `degrade_in`.

    Raises:
        whatever a run would.
    """
    free = free_memory(find_device()) if torch.cuda.is_available() else free_memory(find_device()) + peak_memory()
    limit_memory()
    stage = Stage(cfg, cfg.stage.name)
    data, trainer = stage.data, stage.trainer
    sets, data.val = data.val, {}
    stage.train(time.monotonic())
    meter = next(callback for callback in trainer.callbacks if isinstance(callback, Meter))  # type: ignore[attr-defined]
    validation = validation_time(stage.module, sets, find_device()) / trainer.world_size if is_rank_zero() else 0.0
    return {
        "iterations": meter.iterations, "seconds": meter.taken, "waited": meter.waited, "validation": validation,
        "peak": peak_memory(), "free": free, "workers": data.workers, "threads": torch.get_num_threads(),
        "degrade_in": data.degrade_in,
    }  # fmt: skip


@torch.no_grad()
def validation_time(module: SuperResolution, sets: dict[str, ValidationSet], place: torch.device) -> float:
    """Return the seconds for all images of all sets, by the first of each."""
    network = module.ema.module.to(place)
    total = 0.0
    for images in sets.values():
        begin = now()
        pair = shown_pair(images[0], place)
        sr = upscale_batch(network, pair.lq)
        SetMetrics(module.metrics, pair, sr).update(sr, pair.hq)
        total += (now() - begin) * len(images)
    return total


def now() -> float:
    """Return the time in seconds, after all that the device was asked to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def limit_memory() -> None:
    """Let this process take what is free and no more: else the system would end a process of its own choice.

    On Linux, without a GPU, whose driver reserves more addresses than there is memory.
    """
    if torch.cuda.is_available():
        return
    with suppress(OSError, ValueError, StopIteration, ImportError):
        import resource

        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        taken = 1024 * int(next(line for line in lines if line.startswith("VmData")).split()[1])
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (taken + free_memory(torch.device("cpu")), most))
