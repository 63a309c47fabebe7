"""Arguments of `wildsr degrade`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser, whole
from wildsr.config import compose_config

DESCRIPTION = """Degrade every image of a folder: HQ_DIR/a/b.jpg becomes LQ_DIR/a/b.png.

  wildsr degrade photos/ -o lq/                          the released x4 recipe, its ranges drawn anew for each image
  wildsr degrade photos/ -o lq/ --seed 1 degradation=first_order sharpen=none
  wildsr degrade photos/ -o again/ --replay lq/recipes.jsonl    the same files again, byte for byte
  wildsr degrade photos/ -o again/ --replay lq/recipes.jsonl degradation=mine     where it has operations of your own

What was drawn is written to LQ_DIR/recipes.jsonl (or --recipes FILE): a line an image, to be read, edited and
replayed. KEY=VALUE are ordinary overrides, as train.py takes them. Sides that the scale does not divide lose their
last pixels at the right and bottom before; the HQ files stay as they are. A damaged image is named and left out,
and the exit code is 1."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call, its overrides composed as `cfg`; a wrong one ends with exit code 2.

    Raises:
        ConfigError: an override is wrong.
    """
    parser = Parser("degrade", DESCRIPTION)
    parser.add_argument("folder", type=Path, metavar="HQ_DIR", help="A folder of images, sub-folders included.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Overrides, as train.py takes them.")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="LQ_DIR", required=True, help="Write the LQ images to this folder."
    )
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="Random seed (default: %(default)s).")
    parser.add_argument(
        "--recipes", type=Path, metavar="FILE", help="Write the recipes to this file (default: LQ_DIR/recipes.jsonl)."
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="Apply the recipes of this file.")
    parser.add_argument("--overwrite", action="store_true", help="Replace existing files.")
    given = parser.parse_intermixed_args(words)
    other = [word for word in given.overrides if not word.startswith("degradation=")]
    if given.replay is not None and other:
        parser.error(f"--replay takes no {other[0]}: the recipes are in the file")
    given.cfg = compose_config(given.overrides)
    return given
