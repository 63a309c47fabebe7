"""The closing judgement of a run: methods side by side on every validation set, as tables and as a picture.

Shapes: C = 3, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torchmetrics import MetricCollection

from wildsr.config import ConfigError
from wildsr.data import Batch, Item, ValidationSet
from wildsr.degradation import Recipe
from wildsr.images import to_pil, write_whole
from wildsr.metrics import FIGURES, chosen_metrics
from wildsr.sheets import sheet
from wildsr.training.datamodule import ValidationPair, validation_pair
from wildsr.training.validation import MAIN

Method = Callable[[Tensor], Tensor]  # (1, C, h, w) -> (1, C, H, W)
Scores = dict[str, dict[str, float]]


class Score(NamedTuple):
    """What one method reached on one picture of a set: figure by name, and the recipe where there is one."""

    set: str
    picture: str
    version: int
    method: str
    figures: dict[str, float]
    recipe: Recipe | None


def bicubic(scale: int) -> Method:
    """Plain bicubic interpolation: what a network has to beat."""
    return lambda lq: F.interpolate(lq, scale_factor=scale, mode="bicubic").clamp(0, 1)


@torch.no_grad()
def judge(
    methods: Mapping[str, Method],
    sets: Mapping[str, ValidationSet],
    metrics: Sequence[str],
    scale: int,
    device: torch.device,
) -> list[Score]:
    """Every method on every picture of every set, the same inputs for all, `scale` border pixels left out."""
    scores = []
    for name, pictures in sets.items():
        found = MetricCollection(dict(chosen_metrics(metrics, scale, pictures.has_hq)), compute_groups=False).to(device)
        bar = Console(file=sys.stderr)
        off = bar.is_jupyter  # rich's bars want ipywidgets there
        for index in track(range(len(pictures)), f"judging {name}", transient=True, console=bar, disable=off):
            item = pictures[index]
            label, pair = pictures.label(index), shown_pair(item, device)
            for method, upscaled in methods.items():
                figures = found(sr=upscaled(pair.lq), hq=pair.hq)  # of this picture alone
                values = {key: float(figures[key]) for key in metrics if key in figures}
                scores.append(Score(name, *label, method, values, item.drawn))
    return scores


def objective_of(cfg: DictConfig) -> str | None:
    """The metric that a search looks at, by its name in the scores; None outside of a search.

    Raises:
        ConfigError: there is no such metric, or the run will not be judged.
    """
    if cfg.objective is None:
        return None
    names = {f"val/{name}": name for name in cfg.metrics}
    if cfg.objective not in names:
        raise ConfigError(f"objective={cfg.objective}: no such metric; wanted one of: {', '.join(names)}")
    if not (cfg.compare and cfg.data.val):
        raise ConfigError(f"objective={cfg.objective}: wanted compare=true and validation pictures (data.val)")
    return names[cfg.objective]


def last_score(scores: Scores, metric: str) -> float:
    """A metric of the last stage, for a search.

    Raises:
        ValueError: it is not finite; Optuna takes nothing else.
    """
    method, row = list(scores.items())[-1]
    if not math.isfinite(row[metric]):
        raise ValueError(f"{metric} of the {method}: given {row[metric]}, wanted a finite number")
    return row[metric]


def shown_pair(item: Item[Any], device: torch.device) -> ValidationPair:
    """A set's item as methods see it: degraded where a recipe says so."""
    return validation_pair(Batch.collate([item]).to(device))


def means(scores: Sequence[Score]) -> Scores:
    """Method to mean figures: `psnr_y` … on the main set, `<set>/psnr_y` … on the others."""
    values: dict[str, dict[str, list[float]]] = {}
    for score in scores:
        row = values.setdefault(score.method, {})
        for figure, value in score.figures.items():
            row.setdefault(figure if score.set == MAIN else f"{score.set}/{figure}", []).append(value)
    return {method: {key: fmean(found) for key, found in row.items()} for method, row in values.items()}


def table(scores: Scores, title: str, chosen: str = MAIN) -> Table:
    """The scores on one set as a table for the terminal, one row a method."""
    prefix = "" if chosen == MAIN else f"{chosen}/"
    figures = [name for name in FIGURES if any(f"{prefix}{name}" in row for row in scores.values())]
    result = Table(title=title, title_justify="left", caption_justify="left")
    result.caption = "; ".join(f"{FIGURES[name].head}: {FIGURES[name].meaning}" for name in figures)
    result.add_column("")
    for name in figures:
        result.add_column(FIGURES[name].head, justify="right")
    for method, row in scores.items():
        result.add_row(method, *(f"{row[prefix + name]:.{FIGURES[name].digits}f}" for name in figures))
    return result


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as CSV, whole or not at all; a column for every key, in the order of their first appearance."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))


def score_row(score: Score, figures: Sequence[str]) -> dict[str, Any]:
    """A score as a row of a CSV, its recipe as JSON; figures that a set does not have stay empty."""
    recipe = score.recipe.to_json() if score.recipe is not None else ""
    values = {name: score.figures.get(name, "") for name in figures}
    return {"set": score.set, "picture": score.picture, "version": score.version, "method": score.method,
            **values, "recipe": recipe}  # fmt: skip


@torch.no_grad()
def comparison(
    methods: Mapping[str, Method], sets: Mapping[str, ValidationSet], side: int, zoom: int, device: torch.device
) -> Image.Image:
    """A row a picture: the input, each method, the original, each a `side` x `side` window enlarged `zoom` times.

    The first four pictures of each set, each in its first version. The window is the one with the most detail in the
    original, or in the last method's picture where there is none. The input is enlarged without smoothing, so that its
    own pixels show.
    """
    rows = []
    for pictures in sets.values():
        firsts = [index for index in range(len(pictures)) if pictures.label(index).version == 0]
        for index in firsts[:4]:
            pair = shown_pair(pictures[index], device)
            shown = {"input": pair.lq, **{method: upscaled(pair.lq) for method, upscaled in methods.items()}}
            if pair.hq is not None:
                shown["original"] = pair.hq
            last = list(shown.values())[-1]
            shown["input"] = F.interpolate(pair.lq, size=last.shape[-2:], mode="nearest")
            window = most_detailed(last[0], side)
            rows.append([(_enlarged(picture[0][:, *window], zoom), caption) for caption, picture in shown.items()])
    return sheet(rows)


def most_detailed(image: Tensor, side: int) -> tuple[slice, slice]:
    """Rows and columns of the `side` x `side` window of (C, H, W) with the largest mean gradient."""
    height, width = (min(side, length) for length in image.shape[-2:])
    grey = image.mean(0)
    detail = F.pad(grey.diff(dim=0).abs(), (0, 0, 0, 1)) + F.pad(grey.diff(dim=1).abs(), (0, 1))
    mean = F.avg_pool2d(detail[None], (height, width), stride=8)[0]
    top, left = (int(place) * 8 for place in divmod(int(mean.argmax()), mean.shape[1]))
    return slice(top, top + height), slice(left, left + width)


def _enlarged(image: Tensor, zoom: int) -> Image.Image:
    picture = to_pil(image)
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
