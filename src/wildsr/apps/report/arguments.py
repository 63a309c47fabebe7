"""Arguments of `wildsr report`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser

DESCRIPTION = """Write the results of runs as one file of HTML, to open in any browser, without a network.

  wildsr report runs/quickstart                     its report.html anew (training writes it at each validation)
  wildsr report runs/quickstart -o mine.html        the same, to send to somebody
  wildsr report runs/ablations -o compare.html      the runs of a multirun side by side
  wildsr report runs/a runs/b runs/c -o compare.html

A comparison shows what differs in the settings, the scores on all validation sets, the same crops, and the curves.
Runs that differ in their seed alone are one row: mean ± sample standard deviation. Runs that are not finished yet
stand there with their latest validation.

RUN is a run's folder, or a folder that holds several: then each run in it."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call; a wrong one ends with exit code 2."""
    parser = Parser("report", DESCRIPTION)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="A run's folder, or a folder of runs.")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="Write this .html file (default: RUN/report.html)."
    )
    given = parser.parse_args(words)
    if given.output is not None and given.output.suffix != ".html":
        parser.error(f"-o {given.output}: wanted a name that ends in .html")
    return given
