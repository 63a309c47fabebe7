"""The data of a run, built from its configuration and looked at before anything runs."""

from __future__ import annotations

import os
import re

import torch
from omegaconf import DictConfig, OmegaConf

from wildsr.config import build
from wildsr.data import (
    MixedSamples,
    PairedFiles,
    PairedPictures,
    PairedSamples,
    Samples,
    TrainingSamples,
    ValidationSet,
    large_enough,
    validation_set,
)
from wildsr.data.samples import Images
from wildsr.metrics import chosen_metrics
from wildsr.metrics.choice import WITHOUT_REFERENCE
from wildsr.metrics.fidelity import WINDOW
from wildsr.metrics.niqe import BLOCK
from wildsr.rules import number, one_of, refuse, whole
from wildsr.training.datamodule import DegradedPhotographs
from wildsr.training.validation import MAIN


def build_data(cfg: DictConfig) -> DegradedPhotographs:
    """The data module; each set's first picture and the first training sample are read, so that bad data stops here."""
    data = cfg.data
    check_networks(cfg)
    for key in ("crop", "patch", "batch_size", "val_recipes"):
        whole(1, 10**6)(f"data.{key}", data[key])
    whole(0, 2**31 - 1)("seed", cfg.seed)
    train = build_samples(cfg)
    train[0]
    workers, degrade_in = places(data.workers, data.degrade_in)
    sharpening = build(cfg.sharpen, "sharpen")
    return DegradedPhotographs(train, build_sets(cfg), sharpening, data.batch_size, workers, degrade_in)


def channels_of(cfg: DictConfig) -> int:
    """The channels of networks and pictures: the generator's own key, which takes `channels` unless it is overridden.

    Raises:
        ValueError: neither 1 (grey) nor 3 (RGB).
    """
    # A network of another kind may have another key.
    given = OmegaConf.select(cfg, "generator.network.channels", default=cfg.channels)
    if type(given) is not int or given not in (1, 3):
        raise refuse("channels", given, "1 (grey) or 3 (RGB) to train on")
    return given


def check_networks(cfg: DictConfig) -> None:
    """See that generator and discriminator take the pictures that the run reads.

    Raises:
        ValueError: a key of a network differs from the run's, which is for all of it.
    """
    wanted = {"generator.network.scale": cfg.scale, "discriminator.network.channels": channels_of(cfg)}
    for key, value in wanted.items():
        given = OmegaConf.select(cfg, key, default=value)
        if given != value:
            word = key.rpartition(".")[2]
            raise ValueError(f"{key}: given {given}, wanted {value} as elsewhere in the run; {word}=N sets it for all")


def build_samples(cfg: DictConfig) -> TrainingSamples:
    """The endless list of training samples: degraded photographs, pairs from disk, or both by `data.paired_share`.

    Raises:
        ValueError: the share is none, or what it asks for is missing or does not fit.
    """
    data, stage = cfg.data, whole(0, 2**31 - 1)("stage.number", cfg.stage.get("number", 0))
    share = number(0, 1)("data.paired_share", data.paired_share)
    spec, channels = build(cfg.degradation, "degradation"), channels_of(cfg)
    if share < 1 and data.train is None:
        raise ValueError(f"data.train: given nothing, wanted photographs to degrade, as data.paired_share={share:g}")
    if share == 0:
        return Samples(photographs(cfg), spec, data.crop, data.patch, cfg.seed, stage, channels)
    files: PairedFiles = build(data.pairs, "data.pairs")
    paired = PairedSamples(files, data.crop, data.patch, cfg.seed, stage, channels)
    paired[0]
    if share == 1:
        return paired
    synthetic = Samples(photographs(cfg), spec, data.crop, data.patch, cfg.seed, stage, channels)
    synthetic[0]
    return MixedSamples(paired, synthetic, share, cfg.seed, stage)


def photographs(cfg: DictConfig) -> Images:
    """The pictures to degrade, without the undersized ones where `data.undersized` says so."""
    images = build(cfg.data.train, "data.train")
    leave_out = one_of("pad", "leave_out")("data.undersized", cfg.data.undersized) == "leave_out"
    return large_enough(images, cfg.data.crop) if leave_out else images


def build_sets(cfg: DictConfig) -> dict[str, ValidationSet]:
    """The validation sets by name, the main one first; none where `data.val` is null.

    Raises:
        ValueError: a set's name, files or sizes do not fit, or there is no such metric.
    """
    if cfg.data.val is None:
        return {}
    chosen_metrics(cfg.metrics, cfg.scale)  # says now what is wrong or cannot be had
    val, channels = build(cfg.data.val, "data.val"), channels_of(cfg)
    sets: dict[str, ValidationSet] = {
        MAIN: PairedPictures(val, channels)
        if isinstance(val, PairedFiles)
        else validation_set(cfg.scale, hq=val, recipes=cfg.data.val_recipes, channels=channels)
    }
    for name, node in cfg.data.sets.items():
        if name == MAIN or not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"data.sets.{name}: wanted another name than {MAIN}, of letters, digits, _ and -")
        if node is not None:
            target = {"_target_": "wildsr.data.validation_set", "scale": cfg.scale, "channels": channels}
            sets[name] = build(node, f"data.sets.{name}", **target)
    least = (WINDOW if set(WITHOUT_REFERENCE).isdisjoint(cfg.metrics) else BLOCK) + 2 * cfg.scale
    for pictures in sets.values():
        side, path = pictures.smallest()
        whole(least, 10**9)(f"shortest side of {path}, for validation", side)
        pictures[0]
    return sets


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
