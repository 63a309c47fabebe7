"""Read a stage's configuration, checked: its values, its channels and its first weights."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from wildsr.checks import checked_integer, checked_list, checked_number, refuse, refuse_choice
from wildsr.io import GENERATOR, ConfigError
from wildsr.labels import stage_title


def stage_of(cfg: DictConfig) -> DictConfig:
    """Return the values of the stage that a configuration is of.

    Raises:
        UserError: there is no such stage, or a value is impossible.
    """
    name = cfg.stage.name
    if name not in cfg.stages:
        raise refuse_choice("stage.sequence", name, cfg.stages)
    stage, prefix = cfg.stages[name], f"stages.{name}"
    checked_integer(f"{prefix}.number", stage.number, 0, 10**6)
    for key in ("iterations", "iterations_per_epoch", "checkpoint_every"):
        checked_integer(f"{prefix}.{key}", stage[key], 1, 10**9)
    checked_number(f"{prefix}.lr", stage.lr, 0, 1)
    checked_number(f"{prefix}.ema_decay", stage.ema_decay, 0, 0.999999)
    if stage.clip_gradients is not None:
        checked_number(f"{prefix}.clip_gradients", stage.clip_gradients, 1e-12, 1e12)
    checked_list(f"{prefix}.losses", list(stage.losses))
    for term, node in cfg.loss.items():
        if not isinstance(node, DictConfig | None):
            raise refuse(f"loss.{term}", node, f"a term with its _target_; its weight is loss.{term}.weight")
    return stage


def channels_of(cfg: DictConfig) -> int:
    """Return the channels of networks and images: the generator's own key, which is `channels` unless overridden.

    Raises:
        UserError: neither 1 (grey) nor 3 (RGB).
    """
    # A network of another kind may have another key.
    given = OmegaConf.select(cfg, "generator.network.channels", default=cfg.channels)
    if type(given) is not int or given not in (1, 3):
        raise refuse_choice("channels", given, ("1 (grey)", "3 (RGB)"))
    return given


def handed_on(cfg: DictConfig, run: Path) -> Path | None:
    """Return the generator that a stage's predecessor has left; None: there is no predecessor, or it has left none."""
    predecessor = stage_of(cfg).predecessor
    file = run / str(predecessor) / GENERATOR
    return file if predecessor is not None and file.is_file() else None


def first_weights(cfg: DictConfig, run: Path) -> str | Path | None:
    """Return what a stage's generator starts from: its predecessor's average, else `generator.weights`.

    None: from random weights, or from what another stage of the sequence will have handed on by then.

    Raises:
        UserError: a stage that has a predecessor finds neither.
    """
    name, predecessor = cfg.stage.name, stage_of(cfg).predecessor
    if predecessor in cfg.stage.sequence:
        return None
    weights: str | Path | None = handed_on(cfg, run) or cfg.generator.weights
    if weights is None and predecessor is not None:
        raise ConfigError(
            f"stage={name} starts from the generator of the {stage_title(predecessor)}, and "
            f"{run / predecessor / GENERATOR} is not there; wanted stage={predecessor} or stage=full first, or "
            "generator.weights=FILE"
        )
    return weights


def has_own_start(cfg: DictConfig, run: Path) -> bool:
    """Return whether a stage starts from `generator.weights` or at random, not from what a stage before hands on."""
    return stage_of(cfg).predecessor not in cfg.stage.sequence and handed_on(cfg, run) is None
