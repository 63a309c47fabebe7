"""`wildsr upscale`: pictures in, larger pictures out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from wildsr.commands.arguments import Parser, positive, refuse_clashes
from wildsr.images import SUFFIXES, find_images, read_image, to_float, write_image
from wildsr.networks import load_generator
from wildsr.upscale.tiles import count_tiles, upscale

DESCRIPTION = """Enlarge a picture, or every picture of a folder.

  wildsr upscale photo.jpg -o large.png
  wildsr upscale photos/ -o large/ --weights runs/quickstart/gan/generator.safetensors
  wildsr upscale drawing.png -o large.png --weights realesrgan-x4plus-anime

Weights are a file (.safetensors, .pth, .ckpt) or the name of a released network: realesrgan-x4plus,
realesrgan-x4plus-anime, realesr-animevideov3. Nothing is overwritten unless --overwrite is given."""


def main(words: Sequence[str]) -> int:
    parser = Parser("upscale", DESCRIPTION)
    parser.add_argument("input", type=Path, help="a picture or a folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a picture or a folder")
    parser.add_argument("--weights", default="realesrgan-x4plus", help="file or name (default: %(default)s)")
    parser.add_argument("--tile", type=positive, default=256, help="side of a tile, input pixels (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
    given = parser.parse_args(words)
    jobs = plan(given.input, given.output, given.overwrite)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = load_generator(given.weights).to(device)
    failed = 0
    with Progress(console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("upscaling", total=len(jobs))
        for number, (source, target) in enumerate(jobs):
            progress.update(task, description=source.name, completed=number)
            try:
                image = to_float(read_image(source))
            except ValueError as error:
                print(f"error: {error}", file=sys.stderr)
                failed += 1
                continue
            done = partial(progress.advance, task, 1 / count_tiles(image, given.tile))
            large = upscale(network, image.to(device), given.tile, done)
            write_image(large, target)
        progress.update(task, completed=len(jobs))
    if failed < len(jobs):
        print(f"{jobs[0][1] if len(jobs) == 1 else given.output}: {len(jobs) - failed} of {len(jobs)} upscaled")
    if failed:
        print(f"{failed} of {len(jobs)} pictures failed", file=sys.stderr)
    return 1 if failed else 0


def plan(source: Path, target: Path, overwrite: bool) -> list[tuple[Path, Path]]:
    """Pairs of input and output files.

    Raises:
        ValueError: no input, no output format, two inputs with one output, or an output that is there already.
    """
    if source.is_dir():
        if target.suffix.lower() in SUFFIXES:
            raise ValueError(f"{source} is a folder; wanted a folder as output, not {target}")
        jobs = [(file, (target / file.relative_to(source)).with_suffix(".png")) for file in find_images(source)]
    elif not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    elif target.is_dir() or not target.suffix:
        jobs = [(source, target / f"{source.stem}.png")]
    elif target.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{target}: no image format {target.suffix!r}; wanted one of {', '.join(SUFFIXES)}")
    else:
        jobs = [(source, target)]
    refuse_clashes([out for _, out in jobs], overwrite)
    return jobs
