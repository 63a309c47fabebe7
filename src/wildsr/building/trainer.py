"""Build Lightning's trainer and its callbacks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from wildsr.building.stages import stage_of
from wildsr.checks import checked_integer
from wildsr.config import build
from wildsr.io import ConfigError, choose_from
from wildsr.training import AtomicCheckpointIO
from wildsr.training.stops import parse_duration

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
DELIBERATE = (  # parts of Lightning's warnings
    "does not have many workers",
    "treespec",
    "across ranks is zero",
    "smaller than the logging interval",
    "no pre-optimization state",
    "exists and is not empty",  # a run that goes on
    "The dirpath has changed",  # resume=FILE of another run
)


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
    # A stage shorter than the interval would record nothing: its last iteration is recorded.
    trainer.log_every_n_steps = min(trainer.log_every_n_steps, trainer.max_steps)  # type: ignore[attr-defined]
    if trainer.precision not in PRECISIONS:
        raise ConfigError(
            f"trainer.precision={cfg.trainer.precision}; {choose_from(PRECISIONS)}; weights stay "
            "float32, of half precision the average's and Adam's small steps would be rounded away"
        )
    processes = trainer.num_devices * trainer.num_nodes
    if checked_integer("data.batch_size", cfg.data.batch_size, 1, 10**6) % processes:
        raise ConfigError(f"data.batch_size: given {cfg.data.batch_size}, wanted a multiple of {processes} processes")
    return trainer


def build_callbacks(cfg: DictConfig) -> list[L.Callback]:
    """Build the callbacks, without those that are null, or that wait for a score where there is no validation.

    Raises:
        UserError, ValueError: a value is impossible.
    """
    if cfg.trainer.max_time is not None:
        parse_duration(cfg.trainer.max_time, "trainer.max_time")  # callbacks.stops takes it over
    callbacks = []
    for name, node in cfg.callbacks.items():
        if node is None:
            continue
        is_idle = cfg.data.val is None and str(OmegaConf.select(node, "monitor")).startswith("val/")
        if not is_idle:
            callbacks.append(build(node, f"callbacks.{name}"))
    return callbacks


def check_monitor(cfg: DictConfig) -> None:
    """Refuse a metric that no validation reports as the one that decides which checkpoint is best.

    Raises:
        UserError: there is no such metric.
    """
    known = [f"val/{name}" for name in cfg.metrics] + [f"val/{s}/{name}" for s in cfg.data.sets for name in cfg.metrics]
    for name, node in cfg.callbacks.items():
        monitor = None if node is None else node.get("monitor")
        if cfg.data.val is not None and str(monitor).startswith("val/") and monitor not in known:
            raise ConfigError(f"callbacks.{name}.monitor={monitor}: no such metric; {choose_from(known)}")


@contextmanager
def filtered_warnings() -> Iterator[None]:
    """Silence, for a while, what Lightning says about choices that are deliberate here."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("lightning.pytorch", "lightning.fabric"))}
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


def is_rank_zero() -> bool:
    """Return whether this process writes and speaks for all of a run."""
    return getattr(rank_zero_only, "rank", 0) == 0  # Lightning keeps the number there, from before it starts processes
