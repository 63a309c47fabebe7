"""From a stage's configuration to its parts: data, networks and losses, trainer."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torchmetrics import Metric

from wildsr.config import build
from wildsr.data import PairedFiles, PairedPictures, ValidationSet, large_enough, validation_set
from wildsr.data.samples import Images, MixedSamples
from wildsr.degradation import Degradation
from wildsr.io import ConfigError
from wildsr.metrics import chosen_metrics
from wildsr.metrics.choice import WITHOUT_REFERENCE
from wildsr.metrics.fidelity import WINDOW
from wildsr.metrics.niqe import BLOCK
from wildsr.networks import adapt_weights, freeze
from wildsr.rules import number, one_of, optional, refuse, several, whole
from wildsr.training import AtomicCheckpointIO, DegradedPhotographs, SuperResolution
from wildsr.training.datamodule import MAIN
from wildsr.training.resume import GENERATOR
from wildsr.training.stops import parse_duration

EXECUTION = ("accumulate", "checkpoint_activations", "compile", "channels_last")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
COUNT = whole(1, 10**9)
STAGE = {  # what the values of `stages.<name>` obey
    "number": whole(0, 10**6), "iterations": COUNT, "iterations_per_epoch": COUNT, "checkpoint_every": COUNT,
    "lr": number(0, 1), "ema_decay": number(0, 0.999999), "clip_gradients": optional(number(1e-12, 1e12)),
    "losses": several(lambda key, name: name),
}  # fmt: skip
DELIBERATE = (  # parts of Lightning's warnings
    "does not have many workers",
    "resuming from a checkpoint that ended",
    "treespec",
    "across ranks is zero",
    "smaller than the logging interval",
    "no pre-optimization state",
    "exists and is not empty",  # a run that goes on
    "The dirpath has changed",  # resume=FILE of another run
)
log = logging.getLogger(__name__)


def build_data(cfg: DictConfig) -> DegradedPhotographs:
    """Build a stage's data; each set's first image and first samples are read, so that bad data stops here.

    Raises:
        UserError, ValueError: a value is impossible, or files are missing or do not fit.
    """
    data, stage, channels = cfg.data, stage_of(cfg), channels_of(cfg)
    check_networks(cfg)
    for key in ("crop", "patch", "batch_size", "val_recipes"):
        whole(1, 10**6)(f"data.{key}", data[key])
    seed = whole(0, 2**31 - 1)("seed", cfg.seed)
    share = number(0, 1)("data.paired_share", data.paired_share)
    if share < 1 and data.train is None:
        raise ConfigError(f"data.train: given nothing, wanted photographs to degrade, as data.paired_share={share:g}")
    workers, degrade_in = resolve_workers(data.workers, data.degrade_in)
    pairs = build(data.pairs, "data.pairs") if share > 0 else None
    module = DegradedPhotographs(
        photographs(cfg) if share < 1 else None,
        Degradation(build(cfg.degradation, "degradation")),
        data.batch_size,
        val=build_sets(cfg),
        sharpen=build(cfg.sharpen, "sharpen"),
        crop=data.crop,
        patch=data.patch,
        seed=seed,
        stage=stage.number,
        iterations_per_epoch=min(stage.iterations_per_epoch, stage.iterations),
        workers=workers,
        degrade_in=degrade_in,
        pairs=pairs,
        paired_share=share,
        channels=channels,
    )
    samples = module.samples
    for part in [samples.paired, samples.synthetic] if isinstance(samples, MixedSamples) else [samples]:
        part[0]
    return module


def stage_of(cfg: DictConfig) -> DictConfig:
    """Return the values of the stage that a configuration is of.

    Raises:
        UserError: there is no such stage, or a value is impossible.
    """
    name = cfg.stage.name
    if name not in cfg.stages:
        raise ConfigError(f"stage.sequence: given {name!r}, wanted some of {', '.join(cfg.stages)}")
    for key, rule in STAGE.items():
        rule(f"stages.{name}.{key}", list(cfg.stages[name][key]) if key == "losses" else cfg.stages[name][key])
    for term, node in cfg.loss.items():
        if not isinstance(node, DictConfig | None):
            raise refuse(f"loss.{term}", node, f"a term with its _target_; its weight is loss.{term}.weight")
    return cfg.stages[name]


def channels_of(cfg: DictConfig) -> int:
    """Return the channels of networks and images: the generator's own key, which is `channels` unless overridden.

    Raises:
        UserError: neither 1 (grey) nor 3 (RGB).
    """
    # A network of another kind may have another key.
    given = OmegaConf.select(cfg, "generator.network.channels", default=cfg.channels)
    if type(given) is not int or given not in (1, 3):
        raise refuse("channels", given, "1 (grey) or 3 (RGB) to train on")
    return given


def check_networks(cfg: DictConfig) -> None:
    """Check that generator and discriminator take the images that the run reads.

    Raises:
        UserError: a key of a network differs from the run's, which is for all of it.
    """
    wanted = {"generator.network.scale": cfg.scale, "discriminator.network.channels": channels_of(cfg)}
    for key, value in wanted.items():
        given = OmegaConf.select(cfg, key, default=value)
        if given != value:
            word = key.rpartition(".")[2]
            raise ConfigError(f"{key}: given {given}, wanted {value} as elsewhere in the run; {word}=N sets it for all")


def photographs(cfg: DictConfig) -> Images:
    """Build the photographs to degrade, without the undersized ones where `data.undersized` says so."""
    images = build(cfg.data.train, "data.train")
    leave_out = one_of("pad", "leave_out")("data.undersized", cfg.data.undersized) == "leave_out"
    return large_enough(images, cfg.data.crop) if leave_out else images


def build_sets(cfg: DictConfig) -> dict[str, ValidationSet]:
    """Build the validation sets by name, the main one first; none where `data.val` is null.

    Raises:
        UserError, ValueError: a set's name, files or sizes do not fit, or there is no such metric.
    """
    if cfg.data.val is None:
        return {}
    build_metrics(cfg)
    val, channels = build(cfg.data.val, "data.val"), channels_of(cfg)
    sets: dict[str, ValidationSet] = {
        MAIN: PairedPictures(val, channels)
        if isinstance(val, PairedFiles)
        else validation_set(cfg.scale, hq=val, recipes=cfg.data.val_recipes, channels=channels)
    }
    for name, node in cfg.data.sets.items():
        if name == MAIN or not re.fullmatch(r"[\w-]+", name):
            raise ConfigError(f"data.sets.{name}: wanted another name than {MAIN}, of letters, digits, _ and -")
        if node is not None:
            target = {"_target_": "wildsr.data.validation_set", "scale": cfg.scale, "channels": channels}
            sets[name] = build(node, f"data.sets.{name}", **target)
    least = (WINDOW if set(WITHOUT_REFERENCE).isdisjoint(cfg.metrics) else BLOCK) + 2 * cfg.scale
    for images in sets.values():
        side, path = images.smallest()
        whole(least, 10**9)(f"shortest side of {path}, for validation", side)
        images[0]
    return sets


def resolve_workers(workers: int | None, degrade_in: str | None) -> tuple[int, str]:
    """Return how many workers there are and where the degradation runs, found from the machine where None is given.

    With a GPU: workers decode, the GPU degrades. Without: the networks need the cores, so a worker is worth it only
    where there are four cores for each, and then it degrades, too.

    Raises:
        ValueError: no such number or place.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers is None:
        workers = min(8, cores - 1) if has_gpu() else cores // 4
    whole(0, 1024)("data.workers", workers)
    if degrade_in is None:
        degrade_in = "device" if has_gpu() or not workers else "worker"
    return workers, one_of("worker", "device")("data.degrade_in", degrade_in)


