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
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image
from torch import Tensor

from wildsr.apps.common.drawn import drawn_values, in_words, varying
from wildsr.degradation import DegradationSpec, Recipe, degrade, trace
from wildsr.images import to_pil
from wildsr.images.sheets import Cell, sheet
from wildsr.io import UserError
from wildsr.labels import number_label, order_label

COLUMNS = 4
CANVAS = 21  # pixels: the largest kernel of the released recipes
KERNEL_SIDE = 168  # pixels of a kernel's image
BLUE, OUTSIDE = "#4477aa", "#3a4654"


def draw_versions(hq: Tensor, source: Tensor, spec: DegradationSpec, n: int, seed: int, title: str = "") -> Image.Image:
    """Draw a photograph and n degraded versions of it, enlarged to its size without smoothing, with their recipes.

    Args:
        hq: (C, H, W), what is shown.
        source: (C, H, W), what is degraded: the same, or its sharpened version.
        title: above everything.
    """
    rng = np.random.default_rng(seed)
    cells: list[Cell] = [(to_pil(hq), f"HQ, {size_of(hq)}")]
    for number in range(1, n + 1):
        recipe = spec.draw(rng)
        lq = degrade(source, recipe)
        cells.append((enlarge(lq, hq.shape[2]), f"LQ {number}, {size_of(lq)}\n{in_words(recipe)}"))
    return sheet(split_rows(cells), title)


def draw_steps(hq: Tensor, source: Tensor, recipe: Recipe, title: str = "") -> Image.Image:
    """Draw one recipe's steps, numbered: every intermediate image at one size, with its operation."""
    cells: list[Cell] = [(to_pil(hq), f"HQ, {size_of(hq)}")]
    if source is not hq:
        cells.append((to_pil(source), f"HQ, sharpened\n{size_of(source)}"))
    for number, (step, (_, record, image)) in enumerate(zip(recipe.steps, trace(source, recipe), strict=True), 1):
        words = f"{number}. {order_label(step.order)}: {record.describe()}\n{size_of(image)}"
        cells.append((enlarge(image, hq.shape[2]), words + (", LQ" if number == len(recipe.steps) else "")))
    return sheet(split_rows(cells), title)


def draw_kernels(spec: DegradationSpec, each: int, seed: int, title: str = "") -> Image.Image:
    """Draw `each` kernels of every kind that the spec draws, a row a kind, the most frequent kind first.

    All have one scale of pixels, on squares of KERNEL_SIDE pixels: see `draw_kernel`.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[Any]] = {}
    share: Counter[str] = Counter()
    for recipe in (spec.draw(rng) for _ in range(4000)):
        for step in recipe.steps:
            if hasattr(step.record, "render"):  # a blur of whatever operation, or a halo
                kind = getattr(step.record, "kind", step.op)
                share[kind] += 1
                found.setdefault(kind, []).append(step.record)
    if not found:
        raise UserError("this degradation draws no kernel")
    canvas = max(CANVAS, *(record.size for records in found.values() for record in records))
    rows, names = [], []
    for kind, count in share.most_common():
        names.append(f"{kind.replace('_', ' ')}\n{count / share.total():.1%} of the kernels")
        rows.append([(draw_kernel(one, KERNEL_SIDE, canvas), one.describe()) for one in found[kind][:each]])
    colours = (
        f"Kernels on {canvas} × {canvas} px. White: a kernel's maximum; black: 0; red: negative, 4 times brighter; "
        "blue-grey: outside the kernel."
    )
    return sheet(rows, f"{title}\n{colours}".strip(), names=names)


def draw_kernel(record: Any, side: int, canvas: int = CANVAS) -> Image.Image:
    """Draw a record's kernel in the middle of canvas x canvas pixels, as a square image of `side` pixels.

    White is its maximum, black zero, red below zero and four times brighter, OUTSIDE what lies around the kernel.
    """
    kernel = record.render()
    positive = (kernel / kernel.max()).clamp(0, 1)
    negative = (-kernel / kernel.max() * 4).clamp(0, 1)  # lobes are weak
    image = to_pil(torch.stack([positive + negative, positive, positive]))
    margin = max(0, canvas - record.size) // 2
    page = Image.new("RGB", (record.size + 2 * margin,) * 2, OUTSIDE)
    page.paste(image, (margin, margin))
    return page.resize((side, side), Image.Resampling.NEAREST)


def draw_statistics(spec: DegradationSpec, draws: int, seed: int, title: str = "") -> Image.Image:
    """Draw histograms of what a spec draws over `draws` recipes: a panel a number, in the pipeline's order."""
    found = varying(drawn_values(spec, draws, seed))
    if not found:
        raise UserError("this degradation draws nothing at random")
    orders: dict[str, list[str]] = {}
    for key in found:
        orders.setdefault(key.partition(".")[0], []).append(key)
    rows = [-(-len(keys) // COLUMNS) for keys in orders.values()]
    figure = Figure(figsize=(4.2 * COLUMNS, 2.6 * sum(rows) + 0.5 * len(rows) + 0.6), layout="constrained")
    figure.suptitle(f"{title} · {draws} recipes".removeprefix(" · "), fontsize=11, x=0.01, ha="left")
    parts = figure.subfigures(len(rows), 1, height_ratios=[2.6 * count + 0.5 for count in rows], squeeze=False)
    for part, count, (order, keys) in zip(parts[:, 0], rows, orders.items(), strict=True):
        part.suptitle(order_label(order), fontsize=13, fontweight="bold", x=0.01, ha="left")
        panels = list(part.subplots(count, COLUMNS, squeeze=False).flat)
        for axes in panels:
            axes.set_axis_off()
        for axes, key in zip(panels, keys, strict=False):
            axes.set_axis_on()
            _panel(axes, key, found[key], draws)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _panel(axes: Axes, key: str, values: Sequence[Any], draws: int) -> None:
    axes.set_title(f"{number_label(key)}, in {len(values) / draws:.0%} of the recipes", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if isinstance(values[0], str) or len(set(values)) <= 8:
        names, counts = zip(*sorted(Counter(values).items(), reverse=True), strict=True)
        labels = [str(name).replace("_", " ") for name in names]
        axes.barh(labels, [count / len(values) for count in counts], color=BLUE)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    else:
        whole = isinstance(values[0], int)  # a bar for each, else some would hold two
        bins: Any = [v - 0.5 for v in range(min(values), max(values) + 2)] if whole else 40
        axes.hist(values, bins=bins, color=BLUE, weights=np.full(len(values), 1 / len(values)))
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
        axes.yaxis.set_major_locator(MaxNLocator(3))


def size_of(image: Tensor) -> str:
    """Return the size of (C, H, W) in words."""
    return f"{image.shape[2]} × {image.shape[1]} px"


def enlarge(image: Tensor, width: int) -> Image.Image:
    """Enlarge (C, h, w) to `width` pixels, without smoothing."""
    small = to_pil(image)
    return small.resize((width, round(small.height * width / small.width)), Image.Resampling.NEAREST)


def split_rows(cells: Sequence[Cell]) -> list[Sequence[Cell]]:
    """Arrange cells in rows of COLUMNS."""
    return [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
