"""Build a stage's data: photographs, pairs and validation sets."""

from __future__ import annotations

import re

import torch
from omegaconf import DictConfig, OmegaConf

from wildsr.building.module import build_metrics
from wildsr.building.stages import channels_of, stage_of
from wildsr.checks import checked_choice, checked_integer, checked_number, refuse, refuse_choice
from wildsr.config import build
from wildsr.data import PairedFiles, PairedImages, ValidationSet, WeightedImages, large_enough, validation_set
from wildsr.data.samples import Images, MixedSamples
from wildsr.degradation import Degradation
from wildsr.io import ConfigError
from wildsr.memory import usable_cores
from wildsr.metrics.fidelity import WINDOW
from wildsr.metrics.niqe import BLOCK
from wildsr.scores import MAIN, WITHOUT_REFERENCE
from wildsr.training import DegradedPhotographs


def build_data(cfg: DictConfig) -> DegradedPhotographs:
    """Build a stage's data; each set's first image and first samples are read, so that bad data stops here.

    Raises:
        UserError, ValueError: a value is impossible, or files are missing or do not fit.
    """
    data, stage, channels = cfg.data, stage_of(cfg), channels_of(cfg)
    for key in ("crop", "patch", "val_recipes"):
        checked_integer(f"data.{key}", data[key], 1, 10**6)
    seed = checked_integer("seed", cfg.seed, 0, 2**31 - 1)
    share = checked_number("data.paired_share", data.paired_share, 0, 1)
    if share < 1 and data.train is None:
        raise ConfigError(f"data.train: given nothing, wanted photographs to degrade, as data.paired_share={share:g}")
    if not isinstance(data.rotate, bool):
        raise refuse_choice("data.rotate", data.rotate, ("true", "false"))
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
        rotate=data.rotate,
    )
    samples = module.samples
    for part in [samples.paired, samples.synthetic] if isinstance(samples, MixedSamples) else [samples]:
        part[0]
    return module


def photographs(cfg: DictConfig) -> Images:
    """Build the photographs to degrade, without the undersized ones where `data.undersized` says so.

    Raises:
        UserError, ValueError: as `open_photographs`; or none is large enough.
    """
    images = open_photographs(cfg)
    if checked_choice("data.undersized", cfg.data.undersized, ("pad", "leave_out")) == "pad":
        return images
    if not isinstance(images, WeightedImages):
        return large_enough(images, cfg.data.crop)
    sources = {name: large_enough(source, cfg.data.crop) for name, source in images.sources.items()}
    return WeightedImages(sources, root_weights(cfg))


def open_photographs(cfg: DictConfig) -> Images:
    """Open what `data.train` names: one root, or a mapping of several in its place, each a mapping with its weight.

    Of several, each takes the other keys of `data.train` that it has not of its own.

    Raises:
        UserError, ValueError: a root cannot be opened, or is not as above.
    """
    node = cfg.data.train
    if not isinstance(node.get("root"), DictConfig):
        return build(node, "data.train")
    common = {key: value for key, value in node.items() if key != "root"}
    weights, sources = root_weights(cfg), {}
    for name, own in node.root.items():
        merged = OmegaConf.merge(common, {key: value for key, value in own.items() if key != "weight"})
        sources[name] = build(merged, f"data.train.root.{name}")
    return WeightedImages(sources, weights)


def root_weights(cfg: DictConfig) -> dict[str, float]:
    """Return the weights of several roots by name. Raises: UserError: a root is no mapping, or has no weight."""
    weights = {}
    for name, own in cfg.data.train.root.items():
        if not isinstance(own, DictConfig) or own.get("root") is None or own.get("weight") is None:
            raise refuse(f"data.train.root.{name}", own, "a mapping such as {root: DIR, weight: 1}")
        weights[name] = own.weight
    return weights


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
        MAIN: PairedImages(val, channels)
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
        if side < least:
            raise refuse(f"shortest side of {path}, for validation", side, f"pixels from {least} on")
        images[0]
    return sets


def resolve_workers(workers: int | None, degrade_in: str | None) -> tuple[int, str]:
    """Return how many workers there are and where the degradation runs, found from the machine where None is given.

    With a GPU: workers decode, the GPU degrades. Without: the networks need the cores, so a worker is worth it only
    where there are four cores for each, and then it degrades, too.

    Raises:
        ValueError: no such number or place.
    """
    cores = usable_cores()
    if workers is None:
        workers = min(8, cores - 1) if torch.cuda.is_available() else cores // 4
    checked_integer("data.workers", workers, 0, 1024)
    if degrade_in is None:
        degrade_in = "device" if torch.cuda.is_available() or not workers else "worker"
    return workers, checked_choice("data.degrade_in", degrade_in, ("worker", "device"))
