"""Images of a degradation: what it does, step by step, with which kernels, and what it draws how often.

Shapes: C = 3, H W image, k kernel side. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from wildsr.degradation import DegradationSpec, Recipe, degrade, render_kernel, trace
from wildsr.degradation.drawn import drawn_values, in_words, varying
from wildsr.degradation.operations import Blur
from wildsr.images import to_pil
from wildsr.images.sheets import Cell, sheet
from wildsr.io import UserError

COLUMNS = 4
BLUE = "#4477aa"


def draw_versions(hq: Tensor, source: Tensor, spec: DegradationSpec, n: int, seed: int) -> Image.Image:
    """Draw a photograph and n degraded versions of it, enlarged to its size without smoothing, with their recipes.

    Args:
        hq: (C, H, W), what is shown.
        source: (C, H, W), what is degraded: the same, or its sharpened version.
    """
    rng = np.random.default_rng(seed)
    cells: list[Cell] = [(to_pil(hq), f"the photograph, {hq.shape[2]} x {hq.shape[1]}")]
    for _ in range(n):
        recipe = spec.draw(rng)
        cells.append((enlarge(degrade(source, recipe), hq.shape[2]), in_words(recipe)))
    return sheet(split_rows(cells, COLUMNS))


def draw_steps(hq: Tensor, source: Tensor, recipe: Recipe) -> Image.Image:
    """Draw one recipe's way through the pipeline: every intermediate image at one size, with its operation."""
    cells: list[Cell] = [(to_pil(hq), f"the photograph, {hq.shape[2]} x {hq.shape[1]}")]
    if source is not hq:
        cells.append((to_pil(source), "sharpened"))
    for name, record, image in trace(source, recipe):
        size = f"{image.shape[2]} x {image.shape[1]}"
        cells.append((enlarge(image, hq.shape[2]), f"{name}: {record.describe()}\n{size}"))
    return sheet(split_rows(cells, COLUMNS))


def draw_kernels(spec: DegradationSpec, each: int, seed: int, side: int = 168) -> Image.Image:
    """Draw `each` kernels of every kind that the spec draws, a row a kind, the most frequent kind first.

    Each kernel fills a square of `side` pixels and is brightest at its own maximum; red is negative.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[Blur]] = {}
    share: Counter[str] = Counter()
    for recipe in (spec.draw(rng) for _ in range(4000)):
        for record in recipe.records.values():
            if isinstance(record, Blur):
                share[record.kind] += 1
                found.setdefault(record.kind, []).append(record)
    if not found:
        raise UserError("this degradation draws no kernel")
    rows = []
    for kind, count in share.most_common():
        words = f"{kind.replace('_', ' ')}: {count / share.total():.1%} of all"
        cells = [(draw_kernel(blur, side), blur.describe()) for blur in found[kind][:each]]
        rows.append([(cells[0][0], f"{words}\n{cells[0][1]}"), *cells[1:]])
    return sheet(rows)


def draw_kernel(blur: Blur, side: int) -> Image.Image:
    """Draw a kernel as a square image: white at its maximum, black at zero, red below zero."""
    kernel = render_kernel(blur)
    positive = (kernel / kernel.max()).clamp(0, 1)
    negative = (-kernel / kernel.max() * 4).clamp(0, 1)  # lobes are weak: four times brighter than the maximum
    image = to_pil(torch.stack([positive + negative, positive, positive]))
    return image.resize((side, side), Image.Resampling.NEAREST)


def draw_statistics(spec: DegradationSpec, draws: int, seed: int) -> Image.Image:
    """Draw histograms of what a spec draws: one panel a number, bars for names, over `draws` recipes."""
    found = varying(drawn_values(spec, draws, seed))
    keys = list(found)
    if not keys:
        raise UserError("this degradation draws nothing at random")
    rows = -(-len(keys) // COLUMNS)
    figure = Figure(figsize=(4.2 * COLUMNS, 2.5 * rows), layout="constrained")
    for axes, key in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, keys, strict=False):
        _panel(axes, key, found[key], draws)
    for axes in figure.axes[len(keys) :]:
        axes.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _panel(axes: Axes, key: str, values: Sequence[Any], draws: int) -> None:
    axes.set_title(f"{key}  (in {len(values) / draws:.0%} of recipes)", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if isinstance(values[0], str) or len(set(values)) <= 8:
        names, counts = zip(*sorted(Counter(values).items(), reverse=True), strict=True)
        axes.barh([str(name) for name in names], [count / len(values) for count in counts], color=BLUE)
        axes.set_xlim(0, 1)
    else:
        whole = isinstance(values[0], int)  # a bar for each, else some would hold two
        bins: Any = [v - 0.5 for v in range(min(values), max(values) + 2)] if whole else 40
        axes.hist(values, bins=bins, color=BLUE, density=True)
        axes.set_yticks([])


def enlarge(image: Tensor, width: int) -> Image.Image:
    """Enlarge (C, h, w) to `width` pixels, without smoothing."""
    small = to_pil(image)
    return small.resize((width, round(small.height * width / small.width)), Image.Resampling.NEAREST)


def split_rows(cells: Sequence[Cell], columns: int) -> list[Sequence[Cell]]:
    """Arrange cells in rows of `columns`."""
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]
