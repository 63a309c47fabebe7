"""`wildsr export`: a trained generator as a bundle of files for other people and other programs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.filesize import decimal
from rich.progress import Progress
from torch import Tensor, nn

from wildsr.apps.common.arguments import Parser, refuse_clashes
from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.export.bundle import FORMATS, Written, check_formats, describe, write_file
from wildsr.apps.export.card import Shown, degrade_photographs, draw_comparison, format_card
from wildsr.apps.export.origin import Origin, find_origin
from wildsr.data import sample_photographs
from wildsr.images import OUTPUT_SUFFIXES, read_image, require_writable, save_picture, write_whole
from wildsr.networks import load_generator

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


def main(words: Sequence[str]) -> int:
    parser = Parser("export", DESCRIPTION)
    parser.add_argument("checkpoint", metavar="CKPT", help="weights: a file or a released name")
    parser.add_argument("-o", "--output", type=Path, metavar="NAME", required=True, help="the files' name, no suffix")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, help="(default: all)")
    parser.add_argument("--licence", default="", help="of the weights, as an SPDX name (default: not stated)")
    parser.add_argument("--photo", type=Path, help="photograph to compare and show (default: two sample photographs)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    given = parser.parse_args(words)
    name = given.output.name
    if name in ("", "..") or given.output.suffix in (*(f".{kind}" for kind in FORMATS), *OUTPUT_SUFFIXES, ".md"):
        parser.error(f"-o {given.output}: wanted a name without a suffix, such as release/mine")
    if given.output.is_dir():
        parser.error(f"-o {given.output} is a folder; wanted a name in it, such as {given.output / 'mine'}")
    names = [f"{name}.{kind}" for kind in FORMATS if kind in given.formats] + [f"{name}.png", f"{name}.md"]
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
        files = []
        for name in weights:
            progress.update(task, description=f"{name}: writing and comparing")
            files.append(write_file(generator, folder / name, metadata, crop_views(pairs)))
            progress.advance(task)
        progress.update(task, description=f"{image}: enlarging photographs")
        save_picture(draw_comparison(generator, pairs), folder / image)
    page = format_card(Path(text).stem, generator, origin, files)
    write_whole(folder / text, lambda file: file.write(page.encode()))
    return files


def crop_views(pairs: Sequence[Shown]) -> list[Tensor]:
    """Return LQ images of two sizes, one with odd sides, to compare on."""
    lq = pairs[0].lq
    return [lq, lq[:, : lq.shape[1] * 3 // 4 | 1, : lq.shape[2] // 2 | 1]]
