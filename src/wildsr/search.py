"""Multiruns: folders that the same command finds again, and a search that it goes on with, however it ended before."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
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
    come first, with their values and so in their folders, and each command's draws are its own.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        import optuna  # optional: only a search needs it
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)  # of the file's tables
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
        done = len(study.get_trials(states=(TrialState.COMPLETE,)))
        log.info("search %s: %d of %d trials are finished", sweeper.study_name, done, sweeper.n_trials)
        sweeper.n_trials = max(0, sweeper.n_trials - done)
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.trials)
