"""Compose and fit: from the command line to a finished run.

A run lives in runs/<name>, each stage in a folder of its own: checkpoints/, panels/, csv/, config.yaml, and
generator.safetensors, the averaged generator at the stage's end. A run closes with scores.json and comparison.png.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from torch import nn

from wildsr.config import check, compose_config, conf_folder
from wildsr.images import first_line, save_picture, write_whole
from wildsr.networks import load_generator
from wildsr.training.fitting import GENERATOR, Interrupted, build_data, device, fit_stage
from wildsr.training.judgement import Method, Scores, bicubic, comparison, judge, table

SCORES, COMPARISON = "scores.json", "comparison.png"


def main() -> int:
    """`python train.py OVERRIDES`: check the overrides first, then hand over to Hydra. Returns the exit code."""
    words = sys.argv[1:]
    try:
        if not {"--help", "-h", "--hydra-help"} & set(words):
            overrides = [word for word in words if not word.startswith("-") and ("=" in word or word[0] == "~")]
            (check if {"-m", "--multirun"} & set(words) else compose_config)(overrides)
    except ValueError as error:
        return fail(error, code=2)
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")(job)()
    return 0


def job(_: DictConfig) -> None:
    """One run of Hydra's: all its stages. Leaves with one line where the user can mend what is wrong."""
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    try:
        train(overrides, Path(settings.runtime.output_dir))
    except Interrupted as stop:
        print(f"{stop}; to go on: {command(overrides)}", file=sys.stderr)
        sys.exit(1)
    except (ValueError, OSError) as error:
        sys.exit(fail(error, code=1))


def fail(error: Exception, code: int) -> int:
    """Say what is wrong in one line; returns the exit code."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    worker = bool(lines) and lines[0].startswith("Caught ")  # a DataLoader's worker puts the cause last
    print(f"error: {lines[-1].split(': ', 1)[-1] if worker else first_line(error)}", file=sys.stderr)
    return code


def command(overrides: Sequence[str]) -> str:
    """The command line of a run, to be given again."""
    return f"python train.py {shlex.join(overrides)}"


def train(overrides: Sequence[str], folder: Path) -> Scores:
    """Train every stage that the overrides name, in `folder`, then judge. Returns the closing scores.

    Raises:
        ValueError: something the user gave does not fit.
        Interrupted: it stopped early; the same call goes on.
    """
    folder = shown(folder)
    stages = plan(overrides, folder)
    trained = [fit_stage(cfg, folder / cfg.stage.name) for cfg in stages]
    return close(stages, folder, fresh=any(trained)) if stages[-1].compare and stages[-1].data.val else {}


def plan(overrides: Sequence[str], folder: Path) -> list[DictConfig]:
    """One configuration for each stage: the same overrides, composed with each stage in turn."""
    cfg = compose_config(overrides)
    names = cfg.stage.get("sequence")
    others = [word for word in overrides if not word.startswith("stage=")]
    stages = [compose_config([*others, f"stage={name}"]) for name in names] if names else [cfg]
    for stage in stages:
        stage.paths.run = str(folder)
    return stages


def close(stages: Sequence[DictConfig], folder: Path, fresh: bool) -> Scores:
    """Judge bicubic, the starting weights and each stage on the validation pairs; print, write scores and picture."""
    cfg, scores = stages[-1], {}
    if not fresh and (folder / SCORES).is_file():
        scores = json.loads((folder / SCORES).read_text())
    else:
        methods, pairs = methods_of(stages, folder), build_data(cfg).val
        assert pairs is not None
        scores = judge(methods, pairs, cfg.scale, device())
        which = range(0, len(pairs), max(1, cfg.data.val_recipes))[:4]
        picture = comparison(methods, pairs, which, side=200, zoom=2, device=device())
        save_picture(picture, folder / COMPARISON)
        write_whole(folder / SCORES, lambda file: file.write(json.dumps(scores, indent=1).encode()))
    what = f"{cfg.name}: the held-out photographs, degraded (4 border pixels left out)"
    Console().print(table(scores, what.replace("4", str(cfg.scale))))
    print(f"pictures: {folder / COMPARISON}\nnext:     wildsr upscale YOUR_PICTURE -o OUT.png --weights "
          f"{folder / cfg.stage.name / GENERATOR}")  # fmt: skip
    return scores


def methods_of(stages: Sequence[DictConfig], folder: Path) -> dict[str, Method]:
    """The rows of the closing table: name -> upscaling function."""
    cfg = stages[-1]
    sources = {f"{stage.stage.name} stage": folder / stage.stage.name / GENERATOR for stage in stages}
    start = cfg.generator.weights
    networks = ({f"{start} (start)": start} if start else {}) | sources
    methods = {"bicubic": bicubic(cfg.scale)}
    for name, source in networks.items():
        network = load_generator(source).to(device())
        methods[name] = clamped(network)
    return methods


def clamped(network: nn.Module) -> Method:
    """A network as a method of the closing table."""
    return lambda lq: network(lq).clamp(0, 1)


def shown(folder: Path) -> Path:
    """A folder as a user would type it: relative where it lies below the current one."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
