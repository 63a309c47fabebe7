"""The model card: what a bundle is, in Markdown, with an image of what it does.

Shapes: C channels of the network, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.filesize import decimal
from torch import Tensor, nn

from wildsr.apps.evaluate.files import Scores
from wildsr.apps.evaluate.labels import method_label
from wildsr.apps.evaluate.tables import TableRow, tables_of
from wildsr.apps.export.bundle import Written, describe
from wildsr.apps.export.origin import NO_LICENCE, Origin
from wildsr.apps.export.snippets import onnx_snippet, spandrel_snippet
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
# The last three are those of Real-ESRGAN's authors (paper, section 4.4).
LIMITATIONS = """- It draws what is plausible, not what was there: no evidence, no measurement, no diagnosis.
- Faces, text and regular patterns come out wrong most visibly.
- Straight lines, as of buildings, may come out twisted where the input is aliased.
- Training against a discriminator leaves artefacts in some images.
- Degradations other than those it was trained on stay, or are amplified."""


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
    """Write the text of NAME.md; its image is NAME.png."""
    facts = describe(generator)
    words = {"features": "features", "blocks": "blocks", "growth": "growth", "convs": "convolutions"}
    sizes = ", ".join(f"{facts[key]} {word}" for key, word in words.items() if key in facts)
    sizes = f" of {sizes}" if sizes else ""
    numbers = sum(parameter.numel() for parameter in generator.parameters())
    licence = origin.facts["licence"]
    parts = [
        _front_matter(origin),
        f"# {_plain(name)}",
        f"An upscaler for real, degraded photographs, x{facts['scale']}: {facts['architecture']}{sizes}; "
        f"{numbers:,} parameters. Licence: {_plain(licence)}.",
        f"![LQ, bicubic, SR, HQ](<{name}.png>)",
        "LQ was made from HQ by recipes of Real-ESRGAN's second-order degradation; SR is this network's.",
        f"## Files\n\n{_files(files)}",
        f"## Use\n\n{_use(generator, files)}",
        f"## Scores\n\n{_scores(origin)}",
        f"## Training\n\n{_training(origin)}",
        f"## Limitations\n\n{LIMITATIONS}",
        f"## Where it comes from\n\n{_facts(origin)}",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(origin: Origin) -> str:
    """Return what a hub of models reads."""
    licence = origin.facts["licence"]
    lines = [] if licence == NO_LICENCE else [f"license: {json.dumps(licence)}"]
    if origin.start in GENERATORS:  # of a file nobody else knows the name
        lines.append(f"base_model: {json.dumps(origin.start)}")
    return "\n".join(["---", *lines, "pipeline_tag: image-to-image", "tags: [super-resolution, real-esrgan]", "---"])


def _files(files: Sequence[Written]) -> str:
    rows = [[f"`{made.file.name}`", decimal(made.size), f"{made.difference:.4f}", f"`{made.sha256}`"] for made in files]
    head = ["file", "size", "differs at most", "SHA-256"]
    note = "Each was loaded again and compared with the checkpoint on photographs; differences are in 8-bit levels."
    return f"{_table(head, rows)}\n\n{note}"


def _use(generator: nn.Module, files: Sequence[Written]) -> str:
    names = {made.file.suffix: made.file.name for made in files}
    weights, channels = names.get(".safetensors") or names.get(".pth"), int(generator.channels)  # type: ignore[arg-type]
    parts = []
    if weights:
        parts.append(f'```sh\nwildsr upscale photo.jpg -o large.png --weights "{weights}"\n```')
    if weights and getattr(generator, "is_read_by_spandrel", False):
        parts.append(f"With spandrel (`pip install spandrel`):\n\n{spandrel_snippet(weights, channels)}")
    if ".onnx" in names:
        batches = "images and batches" if getattr(generator, "takes_batches", True) else "single images"
        parts.append(
            f"With onnxruntime (`pip install onnxruntime`); {batches} of any size, the output is in [0, 1]:"
            f"\n\n{onnx_snippet(names['.onnx'], channels)}"
        )
    return "\n\n".join(parts)


def _scores(origin: Origin) -> str:
    if not origin.scores:
        return f"None: {origin.remark}."
    counted = f" of {origin.images} degraded images" if origin.images else ""
    return (
        f"{format_scores(origin.scores, origin.row)}\n\nMeans{counted}, made from photographs held out of the "
        "training. The best of a column is bold. PSNR-Y and SSIM-Y say how close SR is to HQ, NIQE how "
        "natural it looks."
    )


def format_scores(scores: Scores, row: str) -> str:
    """Write the closing table of a run in Markdown: the best of each metric in bold, one row marked as the network."""
    table = tables_of([TableRow(name, [values]) for name, values in scores.items()])[0]
    columns = [place for place, (label, _) in enumerate(table.heads) if label in SHOWN_METRICS]
    rows = []
    for method, cells in table.rows:
        texts = [f"**{cells[place].text}**" if cells[place].best else cells[place].text or "-" for place in columns]
        rows.append([_plain(method_label(method.label)) + (" (this network)" if method.label == row else ""), *texts])
    return _table(["", *(SHOWN_METRICS[table.heads[place][0]] for place in columns)], rows)


def _training(origin: Origin) -> str:
    if not origin.start:
        return f"Not known: {origin.remark or 'the configuration does not tell'}."
    rows = [["started from", f"{_plain(origin.start)}; licence: {_plain(origin.start_licence)}"]]
    rows += [["training images", _plain(origin.images_from)]] if origin.images_from else []
    text = _table(["", ""], rows)
    if not origin.degradation:
        return text
    folded = (
        f"<details><summary>The degradation of its inputs</summary>\n\n```yaml\n{origin.degradation}```\n\n</details>"
    )
    return f"{text}\n\n{folded}"


def _facts(origin: Origin) -> str:
    words = {
        "source": "checkpoint", "weights_sha256": "SHA-256 of its weights", "stage": "stage",
        "iterations": "iterations", "config_sha256": "SHA-256 of the run's config.yaml",
        "pictures": "training images", "data_sha256": "SHA-256 of their paths and sizes",
    }  # fmt: skip
    return _table(["", ""], [[word, _plain(origin.facts[key])] for key, word in words.items() if key in origin.facts])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Escape a text, so that Markdown shows it as it is, in one line."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in " ".join(text.split()))
