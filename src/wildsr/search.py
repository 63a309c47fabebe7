"""Multiruns: folders that the same command finds again, and a search that it goes on with, however it ended before."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

log = logging.getLogger(__name__)


class NameJobs(Callback):
    """Name the jobs of a multirun by what differs between them: Hydra's override_dirname without the other keys."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        parsed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        same = [override.key_or_group for override in parsed if not override.is_sweep_override()]
        with open_dict(config.hydra.overrides):
            # Every job is composed with these overrides, on whichever machine.
            config.hydra.overrides.hydra.append(
                f"hydra.job.config.override_dirname.exclude_keys={[*same, 'hydra.mode']}"
            )


class Continue(Callback):
    """Prepare the Optuna sweeper for its study on disk: Hydra calls it before the sweeper starts.

    The sweeper itself runs `n_trials` trials more with each command, forgets the one that was cut off, and draws the
    same first values again. Here `n_trials` counts the finished trials of all commands, trials that were cut off
    come first, with their values and so in their folders, and each command's draws are its own. A line a trial says
    what is tried and what it reached, and the last one which is best and where it lies: in place of Hydra's lines.
    """

    def __init__(self) -> None:
        self.finished = 0  # trials, of earlier commands

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        for name in ("alembic", "hydra_plugins.hydra_optuna_sweeper", "hydra._internal.core_plugins.basic_launcher"):
            logging.getLogger(name).setLevel(logging.WARNING)
        import optuna  # optional: only a search needs it
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        Path(config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        sweeper = config.hydra.sweeper
        try:
            study = optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage)
        except KeyError:  # the first command
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                study.tell(trial.number, state=TrialState.FAIL)
                if trial.params:
                    study.enqueue_trial(trial.params)
        self.finished = len(study.get_trials(states=(TrialState.COMPLETE,)))
        log.info("search %s: %d of %d trials are finished", sweeper.study_name, self.finished, sweeper.n_trials)
        sweeper.n_trials = max(0, sweeper.n_trials - self.finished)
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.trials)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        same = config.hydra.job.config.override_dirname.exclude_keys
        words = dict(word.split("=", 1) for word in config.hydra.overrides.task if "=" in word)
        values = {key: value for key, value in words.items() if key not in same}
        log.info("%s: %s", self.trial(config), in_words(values))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if job_return.status == JobStatus.COMPLETED:
            log.info("%s: %s %s", self.trial(config), config.objective, short(job_return.return_value))

    def trial(self, config: DictConfig) -> str:
        """Name a job as people count, such as "trial 3 of 30"."""
        number = self.finished + config.hydra.job.num + 1
        return f"trial {number} of {self.finished + config.hydra.sweeper.n_trials}"

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        import optuna

        sweeper = config.hydra.sweeper
        best = optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage).best_trial
        # As Hydra names it: override_dirname sorts.
        folder = Path(config.hydra.sweep.dir, ",".join(sorted(f"{key}={value}" for key, value in best.params.items())))
        log.info("best of all trials: %s %s with %s", config.objective, short(best.value), in_words(best.params))
        if folder.is_dir():
            log.info("best run: %s", folder)


def in_words(values: Mapping[str, Any]) -> str:
    """Word what a trial tries, its numbers in four digits."""
    return ", ".join(f"{key}={short(value)}" for key, value in values.items())


def short(value: Any) -> str:
    """Write a number in four digits, anything else as it is."""
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value)
