"""Arguments of `wildsr match`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser, positive

RECIPES = 4000  # simulated where no number is asked for
LEAST_RECIPES = 200  # simulations: the regression has sixty numbers of its own
DESCRIPTION = f"""Find the degradation that made a folder of LQ images, without their HQ; ten images are enough.

  wildsr match my_images/ -o matched/
  wildsr train experiment=finetune degradation=matched degradation.recipes=matched/recipes.jsonl data.train.root=MY_HQ

OUTPUT/recipes.jsonl is a pool of recipes with weights, from which training draws 80 % of its samples
(degradation.share); OUTPUT/report.html says what was found, with its spread, and what could not be known.

JPEG is read from the files' tables, or found in the pixels of what was saved again. The rest comes from simulating
{RECIPES} recipes on photographs of scikit-image, once (a minute or two; kept in the cache folder), and a small
regression.
Images that are damaged, below 64 pixels a side or no photographs are named and left out."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call; a wrong one ends with exit code 2."""
    parser = Parser("match", DESCRIPTION)
    parser.add_argument("folder", type=Path, metavar="LQ_DIR", help="Folder of images, sub-folders included.")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", required=True, help="Folder for the results.")
    parser.add_argument(
        "--scale", type=int, choices=range(1, 5), default=4, metavar="N",
        help="Scale that will be trained, from 1 to 4 (default: %(default)s).",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=positive, default=50, metavar="N", help="Take at most N, evenly spaced (default: %(default)s)."
    )
    parser.add_argument(
        "--recipes", type=positive, default=RECIPES, metavar="N", help="Simulate N recipes (default: %(default)s)."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace existing results.")
    given = parser.parse_args(words)
    if given.recipes < LEAST_RECIPES:
        parser.error(f"--recipes: given {given.recipes}, wanted at least {LEAST_RECIPES}")
    return given
