"""The end of a run: bicubic, the starting weights and each stage judged on every validation set, once."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from wildsr.apps.evaluate.findings import COMPARISON, IMAGES, SCORES, STRATA, table, write_findings
from wildsr.apps.evaluate.judgement import Method, bicubic, judge
from wildsr.apps.evaluate.strata import Row, strata_table
from wildsr.metrics import FEW
from wildsr.networks import load_generator
from wildsr.scores import Scores, read_scores
from wildsr.training.fitting import GENERATOR, device
from wildsr.training.sources import build_data
from wildsr.training.validation import MAIN, enlarged


def close(stages: Sequence[DictConfig], folder: Path, fresh: bool) -> Scores:
    """Judge bicubic, the starting weights and each stage on every validation set, once; print what was found."""
    cfg, strata = stages[-1], []
    if fresh or not (folder / SCORES).is_file():
        strata = judged(stages, folder)
    scores = read_scores(folder / SCORES)
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
    """The judgement itself: writes its files; returns the figures by stratum."""
    cfg, methods = stages[-1], methods_of(stages, folder)
    sets = build_data(cfg).val
    return write_findings(judge(methods, sets, cfg.metrics, cfg.scale, device()), sets, cfg.metrics, folder)


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
