"""Compose and fit: from the command line to a finished run.

A run lives in runs/<name>, each stage in a folder of its own: checkpoints/, panels/, csv/, config.yaml, and
generator.safetensors, the averaged generator at the stage's end. A run closes with a judgement, whose files
training/findings.py names. report.html shows all of it; reports/ writes it, and keeps what it needs for that in crops/,
degradation.json and overrides.json.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from torch import distributed

from wildsr.apps.evaluate.closing import close, methods_of, shown
from wildsr.apps.evaluate.crops import CROPS, START, chosen, keep, keep_inputs, write_list
from wildsr.apps.evaluate.findings import SCORES
from wildsr.apps.evaluate.judgement import last_score, objective_of, shown_pair
from wildsr.apps.report import write_report
from wildsr.config import WORDS, ConfigError, check, compose_config, conf_folder
from wildsr.images import first_line
from wildsr.locking import lock_folder
from wildsr.scores import Scores
from wildsr.training.fitting import device, fit_stage, leads
from wildsr.training.preflight import dry_run
from wildsr.training.resuming import read_start, set_aside
from wildsr.training.sources import build_data
from wildsr.training.stops import Interrupted

REQUEUE_WAIT = 120.0  # seconds: NFS gives a lock of a lost node up after 90


def main() -> int:
    """`python train.py OVERRIDES`: check the overrides first, then hand over to Hydra. Returns the exit code."""
    words = sys.argv[1:]
    os.environ[WORDS] = json.dumps(words)  # for jobs on other machines
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra hands errors on, instead of printing several lines
    try:
        if not {"--help", "-h", "--hydra-help"} & set(words):
            check_words(words)
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")(job)()
    except ConfigError as error:
        return fail(error, code=2)
    except (ValueError, OSError, HydraException) as error:
        return fail(error, code=1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    return 0


def check_words(words: Sequence[str]) -> None:
    """Refuse a command line without an override, with a word that is none, or with one that does not compose.

    Raises:
        ValueError: one line.
    """
    overrides = [word for word in words if not word.startswith("-") and ("=" in word or word[:1] == "~")]
    if not overrides and not any(word.startswith("-") for word in words):
        given = f"{words[0]!r} is no override" if words else "nothing given"
        raise ConfigError(f"{given}; wanted for example experiment=quickstart (python train.py --help teaches)")
    several = {"-m", "--multirun"} & set(words) or any(word.startswith("search=") for word in overrides)
    (check if several else compose_config)(overrides)


def job(cfg: DictConfig) -> float | None:
    """One run of Hydra's: all its stages. Says in one line what the user can mend.

    Returns what a search looks at, if it is part of one. In a multirun the other jobs go on after one that failed.
    """
    run = HydraConfig.get()
    overrides = list(run.overrides.task)
    try:
        metric = objective_of(cfg)
        scores = train(overrides, Path(run.runtime.output_dir))
        return last_score(scores, metric) if metric and leads() else None
    except Interrupted as stop:
        if not leads():
            return None  # the first process says it, and fails for all
        again = "the same command" if run.mode == RunMode.MULTIRUN else command(overrides)
        print(f"{stop}; to go on: {again}", file=sys.stderr)
        sys.exit(1)
    except (ValueError, OSError) as error:
        with suppress(OSError):  # there is something in it
            Path(run.runtime.output_dir).rmdir()
        if isinstance(error, ConfigError):
            sys.exit(fail(error, code=2))  # every job would say so
        code = fail(error, code=1)
        if run.mode == RunMode.MULTIRUN:
            raise
        sys.exit(code)


def fail(error: Exception, code: int) -> int:
    """Say what is wrong in one line; returns the exit code."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    worker = bool(lines) and lines[0].startswith("Caught ")  # a DataLoader's worker puts the cause last
    print(f"error: {lines[-1].split(': ', 1)[-1] if worker else first_line(error)}", file=sys.stderr)
    return code


def command(overrides: Sequence[str]) -> str:
    """The command line that goes on with a run."""
    return f"python train.py {shlex.join(word for word in overrides if not word.startswith('resume='))}"


def train(overrides: Sequence[str], folder: Path) -> Scores:
    """Train every stage that the overrides name, in `folder`, then judge. Returns the closing scores.

    Raises:
        ValueError: something the user gave does not fit.
        Interrupted: it stopped early; the same call goes on.
    """
    begin, folder = time.monotonic(), shown(folder)
    stages = plan(overrides, folder)
    # A requeued job may start before another node has heard that its first start has ended.
    wait = REQUEUE_WAIT if "SLURM_RESTART_COUNT" in os.environ else 0.0
    with lock_folder(folder, "train.py", wait) if leads() else nullcontext():
        return train_stages(stages, folder, begin)


def train_stages(stages: Sequence[DictConfig], folder: Path, begin: float) -> Scores:
    """Train stages in a folder that is this run's alone, then judge: as `train`."""
    for number, cfg in enumerate(stages):
        dry_run(cfg, folder, planned=[before.stage.name for before in stages[:number]])
    if stages[0].resume == "never" and leads():
        for cfg in stages:
            set_aside(folder / cfg.stage.name)
    trained = [fit_stage(cfg, folder / cfg.stage.name, begin) for cfg in stages]
    if distributed.is_initialized():  # the judgement is one process's work
        distributed.destroy_process_group()
    if not leads():
        return {}
    scores: Scores = {}
    if stages[-1].compare and stages[-1].data.val:
        fresh = any(trained) or not (folder / SCORES).is_file()
        scores = close(stages, folder, fresh)
        if fresh:
            keep_start(stages, folder)
    print(f"report:   {write_report(folder)}")
    return scores


@torch.no_grad()
def keep_start(stages: Sequence[DictConfig], folder: Path) -> None:
    """Keep what the report shows of the inputs and of the starting weights; each stage has kept its own."""
    cfg, crops = stages[-1], []
    start, sets = methods_of(stages, folder).get(f"{cfg.generator.weights} (start)"), build_data(cfg).val
    for name, index in chosen(sets):
        pair = shown_pair(sets[name][index], device())
        crops.append(keep_inputs(folder, name, index, sets[name], cfg.scale, pair.lq, pair.hq))
        if start is not None:
            keep(folder / CROPS / START, crops[-1], start(pair.lq)[0])
    write_list(folder, crops)


def plan(overrides: Sequence[str], folder: Path) -> list[DictConfig]:
    """One configuration for each stage: the same overrides, composed with each stage in turn."""
    cfg = compose_config(overrides)
    names = cfg.stage.get("sequence")
    others = [word for word in overrides if not word.startswith("stage=")]
    stages = [compose_config([*others, f"stage={name}"]) for name in names] if names else [cfg]
    for stage in stages:
        stage.paths.run = str(folder)
        stage.channels = OmegaConf.select(stage, "generator.network.channels", default=stage.channels)
    if "SLURM_RESTART_COUNT" in os.environ:  # put back into the queue: what the first start began goes on
        for stage in stages:
            stage.resume = "auto"
        return stages
    if cfg.resume in ("auto", "never"):
        return stages
    given = read_start(Path(cfg.resume)).stage
    known = [stage.stage.name for stage in stages]
    if given not in known:
        raise ValueError(f"resume={cfg.resume} is of the {given} stage; wanted one of: {', '.join(known)}")
    return stages[known.index(given) :]  # what comes before is behind it
