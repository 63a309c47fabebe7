"""The model card: what a bundle is, in Markdown, with an image of what it does.

Shapes: C channels of the network, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from rich.filesize import decimal
from torch import Tensor, nn

from wildsr.apps.evaluate.files import Scores
from wildsr.apps.evaluate.labels import method_label
from wildsr.apps.evaluate.tables import TableRow, tables_of
from wildsr.apps.export.bundle import Written, describe
from wildsr.apps.export.origin import NO_LICENCE, Origin
from wildsr.degradation import DegradationSpec, degrade
from wildsr.images import crop_to_multiple, to_channels, to_float, to_pil
from wildsr.images.sheets import Cell, sheet
from wildsr.io import UserError
from wildsr.networks.released import GENERATORS
from wildsr.networks.tiling import check_channels

SIDE = 320  # HQ pixels of a photograph that are shown
LEAST = 16  # LQ pixels a side
SEED = 2  # of the first recipe; 2 and 3 are neither the mildest nor the harshest of the first ten
SHOWN_METRICS = {"PSNR-Y": "PSNR-Y ↑ (dB)", "SSIM-Y": "SSIM-Y ↑", "NIQE": "NIQE ↓"}  # label -> head


class Shown(NamedTuple):
    """A photograph, (C, H, W), and its degraded version, (C, h, w)."""

    hq: Tensor
    lq: Tensor


def degrade_photographs(photographs: Sequence[Tensor], scale: int, channels: int) -> list[Shown]:
    """Degrade a window of each photograph, (3, H, W) uint8, by a recipe of its own: SEED, SEED + 1, ….

    The window is in the middle, a third from the top, where photographers put what matters.

    A network of four channels sees an opaque alpha beside the colour.

    Raises:
        UserError: a photograph is too small to show, or no image has as many channels.
    """
    check_channels(channels)
    pairs = []
    for seed, photograph in enumerate(photographs, start=SEED):
        (height, width), least = photograph.shape[-2:], LEAST * scale
        if min(height, width) < least:
            raise UserError(f"photograph of {width} x {height} pixels: too small for x{scale}, wanted {least} a side")
        top, left = max(height - SIDE, 0) // 3, max(width - SIDE, 0) // 2
        window = photograph[:, top : top + SIDE, left : left + SIDE]
        hq = crop_to_multiple(to_float(to_channels(window, 1 if channels == 1 else 3)), scale)
        recipe = DegradationSpec(scale=scale).draw(np.random.default_rng(seed))
        pair = Shown(hq, degrade(hq, recipe))
        if channels == 4:
            pair = Shown(*(torch.cat([image, torch.ones_like(image[:1])]) for image in pair))
        pairs.append(pair)
    return pairs


def draw_comparison(generator: nn.Module, pairs: Sequence[Shown]) -> Image.Image:
    """Lay out a row a photograph: LQ, bicubic, SR and HQ."""
    rows: list[list[Cell]] = []
    for hq, lq in pairs:
        size = hq.shape[-2:]
        with torch.inference_mode():
            sr = generator(lq[None])[0]
        shown = {
            "LQ": F.interpolate(lq[None], size=size, mode="nearest")[0],
            "bicubic": F.interpolate(lq[None], size=size, mode="bicubic")[0],
            "SR": sr,
            "HQ": hq,
        }
        rows.append([(to_pil(image), name) for name, image in shown.items()])
    return sheet(rows)


def format_card(name: str, generator: nn.Module, origin: Origin, files: Sequence[Written]) -> str:
    """Write the text of NAME.md, as templates/card.md has it; its image is NAME.png."""
    facts, channels = describe(generator), int(generator.channels)  # type: ignore[arg-type]
    words = {"features": "features", "blocks": "blocks", "growth": "growth", "convs": "convolutions"}
    sizes = ", ".join(f"{facts[key]} {word}" for key, word in words.items() if key in facts)
    names = {made.file.suffix: made.file.name for made in reversed(files)}  # float32 is written before float16
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "json": json.dumps, "repr": repr, "decimal": decimal}
    return environment.get_template("card.md").render(
        name=name,
        origin=origin,
        files=files,
        scores=format_scores(origin.scores, origin.row) if origin.scores else "",
        scale=facts["scale"],
        architecture=facts["architecture"] + (f" of {sizes}" if sizes else ""),
        parameters=sum(parameter.numel() for parameter in generator.parameters()),
        no_licence=NO_LICENCE,
        is_from_released=origin.start in GENERATORS,  # of a file nobody else knows the name
        weights=names.get(".safetensors") or names.get(".pth"),
        onnx=names.get(".onnx"),
        is_read_by_spandrel=getattr(generator, "is_read_by_spandrel", False),
        takes_batches=getattr(generator, "takes_batches", True),
        channels=channels,
        mode={1: "L", 3: "RGB", 4: "RGBA"}[channels],  # Pillow's
        grey="[..., 0]" if channels == 1 else "",
    )


def format_scores(scores: Scores, row: str) -> str:
    """Write the closing table of a run in Markdown: the best of each metric in bold, one row marked as the network."""
    table = tables_of([TableRow(name, [values]) for name, values in scores.items()])[0]
    columns = [place for place, (label, _) in enumerate(table.heads) if label in SHOWN_METRICS]
    rows = []
    for method, cells in table.rows:
        texts = [f"**{cells[place].text}**" if cells[place].best else cells[place].text or "-" for place in columns]
        rows.append([plain(method_label(method.label)) + (" (this network)" if method.label == row else ""), *texts])
    heads = ["", *(SHOWN_METRICS[table.heads[place][0]] for place in columns)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))


def plain(text: str) -> str:
    """Escape a text, so that Markdown shows it as it is, in one line."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in " ".join(text.split()))
