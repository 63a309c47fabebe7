"""`wildsr export`: a trained generator as a bundle of files for other people and other programs."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.filesize import decimal
from rich.progress import Progress
from torch import Tensor, nn

from wildsr.apps.common.arguments import refuse_clashes
from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.export.arguments import ENDINGS, FORMATS
from wildsr.apps.export.bundle import Written, check_formats, describe, describe_file, write_file
from wildsr.apps.export.card import Shown, degrade_photographs, draw_comparison, format_card
from wildsr.apps.export.origin import Origin, find_origin
from wildsr.data import sample_photographs
from wildsr.images import read_image, save_pil
from wildsr.io import require_writable, write_whole
from wildsr.networks import load_generator


def main(given: argparse.Namespace) -> int:
    """Write the bundle. Returns the exit code."""
    name = given.output.name
    names = [name + ending for kind in FORMATS if kind in given.formats for ending in ENDINGS[kind]]
    names += [f"{name}.png", f"{name}.md"]
    refuse_clashes([given.output.parent / file for file in names], given.overwrite)
    require_writable(given.output)
    check_formats(given.formats)
    generator = load_generator(given.checkpoint)
    describe(generator)  # refused before any work where it cannot be exported
    origin = find_origin(given.checkpoint, generator, given.licence)
    pairs = degrade_photographs(read_photographs(given.photo), generator.scale, generator.channels)
    folder = given.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name[:100]}.", dir=folder) as beside:
        files = write_bundle(Path(beside), names, generator, pairs, origin)
        for file in names:
            (Path(beside) / file).replace(folder / file)
    for made in files:
        same = "equal to the checkpoint" if made.difference == 0 else f"{made.difference:.4f} levels off at most"
        print(f"{folder / made.file.name}: {decimal(made.size)}, {same}")
    print(f"{folder / names[-1]}: the model card, with {names[-2]}")
    return 0


def read_photographs(file: Path | None) -> list[Tensor]:
    """Read the given photograph, or two that scikit-image carries; each (3, H, W) uint8."""
    if file is not None:
        return [read_image(file)]
    names = ["coffee.png", "camera.png"]  # neither is trained on by data=photos
    samples = sample_photographs(names)
    return [samples[number] for number in range(len(names))]


def write_bundle(
    folder: Path, names: Sequence[str], generator: nn.Module, pairs: Sequence[Shown], origin: Origin
) -> list[Written]:
    """Write all files of a bundle into a folder: those of weights, then the image and the card.

    Raises:
        UserError: a file differs from the checkpoint.
    """
    weights, (image, text) = names[:-2], names[-2:]
    metadata = describe(generator) | origin.facts
    with Progress(console=message_console(), transient=True, disable=not has_bars()) as progress:
        task = progress.add_task("", total=len(weights) + 1)
        files: list[Written] = []
        for name in weights:
            progress.update(task, description=f"{name}: writing and comparing")
            if name.endswith(".bin"):  # written and compared with its .param
                files.append(describe_file(folder / name, files[-1].difference))
            else:
                files.append(write_file(generator, folder / name, metadata, crop_views(pairs)))
            progress.advance(task)
        progress.update(task, description=f"{image}: enlarging photographs")
        save_pil(draw_comparison(generator, pairs), folder / image)
    page = format_card(Path(text).stem, generator, origin, files)
    write_whole(folder / text, lambda file: file.write(page.encode()))
    return files


def crop_views(pairs: Sequence[Shown]) -> list[Tensor]:
    """Return LQ images of two sizes, one with odd sides, to compare on."""
    lq = pairs[0].lq
    return [lq, lq[:, : lq.shape[1] * 3 // 4 | 1, : lq.shape[2] // 2 | 1]]
