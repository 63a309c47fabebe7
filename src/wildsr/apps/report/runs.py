"""What a run's folder tells. It is read as text, numbers and images, nothing of it is run: it may be anybody's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors
import yaml

from wildsr.apps.evaluate.crops import Crop, read_crops
from wildsr.apps.evaluate.files import (
    IMAGES,
    SCORES,
    STRATA,
    Scores,
    number,
    read_displays,
    read_scores,
    read_table,
    start_row,
)
from wildsr.apps.evaluate.labels import SetContent, contents_of
from wildsr.apps.report.curves import Points, read_points
from wildsr.apps.report.drawn import DRAWN, Drawn, read_drawn
from wildsr.apps.report.facts import Facts, read_facts
from wildsr.io import CONFIG, GENERATOR, UserError, first_line, read_json
from wildsr.scores import MetricDisplay, display_of

OVERRIDES = "overrides.json"  # in a run's folder
CURVES = "csv"  # in a stage's
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEPTH = 3  # folders within folders that may hold runs: runs/NAME/JOB


@dataclass(frozen=True)
class Stage:
    """One stage of a run: `config` as it stands in its config.yaml, `trained` where its generator is there."""

    name: str
    folder: Path
    config: dict[str, Any]
    trained: int | None
    points: Points
    facts: Facts | None = None

    @cached_property
    def iterations(self) -> int:
        """Return the length that it shall have, in iterations."""
        return int(number(_of_stage(self.config, "iterations")) or 0)

    @cached_property
    def first_validation(self) -> int:
        """Return the iteration that its first validation comes after; 0 where its configuration does not tell."""
        return min(self.iterations, int(number(_of_stage(self.config, "iterations_per_epoch")) or 0))

    @cached_property
    def done(self) -> int:
        """Return how many iterations are known to be done: by the weights, else by the curves."""
        last = max((points[-1][0] for points in self.points.values()), default=0)
        return max(last, self.trained or 0)

    @cached_property
    def latest(self) -> tuple[dict[str, float], int]:
        """Return the scores of its latest validation, by their names, and its iteration; {} and 0 before the first."""
        last = {key.removeprefix("val/"): points[-1] for key, points in self.points.items() if key.startswith("val/")}
        scores = {name: score for name, (_, score) in last.items()}
        return scores, max((iteration for iteration, _ in last.values()), default=0)

    @property
    def monitor(self) -> tuple[str, bool]:
        """Return the scalar that decides which checkpoint is best, and whether more of it is better."""
        best = _within(self.config, "callbacks", "best")
        return str(_within(best, "monitor") or "val/psnr_y"), _within(best, "mode") != "min"

    @cached_property
    def best(self) -> tuple[Path, int, float] | None:
        """Return the best checkpoint, its iteration and its score; None where there is none."""
        key, is_more_better = self.monitor
        file, points = self.folder / "checkpoints" / "best.ckpt", self.points.get(key)
        if not points or not file.is_file():
            return None
        return file, *(max if is_more_better else min)(points, key=lambda point: point[1])

    @property
    def is_finished(self) -> bool:
        return self.trained is not None and self.trained >= self.iterations


@dataclass(frozen=True)
class Run:
    """A run as its folder tells it: stages in their order, and what the closing evaluation found, if there was one."""

    folder: Path
    name: str
    stages: tuple[Stage, ...]
    scores: Scores
    images: list[dict[str, str]]
    strata: list[dict[str, str]]
    overrides: list[str]
    crops: list[Crop]
    drawn: Drawn | None
    displays: dict[str, MetricDisplay]  # how metrics of a user's own are shown
    running: tuple[str, int] | None  # stage and iteration, said by the run itself

    @property
    def config(self) -> dict[str, Any]:
        """Return the last stage's configuration."""
        return self.stages[-1].config

    @property
    def scale(self) -> int:
        return int(number(self.config.get("scale")) or 0)

    @cached_property
    def contents(self) -> dict[str, SetContent]:
        """Return what its validation sets hold: as evaluated, else as it said when it began."""
        facts = self.stages[-1].facts
        return contents_of(self.images) or (dict(facts.sets) if facts else {})

    @property
    def objective(self) -> tuple[str, bool]:
        """Return the score that a search looks at, else the one that chooses checkpoints; whether more is better."""
        key, is_more_better = self.stages[-1].monitor
        given = self.config.get("objective")
        if given:
            key, is_more_better = (
                str(given),
                "lower" not in display_of(str(given).split("/")[-1], self.displays).meaning,
            )
        return key.removeprefix("val/"), is_more_better

    @property
    def start(self) -> str | None:
        """Return the name of the row in the scores of the weights that the first stage began with."""
        weights = _within(self.stages[0].config, "generator", "weights")
        return None if weights is None else start_row(str(weights))

    @property
    def is_closed(self) -> bool:
        """Return whether every stage is finished and the run evaluated."""
        return self.running is None and bool(self.scores) and all(stage.is_finished for stage in self.stages)


