"""Compose and fit: from the command line to a finished run.

A run lives in runs/<name>, each stage in a folder of its own: checkpoints/, panels/, csv/, config.yaml, and
generator.safetensors, the averaged generator at the stage's end. A run closes with scores.json (means by method and
set), images.csv (the score of each picture, with its recipe), strata.csv (means by what was done to it) and
comparison.png.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.console import Console
from torch import distributed

from wildsr.config import WORDS, ConfigError, check, compose_config, conf_folder
from wildsr.data import Pairs, ValidationSet
from wildsr.images import first_line, save_picture, write_whole
from wildsr.metrics import FEW
from wildsr.networks import load_generator
from wildsr.reports import write_report
from wildsr.reports.crops import CROPS, START, chosen, keep, keep_inputs, write_list
from wildsr.reports.runs import IMAGES, SCORES, STRATA
from wildsr.training.fitting import GENERATOR, device, fit_stage, leads, rehearse
from wildsr.training.judgement import (
    Method,
    Scores,
    bicubic,
    comparison,
    judge,
    last_score,
    means,
    objective_of,
    score_row,
    shown_pair,
    table,
    write_rows,
)
from wildsr.training.resuming import read_start, set_aside
from wildsr.training.sources import build_data
from wildsr.training.stops import Interrupted
from wildsr.training.strata import Row, by_stratum, strata_table
from wildsr.training.validation import MAIN, enlarged

COMPARISON = "comparison.png"


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
    overrides = [word for word in words if not word.startswith("-") and ("=" in word or word[0] == "~")]
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
    except ConfigError as error:
        sys.exit(fail(error, code=2))  # every job would say so
    except (ValueError, OSError) as error:
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
    folder = shown(folder)
    stages = plan(overrides, folder)
    for number, cfg in enumerate(stages):
        rehearse(cfg, folder, planned=[before.stage.name for before in stages[:number]])
    if stages[0].resume == "never" and leads():
        for cfg in stages:
            set_aside(folder / cfg.stage.name)
    trained = [fit_stage(cfg, folder / cfg.stage.name) for cfg in stages]
    if distributed.is_initialized():  # the judgement is one process's work
        distributed.destroy_process_group()
    if not leads():
        return {}
    judging = stages[-1].compare and stages[-1].data.val
    scores = close(stages, folder, fresh=any(trained)) if judging else {}
    print(f"report:   {write_report(folder)}")
    return scores


def plan(overrides: Sequence[str], folder: Path) -> list[DictConfig]:
    """One configuration for each stage: the same overrides, composed with each stage in turn."""
    cfg = compose_config(overrides)
    names = cfg.stage.get("sequence")
    others = [word for word in overrides if not word.startswith("stage=")]
    stages = [compose_config([*others, f"stage={name}"]) for name in names] if names else [cfg]
    for stage in stages:
        stage.paths.run = str(folder)
    if cfg.resume in ("auto", "never"):
        return stages
    given = read_start(Path(cfg.resume)).stage
    known = [stage.stage.name for stage in stages]
    if given not in known:
        raise ValueError(f"resume={cfg.resume} is of the {given} stage; wanted one of: {', '.join(known)}")
    return stages[known.index(given) :]  # what comes before is behind it


def close(stages: Sequence[DictConfig], folder: Path, fresh: bool) -> Scores:
    """Judge bicubic, the starting weights and each stage on every validation set, once; print what was found."""
    cfg, strata = stages[-1], []
    if fresh or not (folder / SCORES).is_file():
        strata = judged(stages, folder)
    scores: Scores = json.loads((folder / SCORES).read_text())
    names = dict.fromkeys(key.rpartition("/")[0] or MAIN for row in scores.values() for key in row)
    for name in names:
        what = "the held-out pictures" if name == MAIN else f"the set {name}"
        Console().print(table(scores, f"{cfg.name}: {what} ({cfg.scale} border pixels left out)", name))
    main = [row for row in strata if row["set"] == MAIN]
    if any(row["images"] >= FEW for row in main):
        Console().print(
            strata_table(main, next(iter(scores["bicubic"])), f"{cfg.name}: by what was done to the picture")
        )
    if (folder / STRATA).is_file():
        print(f"strata:   {folder / STRATA}")
    weights = shlex.quote(str(folder / cfg.stage.name / GENERATOR))
    print(f"pictures: {folder / COMPARISON}; their scores: {folder / IMAGES}")
    print(f"next:     {shown(beside('wildsr'))} upscale YOUR_PICTURE -o OUT.png --weights {weights}")
    return scores


def judged(stages: Sequence[DictConfig], folder: Path) -> list[Row]:
    """The judgement itself: writes each score, the figures by stratum (returned), the picture, and last the means."""
    cfg, methods = stages[-1], methods_of(stages, folder)
    sets = build_data(cfg).val
    scores = judge(methods, sets, cfg.metrics, cfg.scale, device())
    write_rows([score_row(score, cfg.metrics) for score in scores], folder / IMAGES)
    strata: list[Row] = []
    for name, pictures in sets.items():
        if isinstance(pictures, Pairs):
            rows = by_stratum([score for score in scores if score.set == name], pictures.spec)
            strata += [{"set": name, **row} for row in rows]
    if strata:
        write_rows(strata, folder / STRATA)
    keep_start(cfg, methods, sets, folder)
    save_picture(comparison(methods, sets, side=200, zoom=2, device=device()), folder / COMPARISON)
    write_whole(folder / SCORES, lambda file: file.write(json.dumps(means(scores), indent=1).encode()))
    return strata


@torch.no_grad()
def keep_start(cfg: DictConfig, methods: Mapping[str, Method], sets: Mapping[str, ValidationSet], folder: Path) -> None:
    """Keep what the report shows of the inputs and of the starting weights; each stage has kept its own."""
    start, crops = methods.get(f"{cfg.generator.weights} (start)"), []
    for name, index in chosen(sets):
        pair = shown_pair(sets[name][index], device())
        crops.append(keep_inputs(folder, name, index, sets[name], cfg.scale, pair.lq, pair.hq))
        if start is not None:
            keep(folder / CROPS / START, crops[-1], start(pair.lq)[0])
    write_list(folder, crops)


def methods_of(stages: Sequence[DictConfig], folder: Path) -> dict[str, Method]:
    """The rows of the closing table: name -> upscaling function."""
    cfg = stages[-1]
    sources = {f"{stage.stage.name} stage": folder / stage.stage.name / GENERATOR for stage in stages}
    start = cfg.generator.weights
    networks = ({f"{start} (start)": start} if start else {}) | sources
    methods = {"bicubic": bicubic(cfg.scale)}
    for name, source in networks.items():
        network = load_generator(source).to(device())
        if network.scale == cfg.scale:  # weights taken over from another scale have nothing to show at this one
            methods[name] = partial(enlarged, network)
    return methods


def beside(program: str) -> Path:
    """A program by its bare name where the environment is active, else by its path beside Python."""
    return Path(program) if shutil.which(program) else Path(sys.executable).parent / program


def shown(folder: Path) -> Path:
    """A folder as a user would type it: relative where it lies below the current one."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
