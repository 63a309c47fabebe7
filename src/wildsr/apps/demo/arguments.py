"""Arguments of `wildsr demo`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser
from wildsr.io import UserError

LOOPBACK = "127.0.0.1"
DESCRIPTION = """Open a page on this machine, in the browser.

  wildsr demo                                     then open http://127.0.0.1:7860
  wildsr demo --weights runs/mine/psnr/generator.safetensors runs/mine/gan/generator.safetensors

Upscale: drop an image, choose weights, or two to mix, and compare the result with Lanczos by a slider.
Degrade: draw a recipe, change every number of it, see what it does to an image, and copy it as a file for conf/.

Nobody but you can open the page, unless --host says otherwise; nothing is sent anywhere, and what was uploaded is
deleted at the end. Released weights are downloaded when they are first chosen. Ctrl-C ends it. It needs gradio:
pip install 'gradio>=6.31'."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call; a wrong one ends with exit code 2.

    Raises:
        UserError: there is no such file of weights.
    """
    parser = Parser("demo", DESCRIPTION)
    parser.add_argument("--weights", nargs="+", default=[], metavar="FILE", help="Offer these weights, too.")
    parser.add_argument("--port", type=int, default=7860, metavar="N", help="Port of the page (default: %(default)s).")
    parser.add_argument(
        "--host", default=LOOPBACK, metavar="ADDRESS",
        help="Listen on this address of the machine; 0.0.0.0 opens the page to the network (default: %(default)s).",
    )  # fmt: skip
    given = parser.parse_args(words)
    if not 1 <= given.port <= 65535:
        parser.error(f"--port {given.port}: wanted 1 to 65535")
    for name in given.weights:
        if not Path(name).is_file():
            raise UserError(f"{name}: no such file")
    return given
