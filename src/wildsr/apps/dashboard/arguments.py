"""Arguments of `wildsr dashboard`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from wildsr.apps.common.arguments import Parser

DESCRIPTION = """Lay out the page of a wandb project, or of one multirun in it. From the top: the runs compared by their
closing scores, with a table and the same windows of the same images; validation; losses; the adversarial game; speed;
images. It wants an account (`wandb login`); what training logged without one is sent by `wandb sync`.

  wildsr dashboard --entity me --project wildsr
  wildsr dashboard --entity me --run quickstart      the runs of that name alone: those of a multirun"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call; a wrong one ends with exit code 2."""
    parser = Parser("dashboard", DESCRIPTION)
    parser.add_argument("--entity", required=True, metavar="NAME", help="Your user or team on wandb.")
    parser.add_argument("--project", default="wildsr", metavar="NAME", help="The project (default: %(default)s).")
    parser.add_argument("--run", metavar="NAME", help="Only runs of this name, such as those of a multirun.")
    parser.add_argument("--name", default="wildsr", metavar="TEXT", help="Name of the view (default: %(default)s).")
    return parser.parse_args(words)
