"""Arguments of `wildsr preview`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser, positive, refuse_inputs, whole
from wildsr.config import compose_config

DESCRIPTION = """Draw what the degradation does.

  wildsr preview                             a sheet: HQ and several LQ of it, each with its recipe
  wildsr preview photo.jpg -o sheet.png -n 11
  wildsr preview photo.jpg --steps           one recipe, step by step: every intermediate image with its operation
  wildsr preview --kernels                   the kernel mix as images, by kind
  wildsr preview --statistics                histograms of what is drawn
  wildsr preview degradation=first_order kernels=gaussian_only
  wildsr preview degradation.first.noise.gaussian_sigma='[1,10]'

Without a photograph it takes one of the sample photographs. KEY=VALUE are ordinary overrides, as for train.py."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call, its overrides composed as `cfg`; a wrong one ends with exit code 2.

    Raises:
        ConfigError: an override is wrong.
        UserError: the output would replace the photograph, or cannot be written.
    """
    parser = Parser("preview", DESCRIPTION)
    parser.add_argument("photo", nargs="?", metavar="IMAGE", help="An image (default: the sample photograph 'coffee').")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Overrides, as train.py takes them.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--steps", action="store_true", help="Draw one recipe step by step.")
    what.add_argument("--kernels", action="store_true", help="Draw blur kernels by kind.")
    what.add_argument("--statistics", action="store_true", help="Draw histograms of 5000 recipes.")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("preview.png"), metavar="FILE",
        help="Write the image to this file (default: %(default)s).",
    )  # fmt: skip
    parser.add_argument(
        "-n", type=positive, default=7, metavar="N",
        help="Draw N LQ images, or kernels of a kind (default: %(default)s).",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="Random seed (default: %(default)s).")
    parser.add_argument(
        "--side", type=positive, default=320, metavar="PX", help="Side of the part shown (default: %(default)s)."
    )
    given = parser.parse_intermixed_args(words)
    if given.photo is not None and "=" in given.photo and not Path(given.photo).exists():
        given.overrides, given.photo = [given.photo, *given.overrides], None
    refuse_inputs([given.output], [] if given.photo is None else [Path(given.photo)])
    given.cfg = compose_config(given.overrides)
    return given
