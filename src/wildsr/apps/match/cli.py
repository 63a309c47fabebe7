"""`wildsr match`: the degradation that made a folder of images, as recipes that training draws from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser, positive, refuse_clashes, refuse_inputs
from wildsr.apps.match.findings import choose_files, describe, infer, is_clean, measure_files, pool_of, to_lines
from wildsr.apps.match.inference import Inference
from wildsr.apps.match.page import write_page
from wildsr.apps.match.simulation import RECIPES, simulate
from wildsr.images import write_whole
from wildsr.io import UserError

log = logging.getLogger(__name__)

LEAST_RECIPES = 200  # simulations: the regression has sixty numbers of its own
DESCRIPTION = """Find the degradation that made a folder of images, without their originals; ten images are enough.

  wildsr match my_images/ -o matched/
  wildsr train experiment=finetune degradation=matched degradation.recipes=matched/recipes.jsonl data.train.root=MY_HQ

OUTPUT/recipes.jsonl is a pool of recipes with weights, from which training draws 80 % of its samples
(degradation.share); OUTPUT/report.html says what was found, with its spread, and what could not be known.

JPEG is read from the files' tables, or found in the pixels of what was saved again. The rest comes from simulating
3000 recipes on photographs of scikit-image, once (a minute or two; kept in the cache folder), and a small regression.
Images that are damaged, below 64 pixels a side or no photographs are named and left out."""


def main(words: Sequence[str]) -> int:
    parser = Parser("match", DESCRIPTION)
    parser.add_argument("folder", type=Path, metavar="LQ_DIR", help="a folder of images, sub-folders included")
    parser.add_argument("-o", "--output", type=Path, metavar="OUTPUT", required=True, help="a folder for the results")
    parser.add_argument("--scale", type=positive, default=4, help="that will be trained (default: %(default)s)")
    parser.add_argument(
        "--images", type=positive, default=50, help="at most so many, evenly spaced (default: %(default)s)"
    )
    parser.add_argument("--recipes", type=positive, default=RECIPES, help="simulated (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    given = parser.parse_args(words)
    if not 1 <= given.scale <= 4:
        raise UserError(f"--scale: given {given.scale}, wanted 1, 2, 3 or 4")
    if given.recipes < LEAST_RECIPES:
        raise UserError(f"--recipes: given {given.recipes}, wanted at least {LEAST_RECIPES}")
    recipes, report = given.output / "recipes.jsonl", given.output / "report.html"
    refuse_inputs([recipes, report], [given.folder])
    refuse_clashes([recipes, report], given.overwrite)
    images = measure_files(choose_files(given.folder, given.images))
    if len(images) == 1:
        log.warning("one image alone: how images differ cannot be known")
    findings = infer(images, Inference(simulate(given.scale, given.recipes)))
    lines = to_lines(pool_of(findings))
    write_whole(recipes, lambda file: file.write(lines.encode()))
    command = (
        f"wildsr train experiment=finetune degradation=matched degradation.recipes={recipes.resolve()} "
        "data.train.root=MY_HQ"
    )
    write_page(findings, given.scale, given.folder.resolve().name, command, report)
    for sentence in describe(findings):
        print(sentence)
    if is_clean(findings):
        print("No damage but their size: nothing to match; degradation=bicubic trains for such images.")
    print(f"{recipes}: {len(findings)} images; {report}")
    return 0
