"""One stage of a run, from its configuration to its averaged generator on disk."""

from __future__ import annotations

import itertools
import logging
import os
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from wildsr.config import build
from wildsr.data import Pairs, Samples, large_enough
from wildsr.degradation import DegradationSpec
from wildsr.images import write_whole
from wildsr.losses import PerceptualLoss
from wildsr.networks import load_weights, save_generator
from wildsr.rules import one_of, whole
from wildsr.training.checkpoints import LAST, WholeFiles, stage_and_iteration
from wildsr.training.datamodule import DegradedPhotographs
from wildsr.training.loggers import finish
from wildsr.training.module import SuperResolution
from wildsr.training.stage import LossSpec, StageSpec
from wildsr.training.stops import Interrupted

GENERATOR, CONFIG = "generator.safetensors", "config.yaml"
# Keys that a resumed run may change.
FREE = (
    "resume", "compare", "name", "paths.", "logger.", "callbacks.", "trainer.", "iterations.", "data.workers",
    "data.degrade_in", "stage.iterations", "stage.checkpoint_every", "data.train.root", "data.val.root",
    "loss.vgg_weights", "data.train._target_", "data.train.hint",
)  # fmt: skip


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
    refuse_other_run(cfg, folder)
    if done >= stage.iterations and (folder / GENERATOR).is_file():
        print(f"{stage.name} stage: finished, {done} iterations ({folder})")
        return False
    data = build_data(cfg)
    L.seed_everything(cfg.seed, verbose=False)
    start = start_of(stage, folder.parent, cfg.generator.weights)
    module = build_module(cfg, stage, start)
    if checkpoint is not None:
        refuse_misfit(module, checkpoint)
    write_whole(folder / CONFIG, lambda file: file.write(OmegaConf.to_yaml(cfg, resolve=True).encode()))
    where = f"goes on after iteration {done} of" if checkpoint else f"starts from {start or 'random weights'};"
    if "perceptual" in stage.losses and module.perceptual is None:
        print(f"{stage.name} stage: without the perceptual loss (loss.perceptual=0)")
    print(f"{stage.name} stage {where} {stage.iterations} iterations ({folder})", flush=True)
    if done < stage.iterations:
        fit(cfg, stage, module, data, checkpoint)
    # Without iterations left, refuse_misfit has put the checkpoint's average into the generator.
    trained = module.generator if done >= stage.iterations else module.ema.module
    save_generator(trained, folder / GENERATOR, {"stage": stage.name, "iterations": str(stage.iterations)})
    return True


def rehearse(cfg: DictConfig, run: Path, planned: Collection[str]) -> None:
    """Build everything of a stage once and let it go, so that what cannot work is said before anything runs.

    Args:
        planned: stages that will have run before this one, and so will have handed on their generator.

    Raises:
        ValueError: as `fit_stage`.
    """
    stage: StageSpec = build(cfg.stage, "stage")
    whole(1, 1)("trainer.devices", cfg.trainer.devices)  # several are not supported yet
    build_data(cfg)
    start = None if stage.predecessor in planned else start_of(stage, run, cfg.generator.weights)
    build_module(cfg, stage, start)


def fit(
    cfg: DictConfig, stage: StageSpec, module: SuperResolution, data: DegradedPhotographs, checkpoint: Path | None
) -> None:
    """Hand module and data to Lightning's trainer.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or the time limit; a checkpoint was saved.
    """
    quieten()
    if not has_gpu():
        torch.set_num_threads(max(1, torch.get_num_threads() - data.workers))
    trainer: L.Trainer = build(
        cfg.trainer,
        "trainer",
        callbacks=[build(node, f"callbacks.{name}") for name, node in cfg.callbacks.items()],
        logger=[build(node, f"logger.{name}") for name, node in cfg.logger.items()],
        plugins=[WholeFiles()],
        default_root_dir=str(cfg.paths.stage),
        max_epochs=-1,  # the callback `stops` ends a stage, by iterations
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
    except SystemExit:  # Lightning's answer to a Ctrl-C outside of an iteration
        raise Interrupted(f"{stage.name} stage stopped in iteration {module.iteration + 1} (SIGINT)") from None
    finally:
        finish(trainer.loggers)


def build_data(cfg: DictConfig) -> DegradedPhotographs:
    """The data module; the first training and validation pictures are read, so that bad data stops here."""
    data = cfg.data
    for key in ("crop", "patch", "batch_size", "val_recipes"):
        whole(1, 10**6)(f"data.{key}", data[key])
    whole(0, 2**31 - 1)("seed", cfg.seed)
    images = build(data.train, "data.train")
    if one_of("pad", "leave_out")("data.undersized", data.undersized) == "leave_out":
        images = large_enough(images, data.crop)
    train = Samples(
        images=images,
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


def build_module(cfg: DictConfig, stage: StageSpec, start: str | Path | None) -> SuperResolution:
    """Networks and losses of a stage, the generator with the weights that it starts from; None: random ones."""
    weights: LossSpec = build(cfg.loss, "loss")
    generator: nn.Module = build(cfg.generator.network, "generator.network")
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


def refuse_other_run(cfg: DictConfig, folder: Path) -> None:
    """Raises: ValueError if the folder holds a stage that was trained with other settings; names the first of them."""
    if not (folder / CONFIG).is_file():
        return
    earlier = settings(OmegaConf.load(folder / CONFIG))
    now = settings(OmegaConf.create(OmegaConf.to_container(cfg, resolve=True)))
    changed = [key for key in sorted(earlier | now) if earlier.get(key) != now.get(key)]
    if changed:
        key, more = changed[0], f" ({len(changed) - 1} more differ)" if len(changed) > 1 else ""
        raise ValueError(
            f"{folder} was trained with {key}={earlier.get(key)}, now {now.get(key)}{more}; wanted the same "
            "settings to go on, or another name=NAME, or resume=never to start over"
        )


def settings(cfg: Any) -> dict[str, Any]:
    """What decides a stage's weights, flat: all but its length and where and how it is shown, kept and run."""
    flat: dict[str, Any] = {}
    waiting = [("", cfg)]
    while waiting:
        prefix, node = waiting.pop()
        for key in node:
            child, name = node[key], f"{prefix}{key}"
            if OmegaConf.is_dict(child):
                waiting.append((f"{name}.", child))
            elif not name.startswith(FREE):
                flat[name] = OmegaConf.to_container(child) if OmegaConf.is_list(child) else child
    return flat


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
    return torch.device("cuda" if has_gpu() else "cpu")