def build_metrics(cfg: DictConfig) -> dict[str, Metric]:
    """Build the metrics that `metrics` names: of the package, or of a user's own in `metric`.

    Raises:
        UserError: there is no such metric, or it cannot be built.
    """
    own = {name: build(node, f"metric.{name}") for name, node in cfg.metric.items() if node is not None}
    return chosen_metrics(cfg.metrics, cfg.scale, own=own)


def build_losses(cfg: DictConfig) -> dict[str, Any]:
    """Build the terms that a stage names.

    Raises:
        UserError: there is no term of such a name, or it cannot be built.
    """
    terms = {}
    for name in stage_of(cfg).losses:
        if cfg.loss.get(name) is None:
            close = get_close_matches(str(name), cfg.loss, n=1)
            hint = f"; nearest: {close[0]}" if close else ""
            raise ConfigError(f"stages.{cfg.stage.name}.losses: loss.{name} is no term{hint}; wanted some of "
                            f"{', '.join(cfg.loss)}")  # fmt: skip
        terms[name] = build(cfg.loss[name], f"loss.{name}")
    return terms


def build_module(cfg: DictConfig, weights: str | Path | None, reports: list[str] | None = None) -> SuperResolution:
    """Build a stage's networks and losses, the generator with weights to start from; None: random ones.

    Args:
        reports: takes in words what was taken from given weights, and what was re-made or left.

    Raises:
        UserError, ValueError: a part cannot be built, or weights do not fit.
    """
    stage, losses = stage_of(cfg), build_losses(cfg)
    generator: nn.Module = build(cfg.generator.network, "generator.network")
    networks = {"generator": (generator, weights)}
    discriminator: nn.Module | None = None
    if any(hasattr(term, "discriminator_loss") for term in losses.values()):
        discriminator = build(cfg.discriminator.network, "discriminator.network")
        networks["discriminator"] = (discriminator, cfg.discriminator.weights)
    for name, (network, source) in networks.items():
        if source is not None:
            taken = adapt_weights(network, source).report
            if reports is not None:
                reports.append(f"{name}: {taken}")
    freeze(generator, cfg.generator.freeze or [])
    return SuperResolution(
        generator,
        discriminator,
        losses,
        optimizer=build(cfg.optimizer, "optimizer", lr=stage.lr),
        schedule=None if cfg.schedule is None else build(cfg.schedule, "schedule"),
        metrics=build_metrics(cfg),
        ema_decay=stage.ema_decay,
        clip_gradients=stage.clip_gradients,
        **{key: cfg[key] for key in EXECUTION},
    )


