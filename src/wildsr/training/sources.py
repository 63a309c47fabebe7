"""The data of a run, built from its configuration and looked at before anything runs."""

from __future__ import annotations

import os

import torch
from omegaconf import DictConfig

from wildsr.config import build
from wildsr.data import Pairs, Samples
from wildsr.degradation import DegradationSpec
from wildsr.rules import one_of, whole
from wildsr.training.datamodule import DegradedPhotographs


def build_data(cfg: DictConfig) -> DegradedPhotographs:
    """The data module; the first training and validation pictures are read, so that bad data stops here."""
    data = cfg.data
    for key in ("crop", "patch", "batch_size", "val_recipes"):
        whole(1, 10**6)(f"data.{key}", data[key])
    whole(0, 2**31 - 1)("seed", cfg.seed)
    train = Samples(
        images=build(data.train, "data.train"),
        spec=build(cfg.degradation, "degradation"),
        crop=data.crop,
        patch=data.patch,
        seed=cfg.seed,
    )
    train[0]
    val = None
    if data.val is not None:
        images = build(data.val, "data.val")
        side, path = images.smallest()
        whole(96 + 2 * cfg.scale, 10**9)(f"shortest side of {path}, for validation", side)  # NIQE's blocks
        # Judged on the released recipe whatever the run trains on, so that runs can be compared.
        val = Pairs(images, DegradationSpec(scale=cfg.scale), data.val_recipes)
        val[0]
    workers, degrade_in = places(data.workers, data.degrade_in)
    return DegradedPhotographs(train, val, build(cfg.sharpen, "sharpen"), data.batch_size, workers, degrade_in)


def places(workers: int | None, degrade_in: str | None) -> tuple[int, str]:
    """How many workers there are and where the degradation runs, found from the machine where None is given.

    With a GPU: workers decode, the GPU degrades. Without: the networks need the cores, so a worker is worth it only
    where there are four cores for each, and then it degrades, too.

    Raises:
        ValueError: no such number or place.
    """
    cores, gpu = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, has_gpu()
    if workers is None:
        workers = min(8, cores - 1) if gpu else cores // 4
    whole(0, 1024)("data.workers", workers)
    if degrade_in is None:
        degrade_in = "device" if gpu or not workers else "worker"
    return workers, one_of("worker", "device")("data.degrade_in", degrade_in)


def has_gpu() -> bool:
    """Whether there is a CUDA device."""
    return torch.cuda.is_available()