def read_run(folder: Path, name: str = "", running: tuple[str, int] | None = None) -> Run:
    """Read a run's folder, whose name is shown as `name`, by default the one that its configuration gives.

    Raises:
        ValueError: there is no run, or a file of it is damaged. One line.
    """
    stages = stages_in(folder)
    if not stages:
        raise UserError(f"{folder}: no run there; wanted a folder such as runs/NAME, which holds a stage's {CONFIG}")
    return Run(
        folder,
        name or str(stages[-1].config.get("name") or folder.name),
        stages,
        read_scores(folder / SCORES),
        read_table(folder / IMAGES),
        read_table(folder / STRATA),
        read_json(folder / OVERRIDES, _words, absent=[]),
        read_crops(folder),
        read_drawn(folder / DRAWN),
        read_displays(folder),
        running,
    )


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the runs that folders are or hold, each once, in the order given.

    Raises:
        ValueError: a folder is not there, or holds no run.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder")
        runs = list(_below(folder, DEPTH))
        if not runs:
            raise UserError(f"{folder}: no run there; wanted a run's folder, such as runs/NAME, or one that holds runs")
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def _below(folder: Path, depth: int) -> Iterator[Path]:
    stages = set(_stage_folders(folder))
    if stages:
        yield folder
    if depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith(".") and child not in stages:
                yield from _below(child, depth - 1)


def _stage_folders(folder: Path) -> list[Path]:
    """Return sub-folders whose configuration names them; what `resume=never` has set aside has another name."""
    files = [file for file in sorted(folder.glob(f"*/{CONFIG}")) if _inside(file, folder)]
    return [file.parent for file in files if _within(read_config(file), "stage", "name") == file.parent.name]


def stages_in(folder: Path) -> tuple[Stage, ...]:
    """Return the stages of a run, each after its predecessor.

    Raises:
        ValueError: a configuration is damaged.
    """
    stages = [
        Stage(
            path.name,
            path,
            read_config(path / CONFIG),
            _trained(path / GENERATOR),
            read_points(path / CURVES),
            read_facts(path),
        )
        for path in _stage_folders(folder)
    ]
    names = {stage.name for stage in stages}
    return tuple(sorted(stages, key=lambda stage: _of_stage(stage.config, "predecessor") in names))


def read_config(file: Path) -> dict[str, Any]:
    """Read a configuration as plain dictionaries: OmegaConf would take ten times as long, and there may be many runs.

    Raises:
        ValueError: it is damaged.
    """
    try:
        content = yaml.load(file.read_bytes(), Loader=LOADER)
    except Exception as error:  # the YAML reader has many kinds
        raise UserError(f"{file}: damaged ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"{file}: damaged; wanted a run's configuration")
    return {str(key): value for key, value in content.items()}


def _words(content: Any) -> list[str]:
    if not isinstance(content, list):
        raise ValueError(f"given a {type(content).__name__}, wanted a list of overrides")
    return [str(word) for word in content]


def _within(config: Any, *keys: str) -> Any:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _of_stage(config: Any, key: str) -> Any:
    """Return a value of the stage that a configuration is of; a run of 0.1 had those of one stage alone."""
    stage = _within(config, "stages", _within(config, "stage", "name")) or _within(config, "stage")
    return _within(stage, key)


def _inside(file: Path, folder: Path) -> bool:
    """Return whether a file is there, and no link leads out of the folder."""
    return file.is_file() and file.resolve().is_relative_to(folder.resolve())


def _trained(file: Path) -> int | None:
    """Return for how many iterations a stage's generator was trained; None where it cannot be read."""
    try:
        with safetensors.safe_open(file, "np") as content:
            return int((content.metadata() or {})["iterations"])
    except (OSError, KeyError, ValueError, safetensors.SafetensorError):
        return None