def build_callbacks(cfg: DictConfig) -> list[L.Callback]:
    """Build the callbacks, without those that are null, or that wait for a score where there is no validation.

    Raises:
        UserError, ValueError: a value is impossible.
    """
    if cfg.trainer.max_time is not None:
        parse_duration(cfg.trainer.max_time, "trainer.max_time")  # callbacks.stops takes it over
    callbacks = []
    for name, node in cfg.callbacks.items():
        is_idle = cfg.data.val is None and str(OmegaConf.select(node, "monitor")).startswith("val/")
        if node is not None and not is_idle:
            callbacks.append(build(node, f"callbacks.{name}"))
    return callbacks


def build_trainer(cfg: DictConfig, callbacks: list[L.Callback]) -> L.Trainer:
    """Build Lightning's trainer as every stage wants it; `cfg.trainer` chooses devices, strategy and precision.

    Raises:
        UserError: the devices are not there, or cannot share a batch.
    """
    # Lightning's own requeueing keeps a checkpoint of its own, which would win over newer ones.
    slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    trainer: L.Trainer = build(
        cfg.trainer,
        "trainer",
        plugins=[AtomicCheckpointIO(), *slurm],
        callbacks=callbacks,
        logger=False,  # they come when it fits, so that nothing is written before
        default_root_dir=str(cfg.paths.stage),
        max_steps=stage_of(cfg).iterations,
        max_epochs=-1,
        max_time=None,  # callbacks.stops ends by time, and saves
        num_sanity_val_steps=1,
        enable_model_summary=False,
    )
    if trainer.precision not in PRECISIONS:
        raise ConfigError(
            f"trainer.precision={cfg.trainer.precision}: wanted one of {', '.join(PRECISIONS)}; weights stay "
            "float32, of half precision the average's and Adam's small steps would be rounded away"
        )
    processes = trainer.num_devices * trainer.num_nodes
    if whole(1, 10**6)("data.batch_size", cfg.data.batch_size) % processes:
        raise ConfigError(f"data.batch_size: given {cfg.data.batch_size}, wanted a multiple of {processes} processes")
    return trainer


def check_monitor(cfg: DictConfig) -> None:
    """Refuse a metric that no validation reports as the one that decides which checkpoint is best.

    Raises:
        UserError: there is no such metric.
    """
    known = [f"val/{name}" for name in cfg.metrics] + [f"val/{s}/{name}" for s in cfg.data.sets for name in cfg.metrics]
    for name, node in cfg.callbacks.items():
        monitor = None if node is None else node.get("monitor")
        if cfg.data.val is not None and str(monitor).startswith("val/") and monitor not in known:
            raise ConfigError(f"callbacks.{name}.monitor={monitor}: no such metric; wanted one of: {', '.join(known)}")


def first_weights(cfg: DictConfig, run: Path) -> str | Path | None:
    """Return what a stage's generator starts from: its predecessor's average, else `generator.weights`; None: random.

    Raises:
        UserError: a stage that has a predecessor finds neither.
    """
    name, predecessor = cfg.stage.name, cfg.stages[cfg.stage.name].predecessor
    if predecessor is None:
        return cfg.generator.weights
    handed_on = run / predecessor / GENERATOR
    if handed_on.is_file():
        return handed_on
    if cfg.generator.weights is None:
        raise ConfigError(
            f"stage={name} starts from the {predecessor} stage's generator, and {handed_on} is not there; wanted "
            f"stage={predecessor} or stage=full first, or generator.weights=FILE"
        )
    return cfg.generator.weights


def has_own_start(cfg: DictConfig, run: Path) -> bool:
    """Return whether a stage starts from `generator.weights` or at random, not from what a stage before hands on."""
    predecessor = stage_of(cfg).predecessor
    return predecessor not in cfg.stage.sequence and not (run / str(predecessor) / GENERATOR).is_file()


@contextmanager
def filtered_warnings() -> Iterator[None]:
    """Silence, for a while, what Lightning says about choices that are deliberate here."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {logger: logger.level for logger in map(logging.getLogger, names)}
    try:
        for logger in levels:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for text in DELIBERATE:
                warnings.filterwarnings("ignore", f".*{text}.*")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def has_gpu() -> bool:
    """Return whether there is a CUDA device."""
    return torch.cuda.is_available()


def is_rank_zero() -> bool:
    """Return whether this process writes and speaks for all of a run."""
    return getattr(rank_zero_only, "rank", 0) == 0  # Lightning keeps the number there, from before it starts processes


def say(text: str) -> None:
    """Log a line, once for all processes."""
    if is_rank_zero():
        log.info(text)
