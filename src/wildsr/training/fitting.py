"""One stage of a run, from its configuration to its averaged generator on disk."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from torch import nn

from wildsr.apps.evaluate.findings import SCORES
from wildsr.config import build
from wildsr.data import fingerprint
from wildsr.images import write_whole
from wildsr.losses import PerceptualLoss
from wildsr.metrics import FIGURES
from wildsr.networks import adapt_weights, freeze, load_weights, save_generator
from wildsr.training.checkpoints import WholeFiles
from wildsr.training.datamodule import DegradedPhotographs
from wildsr.training.execution import Execution
from wildsr.training.loggers import finish
from wildsr.training.module import SuperResolution
from wildsr.training.provenance import made_from
from wildsr.training.resuming import (
    CONFIG,
    EXECUTION,
    GENERATOR,
    digest,
    find_start,
    refuse_other_settings,
    settings,
    warn_of_other_predecessor,
)
from wildsr.training.sources import build_data, has_gpu
from wildsr.training.stage import LossSpec, StageSpec
from wildsr.training.stops import Interrupted, Stops

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")


def fit_stage(cfg: DictConfig, folder: Path, begin: float | None = None) -> bool:
    """Train one stage in its folder, or go on where its last checkpoint is.

    Args:
        begin: of the call that this stage is part of, by `time.monotonic`; None is now.

    Returns True if there was anything left to train. On return `folder`/generator.safetensors holds the
    averaged generator, for every process.

    Raises:
        ValueError: the configuration, the data or a checkpoint does not fit; nothing was trained.
        OSError: a file cannot be written.
        Interrupted: it stopped early; the same command goes on.
    """
    stage: StageSpec = build(cfg.stage, "stage")
    start = find_start(str(cfg.resume), folder, stage.name)
    done = start.iteration if start else 0
    first = start_of(stage, folder.parent, cfg.generator.weights)
    if leads():
        refuse_other_settings(cfg, folder, start)
        warn_of_other_predecessor(first, start)
    if done >= stage.iterations and (folder / GENERATOR).is_file():
        say(f"{stage.name} stage: finished, {done} iterations ({folder})")
        return False
    data = build_data(cfg)
    L.seed_everything(cfg.seed, verbose=False)
    module = build_module(cfg, stage, first, say=say if start is None else None)
    module.origin = {"data": fingerprint(data.train), "predecessor": digest(first)}
    if start is not None and start.origin["data"] != module.origin["data"]:
        say(f"{stage.name} stage: warning: other training pictures than before (names or sizes differ)")
    if leads():
        for stale in (folder / GENERATOR, folder.parent / SCORES):
            stale.unlink(missing_ok=True)
        write_whole(folder / CONFIG, lambda file: file.write(OmegaConf.to_yaml(cfg, resolve=True).encode()))
    where = f"goes on after iteration {done} of" if start else f"starts from {first or 'random weights'};"
    if "perceptual" in stage.losses and module.perceptual is None:
        say(f"{stage.name} stage: without the perceptual loss (loss.perceptual=0)")
    say(f"{stage.name} stage {where} {stage.iterations} iterations ({folder})")
    if done < stage.iterations:
        trainer = fit(cfg, stage, module, data, start.path if start else None, begin)
        if trainer.is_global_zero:
            save_generator(module.ema.module, folder / GENERATOR, metadata(stage))
        trainer.strategy.barrier()  # the next stage reads it in every process
    elif start is not None:  # trained to its end, and stopped before this; every process writes the same
        load_weights(module.generator, start.path)
        save_generator(module.generator, folder / GENERATOR, metadata(stage))
    return True


def metadata(stage: StageSpec) -> dict[str, str]:
    """What travels with a stage's generator."""
    return {"stage": stage.name, "iterations": str(stage.iterations)}


def check_monitor(cfg: DictConfig) -> None:
    """Raises: ValueError if no validation reports the metric that decides which checkpoint is best."""
    monitor = OmegaConf.select(cfg, "callbacks.checkpoints.monitor")
    known = [f"val/{name}" for name in cfg.metrics] + [f"val/{s}/{name}" for s in cfg.data.sets for name in cfg.metrics]
    if monitor is not None and cfg.data.val is not None and monitor not in known:
        raise ValueError(f"callbacks.checkpoints.monitor={monitor}: no such metric; wanted one of: {', '.join(known)}")


def fit(
    cfg: DictConfig,
    stage: StageSpec,
    module: SuperResolution,
    data: DegradedPhotographs,
    checkpoint: Path | None,
    begin: float | None = None,
) -> L.Trainer:
    """Hand module and data to Lightning's trainer, which is returned.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or the time limit; a checkpoint was saved.
    """
    quieten()
    threads = torch.get_num_threads()
    if not has_gpu():
        torch.set_num_threads(max(1, threads - data.workers))
    callbacks = [build(node, f"callbacks.{name}") for name, node in cfg.callbacks.items()]
    for callback in callbacks:
        if isinstance(callback, Stops) and begin is not None:
            callback.begin = begin
    loggers = [build(node, f"logger.{name}") for name, node in cfg.logger.items()]
    trainer = build_trainer(cfg, stage, callbacks=callbacks, logger=loggers)
    origin = made_from(build(cfg.degradation, "degradation"), data.train)
    for logger in trainer.loggers:
        logger.log_hyperparams({**OmegaConf.to_container(cfg, resolve=True), "made_from": origin})  # type: ignore[dict-item]
    try:
        if cfg.validate_first and checkpoint is None and data.val:
            validate_first(trainer, module, data)
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as leaving:
        if leaving.code != 1:  # 1 is Lightning's answer to a Ctrl-C outside of an iteration
            raise
        raise Interrupted(f"{stage.name} stage stopped in iteration {module.iteration + 1} (SIGINT)") from None
    finally:
        finish(trainer.loggers)
        torch.set_num_threads(threads)
    return trainer


