"""One stage of a run: built whole before anything runs, then trained to its averaged generator on disk."""

from __future__ import annotations

import logging
import os
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from wildsr.building import (
    build_callbacks,
    build_data,
    build_module,
    build_trainer,
    channels_of,
    check_monitor,
    filtered_warnings,
    first_weights,
    handed_on,
    has_own_start,
    is_rank_zero,
    stage_of,
)
from wildsr.config import build, stage_config
from wildsr.data import fingerprint
from wildsr.io import CONFIG, GENERATOR, ConfigError, choose_from, write_whole
from wildsr.labels import stage_title
from wildsr.metrics.choice import own_displays
from wildsr.networks import load_weights, save_generator
from wildsr.scores import MetricDisplay, display_of
from wildsr.training.checkpoints import LAST
from wildsr.training.loggers import define_scores, finish
from wildsr.training.provenance import code_version, kernel_mix
from wildsr.training.resume import find_start, read_start, refuse_other_settings, stage_settings
from wildsr.training.stops import Interrupted

log = logging.getLogger(__name__)
info = rank_zero_only(log.info)  # once for all processes


class Stage:
    """Build a stage's data, module and trainer, as the whole configuration says.

    Raises:
        UserError, ValueError, OSError: something does not fit; nothing was written.
    """

    @filtered_warnings()
    def __init__(self, cfg: DictConfig, name: str) -> None:
        self.cfg = cfg = stage_config(cfg, name)
        cfg.channels = channels_of(cfg)  # as the generator has them: what is kept of the configuration is true
        self.name, self.run = name, Path(cfg.paths.run)
        if not cfg.name:
            raise ConfigError("name: given nothing, wanted a name for the run's folder")
        self.folder, self.iterations = self.run / name, stage_of(cfg).iterations
        self.checkpoints = self.folder / "checkpoints"
        self.start = find_start(str(cfg.resume), self.folder, name)
        weights = first_weights(cfg, self.run)
        self.weights = None if isinstance(weights, Path) else weights
        self.settings = stage_settings(plain(cfg), name, has_own_start(cfg, self.run))
        if is_rank_zero() and cfg.resume != "never":
            refuse_other_settings(self.settings, self.folder, self.start)
        self.trainer = build_trainer(cfg, build_callbacks(cfg))
        self.data = build_data(cfg)
        check_monitor(cfg)
        L.seed_everything(cfg.seed, verbose=False)
        self.reports: list[str] = []  # of the weights that it starts from
        self.module = build_module(cfg, self.weights, self.reports)
        if isinstance(weights, Path):
            load_weights(self.module.generator, weights)  # of another network they are refused now

    def fit(self, begin: float) -> bool:
        """Train to the stage's end, or go on where its last checkpoint is.

        Args:
            begin: of the call that this stage is part of, by `time.monotonic`.

        Returns True if there was anything left to train. On return `folder`/generator.safetensors holds the
        averaged generator, for every process.

        Raises:
            OSError: a file cannot be written.
            Interrupted: it stopped early; the same command goes on.
        """
        generator = self.folder / GENERATOR
        if self.is_finished:
            info(f"{stage_title(self.name)}: finished, {self.done} iterations ({self.folder})")
            return False
        self._take_over()
        if is_rank_zero():
            generator.unlink(missing_ok=True)  # of a shorter run
            for broken in self.folder.glob(".*.part"):  # what a killed process was writing
                broken.unlink(missing_ok=True)
            text = OmegaConf.to_yaml(self.cfg, resolve=True)
            write_whole(self.folder / CONFIG, lambda file: file.write(text.encode()))
        if self.done < self.iterations:
            self.train(begin)
            if not (self.checkpoints / f"iteration_{self.iterations:07d}.ckpt").is_file():
                # ModelCheckpoint leaves some ends out.
                self.trainer.save_checkpoint(self.checkpoints / LAST, weights_only=False)
            if self.trainer.is_global_zero:
                save_generator(self.module.ema.module, generator, self.metadata)
            self.trainer.strategy.barrier()  # the next stage reads it in every process
        elif self.start is not None:  # trained to its end, and stopped before this; every process writes the same
            load_weights(self.module.generator, self.start.path)
            save_generator(self.module.generator, generator, self.metadata)
        return True

    @property
    def done(self) -> int:
        """Return how many iterations the checkpoint that it goes on from has behind it."""
        return self.start.iteration if self.start else 0

    @property
    def is_finished(self) -> bool:
        """Return whether there is nothing left to train, and the averaged generator is there."""
        return self.done >= self.iterations and (self.folder / GENERATOR).is_file()

    @property
    def metadata(self) -> dict[str, str]:
        """Return what travels with the stage's generator."""
        return {"stage": self.name, "iterations": str(self.iterations)}

    @cached_property
    def fingerprint(self) -> str:
        """Return what tells these training images from others; every file is looked at, once."""
        return fingerprint(self.data.samples)

    @property
    def metrics(self) -> dict[str, MetricDisplay]:
        """Return how each metric of validation is shown, by name."""
        own = own_displays(self.module.metrics or {})
        return {name: display_of(name, own) for name in self.cfg.metrics}

    def _take_over(self) -> None:
        """Start from what the stage before has handed on, and say where this one begins."""
        title, start, predecessor = stage_title(self.name), self.start, handed_on(self.cfg, self.run)
        digests = {"data": self.fingerprint, "predecessor": ""}
        if predecessor is not None:
            digests["predecessor"] = sha256(predecessor.read_bytes()).hexdigest()
            for network in (self.module.generator, self.module.ema.module):
                load_weights(network, predecessor)
        self.module.origin = {"stage": self.name, "settings": self.settings, **digests}
        if start is None:
            for report in self.reports:
                info(report)
            begins = f"starts from {predecessor or self.weights or 'random weights'};"
        else:
            begins = f"goes on after iteration {start.iteration} of"
            if predecessor is not None and start.origin["predecessor"] not in ("", digests["predecessor"]):
                log.warning(
                    f"warning: {start.path} began from another generator than {predecessor} holds now; "
                    f"stage={self.name} resume=never starts this stage over"
                )
            if start.origin["data"] != digests["data"]:
                info(f"{title}: warning: other training images than before (names or sizes differ)")
        if "perceptual" in stage_of(self.cfg).losses and not self.cfg.loss.perceptual.weight:
            info(f"{title}: without the perceptual loss (loss.perceptual.weight=0)")
        info(f"{title} {begins} {self.iterations} iterations ({self.folder})")

    @filtered_warnings()
    def train(self, begin: float) -> None:
        """Run the trainer, with the loggers open. Raises: Interrupted: as `fit`."""
        cfg, trainer, threads = self.cfg, self.trainer, torch.get_num_threads()
        if not torch.cuda.is_available():
            torch.set_num_threads(max(1, threads - self.data.workers))
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if hasattr(callback, "begin"):  # a time limit is the call's, which may train several stages
                callback.begin = begin
        trainer.loggers = [build(node, f"logger.{name}") for name, node in cfg.logger.items() if node is not None]
        degradation: Any = self.data.make_pairs.degradation
        made_from = {
            "code": code_version(),
            "data_sha256": self.fingerprint,
            "kernel_mix": kernel_mix(degradation.spec),
        }
        for logger in trainer.loggers:
            logger.log_hyperparams({**plain(cfg), "made_from": made_from})
        define_scores(trainer.loggers, self.data.val, self.metrics)
        try:
            if cfg.validate_first and self.start is None and self.data.val:
                self._validate_first()
            path = self.start.path if self.start else None
            trainer.fit(self.module, self.data, ckpt_path=path, weights_only=True)
        except SystemExit as leaving:
            if leaving.code != 1:  # 1 is Lightning's answer to a Ctrl-C outside of an iteration
                raise
            text = f"{stage_title(self.name)} stopped in iteration {self.module.iteration + 1} (SIGINT)"
            raise Interrupted(text) from None
        finally:
            finish(trainer.loggers)
            torch.set_num_threads(threads)

    def _validate_first(self) -> None:
        """Evaluate what a stage starts from: the loggers get the scores at iteration 0, the screen the main set's."""
        self.trainer.validate(self.module, self.data, verbose=False)
        found = self.trainer.callback_metrics
        scores = {display.label: found.get(f"val/{name}") for name, display in self.metrics.items()}
        words = [f"{label} {float(score):.4g}" for label, score in scores.items() if score is not None]
        info(f"{stage_title(self.name)}, before its first iteration: {', '.join(words)}")


def stage_names(cfg: DictConfig) -> list[str]:
    """Return the stages to train. A checkpoint given as `resume` begins with its own: what comes before is behind it.

    Raises:
        UserError: it is of no stage of these.
    """
    names = [str(name) for name in cfg.stage.sequence]
    if "SLURM_RESTART_COUNT" in os.environ:  # put back into the queue: what the first start began goes on
        cfg.resume = "auto"
    if cfg.resume in ("auto", "never"):
        return names
    given = read_start(Path(cfg.resume)).origin["stage"]
    if given not in names:
        raise ConfigError(f"resume={cfg.resume} is of the {stage_title(given)}; {choose_from(names)}")
    return names[names.index(given) :]


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Return a configuration as plain dictionaries and lists, its interpolations resolved."""
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    return dict(content)
