"""One stage of a run, from its configuration to its averaged generator on disk."""

from __future__ import annotations

import itertools
import logging
import os
import warnings
from pathlib import Path

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from wildsr.config import build
from wildsr.data import Pairs, Samples
from wildsr.degradation import DegradationSpec
from wildsr.images import write_whole
from wildsr.losses import PerceptualLoss
from wildsr.networks import load_weights, save_generator
from wildsr.rules import whole
from wildsr.training.checkpoints import LAST, WholeFiles, stage_and_iteration
from wildsr.training.datamodule import DegradedPhotographs
from wildsr.training.loggers import finish
from wildsr.training.module import SuperResolution
from wildsr.training.stage import LossSpec, StageSpec

GENERATOR = "generator.safetensors"


class Interrupted(Exception):  # noqa: N818 - it is no error
    """The stage stopped before its end: Ctrl-C, or trainer.max_time. What it says is for the user."""


def fit_stage(cfg: DictConfig, folder: Path) -> bool:
    """Train one stage in its folder, or go on where its last checkpoint is.

    Returns True if there was anything left to train. On return `folder`/generator.safetensors holds the
    averaged generator.

    Raises:
        ValueError: the configuration, the data or a checkpoint does not fit; nothing was trained.
        OSError: a file cannot be written.
        Interrupted: it stopped early; the same command goes on.
    """
    stage: StageSpec = build(cfg.stage, "stage")
    checkpoint = checkpoint_to_resume(str(cfg.resume), folder, stage.name)
    done = stage_and_iteration(checkpoint)[1] if checkpoint else 0
    if done >= stage.iterations and (folder / GENERATOR).is_file():
        print(f"{stage.name} stage: finished, {done} iterations ({folder})")
        return False
    data = build_data(cfg)
    L.seed_everything(cfg.seed, verbose=False)
    module = build_module(cfg, stage, folder.parent)
    if checkpoint is not None:
        refuse_misfit(module, checkpoint)
    if cfg.resume == "never":
        set_aside(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.yaml", lambda file: file.write(OmegaConf.to_yaml(cfg, resolve=True).encode()))
    where = f"goes on after iteration {done} of" if checkpoint else "starts;"
    print(f"{stage.name} stage {where} {stage.iterations} iterations ({folder})", flush=True)
    fit(cfg, stage, module, data, checkpoint)
    if module.iteration < stage.iterations:
        raise Interrupted(f"{stage.name} stage stopped after iteration {module.iteration}")
    metadata = {"stage": stage.name, "iterations": str(module.iteration)}
    save_generator(module.ema.module, folder / GENERATOR, metadata)
    return True


def fit(
    cfg: DictConfig, stage: StageSpec, module: SuperResolution, data: DegradedPhotographs, checkpoint: Path | None
) -> None:
    """Hand module and data to Lightning's trainer. Raises Interrupted on Ctrl-C."""
    quieten()
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - data.workers))
    trainer: L.Trainer = build(
        cfg.trainer,
        "trainer",
        callbacks=[build(node, f"callbacks.{name}") for name, node in cfg.callbacks.items()],
        logger=[build(node, f"logger.{name}") for name, node in cfg.logger.items()],
        plugins=[WholeFiles()],
        default_root_dir=str(cfg.paths.stage),
        max_epochs=stage.iterations // stage.epoch,
        limit_train_batches=stage.epoch,
        log_every_n_steps=stage.epoch,  # callbacks log, by iteration
        num_sanity_val_steps=1,
        use_distributed_sampler=False,  # RunBatches knows the processes
        reload_dataloaders_every_n_epochs=1,  # each epoch's loader starts at the module's own iteration
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(OmegaConf.to_container(cfg, resolve=True)))  # type: ignore[arg-type]
    try:
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise Interrupted(f"{stage.name} stage stopped in iteration {module.iteration + 1}") from None
    finally:
        finish(trainer.loggers)


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
    # Judged on the released recipe whatever the run trains on, so that runs can be compared.
    val = data.val and Pairs(build(data.val, "data.val"), DegradationSpec(scale=cfg.scale), data.val_recipes)
    train[0]
    if val is not None:
        val[0]
    workers = data.workers
    if workers is None:  # a CPU-only machine needs its cores for the networks
        workers = min(8, (os.cpu_count() or 1) - 1) if torch.cuda.is_available() else 0
    return DegradedPhotographs(train, val, build(cfg.sharpen, "sharpen"), data.batch_size, workers)


def build_module(cfg: DictConfig, stage: StageSpec, run: Path) -> SuperResolution:
    """Networks and losses of a stage, the generator with the weights that it starts from."""
    weights: LossSpec = build(cfg.loss, "loss")
    generator: nn.Module = build(cfg.generator.network, "generator.network")
    start = start_of(stage, run, cfg.generator.weights)
    if start is not None:
        load_weights(generator, start)
    discriminator = None
    if stage.adversarial:
        discriminator = build(cfg.discriminator.network, "discriminator.network")
        if cfg.discriminator.weights is not None:
            load_weights(discriminator, cfg.discriminator.weights)
    perceptual = None
    if "perceptual" in stage.losses and weights.perceptual > 0:
        perceptual = PerceptualLoss(weights.vgg_weights)
    elif "perceptual" in stage.losses:
        print(f"{stage.name} stage: without the perceptual loss (loss.perceptual=0)")
    return SuperResolution(generator, discriminator, perceptual, weights, stage)


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


def refuse_misfit(module: SuperResolution, checkpoint: Path) -> None:
    """Raises: ValueError, one line, if a checkpoint's networks are not the module's; Lightning lists every layer."""
    for network in (module.generator, module.discriminator):
        if network is not None:
            load_weights(network, checkpoint)


def checkpoint_to_resume(resume: str, folder: Path, stage: str) -> Path | None:
    """The checkpoint that `resume` (auto, never or a path) means for a stage; None starts at iteration 0.

    Raises:
        ValueError: the path is no checkpoint of this stage, or the last checkpoint is damaged.
    """
    last = folder / "checkpoints" / LAST
    if resume == "auto":
        return last if last.is_file() else None
    if resume == "never":
        return None
    found = Path(resume)
    return found if stage_and_iteration(found)[0] == stage else (last if last.is_file() else None)


def set_aside(folder: Path) -> None:
    """Rename what an earlier run left, so that a new one can begin; nothing is deleted."""
    if folder.exists():
        aside = next(p for n in itertools.count(1) if not (p := folder.with_name(f"{folder.name}.{n}")).exists())
        folder.rename(aside)
        print(f"set aside: {aside}")


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


def device() -> torch.device:
    """The device that judgement runs on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