def build_trainer(cfg: DictConfig, stage: StageSpec, **arguments: Any) -> L.Trainer:
    """Lightning's trainer as every stage wants it; `cfg.trainer` chooses devices, strategy and precision.

    Raises:
        ValueError: no such trainer, or a precision that is not of PRECISIONS.
    """
    # Lightning's own requeueing keeps a checkpoint of its own, which would win over newer ones.
    slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    trainer: L.Trainer = build(
        cfg.trainer,
        "trainer",
        plugins=[WholeFiles(), *slurm],
        default_root_dir=str(cfg.paths.stage),
        max_epochs=-1,  # the callback `stops` ends a stage, by iterations,
        max_time=None,  # and by time
        limit_train_batches=stage.epoch,
        log_every_n_steps=stage.epoch,  # callbacks log, by iteration
        num_sanity_val_steps=1,
        use_distributed_sampler=False,  # RunBatches knows the processes
        reload_dataloaders_every_n_epochs=1,  # each epoch's loader starts at the module's own iteration
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )
    if trainer.precision not in PRECISIONS:
        raise ValueError(
            f"trainer.precision={cfg.trainer.precision}: wanted one of {', '.join(PRECISIONS)}; weights stay "
            "float32, of half precision the average's and Adam's small steps would be rounded away"
        )
    return trainer


def validate_first(trainer: L.Trainer, module: SuperResolution, data: DegradedPhotographs) -> None:
    """Judge what a stage starts from: the loggers get the figures at iteration 0, the screen the main set's."""
    trainer.validate(module, data, verbose=False)
    found = trainer.callback_metrics
    words = ", ".join(f"{FIGURES[n].head} {float(found[f'val/{n}']):.4g}" for n in FIGURES if f"val/{n}" in found)
    say(f"{module.stage.name} stage, before its first iteration: {words}")


def build_module(
    cfg: DictConfig, stage: StageSpec, start: str | Path | None, say: Callable[[str], object] | None = None
) -> SuperResolution:
    """Networks and losses of a stage, the generator with the weights that it starts from; None: random ones.

    `say` hears what was taken from given weights, and what was re-made or left.
    """
    say = say or (lambda text: None)
    weights: LossSpec = build(cfg.loss, "loss")
    generator: nn.Module = build(cfg.generator.network, "generator.network")
    if isinstance(start, Path):  # handed on by the stage before: this very network
        load_weights(generator, start)
    elif start is not None:
        say(f"generator: {adapt_weights(generator, start).report}")
    freeze(generator, cfg.generator.freeze or [])
    discriminator = None
    if stage.adversarial:
        discriminator = build(cfg.discriminator.network, "discriminator.network")
        if cfg.discriminator.weights is not None:
            say(f"discriminator: {adapt_weights(discriminator, cfg.discriminator.weights).report}")
    perceptual = None
    if "perceptual" in stage.losses and weights.perceptual > 0:
        perceptual = PerceptualLoss(weights.features_file, backbone=weights.features)
    execution = Execution(**{key: cfg[key] for key in EXECUTION})
    module = SuperResolution(generator, discriminator, perceptual, weights, stage, execution, cfg.metrics)
    module.settings = settings(OmegaConf.create(OmegaConf.to_container(cfg, resolve=True)))
    return module


def start_of(stage: StageSpec, run: Path, weights: str | None) -> str | Path | None:
    """What a stage's generator starts from: its predecessor's average, else `generator.weights`, else None: random.

    Raises:
        ValueError: a stage that has a predecessor finds neither.
    """
    if stage.predecessor is None:
        return weights
    handed_on = run / stage.predecessor / GENERATOR
    if handed_on.is_file():
        return handed_on
    if weights is None:
        raise ValueError(
            f"stage={stage.name} starts from the {stage.predecessor} stage's generator, and {handed_on} is not "
            f"there; wanted stage={stage.predecessor} or stage=full first, or generator.weights=FILE"
        )
    return weights


def quieten() -> None:
    """Silence what Lightning says about choices that are deliberate here, such as resuming inside an epoch."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (
        ".*does not have many workers.*",
        ".*resuming from a checkpoint that ended.*",
        ".*treespec.*",
        ".*across ranks is zero.*",
    ):
        warnings.filterwarnings("ignore", text)


def leads() -> bool:
    """Whether this process writes and speaks for all of a run."""
    return getattr(rank_zero_only, "rank", 0) == 0  # Lightning keeps the number there, from before it starts processes


def say(text: str) -> None:
    """Print a line, once for all processes."""
    if leads():
        print(text, flush=True)


def device() -> torch.device:
    """The device that judgement runs on."""
    return torch.device("cuda" if has_gpu() else "cpu")
