"""Arguments of `wildsr dashboard`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from wildsr.apps.common.arguments import Parser

DESCRIPTION = """Lay out a dashboard for the runs of a wandb project: curves by what they tell, and images. Wants
an account (`wandb login`); what training logged without one is sent by `wandb sync`.

  wildsr dashboard --entity me --project wildsr"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call; a wrong one ends with exit code 2."""
    parser = Parser("dashboard", DESCRIPTION)
    parser.add_argument("--entity", required=True, metavar="NAME", help="Your user or team on wandb.")
    parser.add_argument("--project", default="wildsr", metavar="NAME", help="The project (default: %(default)s).")
    parser.add_argument("--name", default="wildsr", metavar="TEXT", help="Name of the view (default: %(default)s).")
    return parser.parse_args(words)
