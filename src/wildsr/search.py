"""A search that the same command goes on with, however it ended before."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class Continue(Callback):
    """Prepares the Optuna sweeper for its study on disk: Hydra calls it before the sweeper starts.

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
        print(f"search {sweeper.study_name}: {done} of {sweeper.n_trials} trials are finished", flush=True)
        sweeper.n_trials = max(0, sweeper.n_trials - done)
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(study.trials)
