"""The program: python train.py OVERRIDES, or wildsr train OVERRIDES.

A run lives in runs/<name>, each stage in a folder of its own: checkpoints/, panels/, csv/, config.yaml, and
generator.safetensors, the averaged generator at the stage's end. `evaluate` in the configuration closes it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from wildsr.config import build, check_options, check_overrides, conf_folder, report_error
from wildsr.io import ConfigError, display_path
from wildsr.locking import lock_folder
from wildsr.overrides import own_overrides, split_command, typed_overrides

if TYPE_CHECKING:
    from wildsr.stage import Stage

REQUEUE_WAIT = 120.0  # seconds: NFS gives a lock of a lost node up after 90


def main() -> int:
    """Run the command line as Hydra documents it; returns the exit code."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra hands errors on, instead of printing several lines
    try:
        if not sys.argv[1:]:
            raise ConfigError("nothing given; wanted for example experiment=quickstart (--help teaches the rest)")
        overrides, flags = split_command(sys.argv[1:])
        check_options(overrides)
        sys.argv[1:] = [*overrides, *flags]
        job()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    except Exception as error:
        return report_error(error)
    return 0


@hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")
def job(cfg: DictConfig) -> float | None:
    """Train as one job of Hydra's; returns what a search looks at. The other jobs go on after one that failed."""
    # Imported once the configuration is composed: torch takes seconds, and wrong words are answered before.
    from wildsr.building import is_rank_zero
    from wildsr.training.stops import Interrupted

    run = HydraConfig.get()
    several = run.mode == RunMode.MULTIRUN
    cfg.paths.run = display_path(Path(run.runtime.output_dir))
    words = typed_overrides(run)
    if several:
        cfg.tags = own_overrides(run)
    try:
        check_overrides(words, run.job.config_name)
        return train(cfg)
    except Interrupted as stop:
        if is_rank_zero():  # it speaks, and fails, for all
            other = "" if cfg.resume == "auto" else f" without resume={cfg.resume}"
            print(f"{stop}; the same command{other} goes on", file=sys.stderr)
            sys.exit(1)
    except Exception as error:
        with suppress(OSError):  # there is something in it
            Path(run.runtime.output_dir).rmdir()
        code = report_error(error)
        if several:
            raise
        sys.exit(code)
    return None


def train(cfg: DictConfig) -> Any:
    """Train the stages of a configuration in `cfg.paths.run`, one after the other, then close the run.

    Returns what `cfg.evaluate` does: the value of `cfg.objective`, if there is one.

    Raises:
        UserError, ValueError, OSError: something the user gave does not fit; nothing was trained.
        Interrupted: it stopped early; the same call goes on.
    """
    from torch import distributed

    from wildsr.building import is_rank_zero
    from wildsr.training.resume import set_aside

    begin = time.monotonic()
    # A requeued job may start before another node has heard that its first start has ended.
    wait = REQUEUE_WAIT if "SLURM_RESTART_COUNT" in os.environ else 0.0
    with lock_folder(Path(cfg.paths.run), "train.py", wait) if is_rank_zero() else nullcontext():
        stages, evaluation = prepare(cfg)
        if cfg.resume == "never" and is_rank_zero():
            for stage in stages:
                set_aside(stage.folder)
        trained = [stage.fit(begin) for stage in stages]
        if distributed.is_initialized():  # what follows is one process's work
            distributed.destroy_process_group()
        return evaluation(fresh=any(trained)) if evaluation and is_rank_zero() else None


def prepare(cfg: DictConfig) -> tuple[list[Stage], Callable[..., Any] | None]:
    """Build the stages of a configuration and what evaluates them, if anything does, and try an iteration of each.

    Raises:
        UserError, ValueError, OSError: something the user gave does not fit; nothing was written.
    """
    from wildsr.building import is_rank_zero
    from wildsr.preflight import dry_run
    from wildsr.stage import Stage, stage_names

    stages = [Stage(cfg, name) for name in stage_names(cfg)]
    evaluate = build(cfg.evaluate, "evaluate")
    build_generator = partial(build, stages[-1].cfg.generator.network, "generator.network")
    evaluation = evaluate(sets=stages[-1].data.val, build_generator=build_generator) if evaluate else None
    for stage in stages if is_rank_zero() else []:
        dry_run(stage)
    return stages, evaluation
