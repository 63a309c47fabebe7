"""`wildsr degrade`: a synthetic set of pairs, with the recipe of every picture, to be made again byte for byte."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from wildsr.apps.common.arguments import Parser, refuse_clashes, refuse_inputs, whole
from wildsr.config import build, compose_config
from wildsr.degradation import DegradationSpec, Recipe, SharpenSpec, degrade
from wildsr.images import crop_to_multiple, find_images, first_line, read_image, to_float, write_image, write_whole
from wildsr.training.datamodule import sharpened

DESCRIPTION = """Degrade every picture of a folder: HQ_DIR/a/b.jpg becomes LQ_DIR/a/b.png.

  wildsr degrade photos/ -o lq/                          the released x4 recipe, its ranges drawn anew for each picture
  wildsr degrade photos/ -o lq/ --seed 1 degradation=first_order sharpen=none
  wildsr degrade photos/ -o again/ --replay lq/recipes.jsonl    the same files again, byte for byte

What was drawn is written to LQ_DIR/recipes.jsonl (or --recipes FILE): a line a picture, to be read, edited and
replayed. KEY=VALUE are ordinary overrides, as train.py takes them. Sides that the scale does not divide lose their
last pixels at the right and bottom before; the HQ files stay as they are. A damaged picture is named and left out,
and the exit code is 1."""


def main(words: Sequence[str]) -> int:
    parser = Parser("degrade", DESCRIPTION)
    parser.add_argument("folder", type=Path, metavar="HQ_DIR", help="a folder of pictures, sub-folders included")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="choices for the degradation")
    parser.add_argument("-o", "--output", type=Path, metavar="LQ_DIR", required=True, help="where the LQ files go")
    parser.add_argument("--seed", type=whole, default=0, help="of the recipes (default: %(default)s)")
    parser.add_argument("--recipes", type=Path, help="where the recipes go (default: LQ_DIR/recipes.jsonl)")
    parser.add_argument("--replay", type=Path, help="take the recipes of this file instead of drawing")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    given = parser.parse_intermixed_args(words)
    if given.replay is not None and given.overrides:
        parser.error(f"--replay takes no {given.overrides[0]}: the recipes are in the file")
    jobs = list(replayed(given.folder, given.replay) if given.replay else drawn(given))
    recipes = given.recipes or given.output / "recipes.jsonl"
    targets = [given.output / Path(job["file"]).with_suffix(".png") for job in jobs]
    refuse_clashes([*targets, recipes], given.overwrite)
    refuse_inputs([*targets, recipes], [given.folder / job["file"] for job in jobs], "--output or --recipes")
    if given.output.resolve() == given.folder.resolve():
        raise ValueError(f"{given.output} is the folder of the HQ files; wanted another --output")
    done = []
    bar = Console(file=sys.stderr)
    try:
        for job, target in zip(track(jobs, "degrading", console=bar, transient=True), targets, strict=True):
            try:
                one(given.folder / job["file"], job, target)
                done.append(job)
            except ValueError as error:
                bar.print(f"left out: {first_line(error)}", markup=False, highlight=False, soft_wrap=True)
    finally:  # also of the pictures before an interruption: without its recipe a picture cannot be made again
        if done:
            lines = "".join(json.dumps(job) + "\n" for job in done)
            write_whole(recipes, lambda file: file.write(lines.encode()))
    print(f"{given.output}: {len(done)} of {len(jobs)} pictures; recipes: {recipes}")
    return 0 if len(done) == len(jobs) else 1


def drawn(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A job a picture: its file, its sharpening (or None) and its recipe, a function of the seed and its place.

    What an earlier call left in an output folder that lies in the folder of pictures is none of them.
    """
    cfg = compose_config(given.overrides)
    spec: DegradationSpec = build(cfg.degradation, "degradation")
    sharpening: SharpenSpec = build(cfg.sharpen, "sharpen")
    mask = asdict(sharpening) if sharpening.source else None
    results = given.output.resolve()
    apart = not given.folder.resolve().is_relative_to(results)
    found = [
        file for file in find_images(given.folder) if not (apart and file.parent.resolve().is_relative_to(results))
    ]
    for number, file in enumerate(found):
        recipe = spec.draw(np.random.default_rng([given.seed, number]))
        yield {"file": file.relative_to(given.folder).as_posix(), "sharpen": mask, "recipe": recipe.to_dict()}


def replayed(folder: Path, file: Path) -> Iterator[dict[str, Any]]:
    """The jobs of a file of recipes.

    Raises:
        ValueError: a line is damaged, a recipe impossible, or a name leads out of the folder.
    """
    if not file.is_file():
        raise ValueError(f"{file}: no such file; wanted what wildsr degrade wrote")
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            job = json.loads(line)
            if not isinstance(job, dict) or set(job) != {"file", "sharpen", "recipe"}:
                raise ValueError("no recipe")
            Recipe.from_dict(job["recipe"])
            if job["sharpen"] is not None:
                SharpenSpec(**job["sharpen"])
            name = Path(job["file"])
            if name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{job['file']} leads out of {folder}")
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: {error}; wanted lines as wildsr degrade writes them") from error
        yield job


@torch.no_grad()
def one(source: Path, job: dict[str, Any], target: Path) -> None:
    """Degrade one picture as its job says."""
    recipe = Recipe.from_dict(job["recipe"])
    hq = crop_to_multiple(to_float(read_image(source)), recipe.scale)
    if job["sharpen"] is not None:
        hq = sharpened(hq, SharpenSpec(**job["sharpen"]))
    write_image(degrade(hq, recipe), target)
