"""Multiruns: jobs that are checked first, folders that the same command finds again, a search that it goes on with."""

from __future__ import annotations

import itertools
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

from wildsr.config import check_overrides, exit_code, explain, is_explained
from wildsr.io import display_path
from wildsr.labels import trial_label
from wildsr.overrides import own_overrides, typed_overrides

log = logging.getLogger(__name__)


class NameJobs(Callback):
    """Name the jobs of a multirun by what differs between them: Hydra's override_dirname without the other keys."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        parsed = OverridesParser.create().parse_overrides(typed_overrides(config.hydra))
        same = [override.key_or_group for override in parsed if not override.is_sweep_override()]
        with open_dict(config.hydra.overrides):
            # Every job is composed with these overrides, on whichever machine.
            config.hydra.overrides.hydra.append(
                f"hydra.job.config.override_dirname.exclude_keys={[*same, 'hydra.mode']}"
            )


class CheckJobs(Callback):
    """Refuses a multirun of which a job cannot run, before its first job starts: each is prepared as a run is.

    Of a search the values are checked one by one, of a range its ends, since its jobs are not known yet. Jobs of
    another launcher than Hydra's own run elsewhere, and at once: their machine, not this one, says what fits.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        # Hydra makes the callbacks of a configuration before it is known to be right: torch would take seconds.
        from wildsr.building import is_rank_zero

        if not is_rank_zero() or not config.hydra.launcher._target_.endswith(".BasicLauncher"):
            return
        jobs = jobs_of(config)
        log.info("checking %d jobs before the first starts", len(jobs))
        faults: dict[str, list[str]] = {}
        code = 0
        for job in jobs:
            try:
                check_job(config, job)
            except Exception as error:  # Hydra makes a warning of what leaves a callback
                if not is_explained(error):
                    continue  # a bug: the job itself shows where
                faults.setdefault(explain(error), []).append(",".join(differing(job, jobs)))
                code = max(code, exit_code(error))
        for fault, names in faults.items():
            of = f" (of {'; '.join(names)})" if len(names) < len(jobs) else ""
            print(f"error: {fault}{of}", file=sys.stderr)
        if faults:
            sys.exit(code)


def check_job(config: DictConfig, job: Sequence[str]) -> None:
    """Compose a job of a multirun, and prepare it in the folder that it will have.

    Raises:
        UserError, ValueError, OSError, HydraException: it cannot run; nothing was written.
    """
    from wildsr.train import prepare

    cfg = GlobalHydra.instance().config_loader().load_sweep_config(config, list(job))
    folder = Path(cfg.hydra.sweep.dir) / cfg.hydra.sweep.subdir
    check_overrides(job, cfg.hydra.job.config_name)
    with open_dict(cfg):
        del cfg["hydra"]
    cfg.paths.run = display_path(folder.absolute())
    prepare(cfg)


def jobs_of(config: DictConfig) -> list[list[str]]:
    """Return the overrides of the jobs that a multirun has, or of what a search may try."""
    sweeper = config.hydra.sweeper
    given = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    parsed = parser.parse_overrides([*given, *typed_overrides(config.hydra)])
    words = [words_of(override) for override in {o.get_key_element(): o for o in parsed}.values()]
    if sweeper._target_.endswith(".BasicSweeper"):
        return [list(job) for job in itertools.product(*words)]
    first = [own[0] for own in words]
    return [first, *([*first[:n], word, *first[n + 1 :]] for n, own in enumerate(words) for word in own[1:])]


def words_of(override: Override) -> list[str]:
    """Return an override for each value that a job may have of it; of an interval for its ends."""
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if override.is_sweep_override():
        return [f"{key}={text}" for text in override.sweep_string_iterator()]
    return [f"{key}={override.get_value_element_as_str()}"]


def differing(job: Sequence[str], jobs: Sequence[Sequence[str]]) -> list[str]:
    """Return the overrides of a job that another has not."""
    return [word for word in job if any(word not in other for other in jobs)]


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
        log.info("%s: %s", self.trial(config), trial_label(", ".join(own_overrides(config.hydra))))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if job_return.status == JobStatus.COMPLETED and job_return.return_value is not None:
            log.info("%s: %s %.4g", self.trial(config), config.objective, job_return.return_value)

    def trial(self, config: DictConfig) -> str:
        """Name a job as people count, such as "trial 3 of 30"."""
        number = self.finished + config.hydra.job.num + 1
        return f"trial {number} of {self.finished + config.hydra.sweeper.n_trials}"

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        import optuna

        sweeper = config.hydra.sweeper
        best = optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage).best_trial
        words = [f"{key}={value}" for key, value in best.params.items()]
        label = trial_label(", ".join(words))
        log.info("best of all trials: %s %.4g with %s", config.objective, best.value, label)
        folder = Path(config.hydra.sweep.dir, ",".join(sorted(words)))  # as Hydra names it: override_dirname sorts
        if folder.is_dir():
            log.info("best run: %s", folder)
