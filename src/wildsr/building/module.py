"""Build a stage's networks, losses and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn
from torchmetrics import Metric

from wildsr.building.stages import channels_of, stage_of
from wildsr.config import build, nearest
from wildsr.io import ConfigError, choose_from
from wildsr.metrics import chosen_metrics
from wildsr.networks import adapt_weights, freeze
from wildsr.training import SuperResolution

EXECUTION = ("accumulate", "checkpoint_activations", "compile", "channels_last")


def build_module(cfg: DictConfig, weights: str | Path | None, reports: list[str] | None = None) -> SuperResolution:
    """Build a stage's networks and losses, the generator with weights to start from; None: random ones.

    Args:
        reports: takes in words what was taken from given weights, and what was re-made or left.

    Raises:
        UserError, ValueError: a part cannot be built, or weights do not fit.
    """
    check_networks(cfg)
    stage, losses = stage_of(cfg), build_losses(cfg)
    generator: nn.Module = build(cfg.generator.network, "generator.network")
    networks = {"generator": (generator, weights)}
    discriminator: nn.Module | None = None
    if any(hasattr(term, "discriminator_loss") for term in losses.values()):
        discriminator = build(cfg.discriminator.network, "discriminator.network")
        networks["discriminator"] = (discriminator, cfg.discriminator.weights)
    for name, (network, source) in networks.items():
        if source is not None:
            taken = adapt_weights(network, source)
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


def build_losses(cfg: DictConfig) -> dict[str, Any]:
    """Build the terms that a stage names.

    Raises:
        UserError: there is no term of such a name, or it cannot be built.
    """
    terms = {}
    for name in stage_of(cfg).losses:
        if cfg.loss.get(name) is None:
            hint = nearest(str(name), map(str, cfg.loss))
            raise ConfigError(f"stages.{cfg.stage.name}.losses: loss.{name} is no term{hint}; {choose_from(cfg.loss)}")
        terms[name] = build(cfg.loss[name], f"loss.{name}")
    return terms


def build_metrics(cfg: DictConfig) -> dict[str, Metric]:
    """Build the metrics that `metrics` names: of the package, or of a user's own in `metric`.

    Raises:
        UserError: there is no such metric, or it cannot be built.
    """
    own = {name: build(node, f"metric.{name}") for name, node in cfg.metric.items() if node is not None}
    return chosen_metrics(cfg.metrics, cfg.scale, own=own)
