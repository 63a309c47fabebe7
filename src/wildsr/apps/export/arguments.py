"""Arguments of `wildsr export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser
from wildsr.images import OUTPUT_SUFFIXES

FORMATS = ("safetensors", "pth", "onnx")
DESCRIPTION = """Write a generator as a bundle:

  NAME.safetensors, NAME.pth   weights in the released names, for this and other programs that know Real-ESRGAN's
                               networks; with architecture, scale, origin and licence as metadata
  NAME.onnx                    for any runtime of ONNX; images and batches of any size
  NAME.md, NAME.png            a model card with the run's scores, and what the network does to two photographs

  wildsr export runs/quickstart/gan/generator.safetensors -o release/mine --licence CC-BY-4.0
  wildsr export runs/quickstart/gan/checkpoints/last.ckpt -o mine --formats pth
  wildsr export realesr-animevideov3 -o anime --formats onnx --photo drawing.png

CKPT is a file (.safetensors, .pth, .ckpt) or the name of a released network. Each file is loaded again and compared
with the checkpoint on photographs; a bundle of which one differs is not written."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call; a wrong one ends with exit code 2."""
    parser = Parser("export", DESCRIPTION)
    parser.add_argument("checkpoint", metavar="CKPT", help="Weights: a file, or the name of a released network.")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="NAME", required=True, help="Name of the files, without a suffix."
    )
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=FORMATS, metavar="FORMAT",
        help=f"Formats of the weights, of {', '.join(FORMATS)} (default: all).",
    )  # fmt: skip
    parser.add_argument(
        "--licence", default="", metavar="SPDX", help="Licence of the weights, by its SPDX name (default: not stated)."
    )
    parser.add_argument(
        "--photo", type=Path, metavar="IMAGE", help="Compare and show on this image (default: two sample photographs)."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace existing files.")
    given = parser.parse_args(words)
    if given.output.name in ("", "..") or given.output.suffix in (
        *(f".{kind}" for kind in FORMATS),
        *OUTPUT_SUFFIXES,
        ".md",
    ):
        parser.error(f"-o {given.output}: wanted a name without a suffix, such as release/mine")
    if given.output.is_dir():
        parser.error(f"-o {given.output} is a folder; wanted a name in it, such as {given.output / 'mine'}")
    return given
