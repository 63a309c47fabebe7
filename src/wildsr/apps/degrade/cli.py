"""`wildsr degrade`: a synthetic set of pairs, with the recipe of every image, to be made again byte for byte."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from wildsr.apps.common.arguments import refuse_clashes, refuse_inputs
from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.config import build
from wildsr.degradation import DegradationSpec, Recipe, SharpenSpec, degrade
from wildsr.images import crop_to_multiple, find_images, read_image, to_float, write_image
from wildsr.io import UserError, first_line, printable, write_whole
from wildsr.training.pairs import sharpened

log = logging.getLogger(__name__)


def main(given: argparse.Namespace) -> int:
    """Degrade all images and write their recipes. Returns the exit code."""
    tasks = list(read_tasks(given) if given.replay else draw_tasks(given))
    recipes = given.recipes or given.output / "recipes.jsonl"
    targets = [given.output / Path(task.file).with_suffix(".png") for task in tasks]
    refuse_inputs([*targets, recipes], [given.folder / task.file for task in tasks], "--output or --recipes")
    if given.output.resolve() == given.folder.resolve():
        raise UserError(f"{given.output} is the folder of the HQ files; wanted another --output")
    refuse_one_name(tasks, targets)
    refuse_clashes([*targets, recipes], given.overwrite)
    done = []
    bar = track(tasks, "degrading", console=message_console(), transient=True, disable=not has_bars())
    try:
        for task, target in zip(bar, targets, strict=True):
            try:
                degrade_file(given.folder / task.file, task, target)
                done.append(task)
                log.debug("%s: %s", task.file, task.recipe.describe())
            except UserError as error:
                log.warning("left out: %s", first_line(error))
    finally:  # also of the images before an interruption: without its recipe an image cannot be made again
        if done:
            lines = "".join(json.dumps(task.to_dict()) + "\n" for task in done)
            write_whole(recipes, lambda file: file.write(lines.encode()))
    print(f"{given.output}: {len(done)} of {len(tasks)} images; recipes: {recipes}")
    return 0 if len(done) == len(tasks) else 1


@dataclass(frozen=True)
class DegradeTask:
    """One image: its file in the folder, how it is sharpened before, if at all, and its recipe."""

    file: str
    sharpen: SharpenSpec | None
    recipe: Recipe

    def to_dict(self) -> dict[str, Any]:
        """Return a line of recipes.jsonl."""
        sharpen = None if self.sharpen is None else asdict(self.sharpen)
        return {"file": self.file, "sharpen": sharpen, "recipe": self.recipe.to_dict()}


def refuse_one_name(tasks: Sequence[DegradeTask], targets: Sequence[Path]) -> None:
    """Refuse two images whose results would have one name: by it HQ and LQ are a pair. Raises: UserError."""
    files: dict[Path, str] = {}
    for task, target in zip(tasks, targets, strict=True):
        if target in files:
            raise UserError(
                f"{printable(files[target])} and {printable(task.file)} would both be written to {printable(target)}, "
                "and a pair is found by its name; rename one"
            )
        files[target] = task.file


def draw_tasks(given: argparse.Namespace) -> Iterator[DegradeTask]:
    """Yield a task for each image, its recipe a function of the seed and its place.

    What an earlier call left in an output folder that lies in the folder of images is none of them.
    """
    spec: DegradationSpec = build(given.cfg.degradation, "degradation")
    sharpening: SharpenSpec = build(given.cfg.sharpen, "sharpen")
    results = given.output.resolve()
    apart = not given.folder.resolve().is_relative_to(results)
    found = [
        file for file in find_images(given.folder) if not (apart and file.parent.resolve().is_relative_to(results))
    ]
    for number, file in enumerate(found):
        recipe = spec.draw(np.random.default_rng([given.seed, number]))
        yield DegradeTask(file.relative_to(given.folder).as_posix(), sharpening if sharpening.source else None, recipe)


def read_tasks(given: argparse.Namespace) -> Iterator[DegradeTask]:
    """Yield the tasks of a file of recipes, of this version or of 0.1.

    Raises:
        UserError: a line is damaged, a recipe impossible, or a name leads out of the folder.
    """
    folder, file = given.folder, given.replay
    if not file.is_file():
        raise UserError(f"{file}: no such file; wanted what wildsr degrade wrote")
    spec: DegradationSpec = build(given.cfg.degradation, "degradation")
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            values = json.loads(line)
            if not isinstance(values, dict) or set(values) != {"file", "sharpen", "recipe"}:
                raise UserError("no recipe")
            recipe = Recipe.from_dict(values["recipe"], spec.operations.values())
            task = DegradeTask(values["file"], values["sharpen"] and SharpenSpec(**values["sharpen"]), recipe)
            name = Path(task.file)
            if name.is_absolute() or ".." in name.parts:
                raise UserError(f"{task.file} leads out of {folder}")
        except (ValueError, TypeError) as error:
            raise UserError(f"{file}, line {number}: {error}; wanted lines as wildsr degrade writes them") from error
        yield task


@torch.no_grad()
def degrade_file(source: Path, task: DegradeTask, target: Path) -> None:
    """Degrade one image as its task says."""
    hq = crop_to_multiple(to_float(read_image(source)), task.recipe.scale, printable(source))
    if task.sharpen is not None:
        hq = sharpened(hq, task.sharpen)
    write_image(degrade(hq, task.recipe), target)
