"""Methods side by side on every picture of a set: their figures, and what a person sees of them.

Shapes: C = 1 or 3, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image
from rich.progress import track
from torch import Tensor
from torchmetrics import Metric

from wildsr.apps.common.logs import is_quiet, message_console
from wildsr.config import ConfigError
from wildsr.data import Batch, Item, ValidationSet
from wildsr.degradation import Recipe
from wildsr.images import most_detailed, to_pil
from wildsr.images.sheets import Cell
from wildsr.io import UserError
from wildsr.metrics import chosen_metrics
from wildsr.metrics.base import needs_hq
from wildsr.scores import Scores, mean_row
from wildsr.training.datamodule import MAIN
from wildsr.training.pairs import ValidationPair, validation_pair

Method = Callable[[Tensor], Tensor]  # (1, C, h, w) -> (1, C, H, W)
Keep = Callable[[int, ValidationPair, Mapping[str, Tensor]], None]
SHOWN = 4  # pictures of a set in the comparison
SIDE, ZOOM = 200, 2  # of a window, pixels; and how many times its sides are enlarged


class Score(NamedTuple):
    """Result of one method on one picture of a set: figure by name, and the recipe where there is one."""

    set: str
    picture: str
    version: int
    method: str
    figures: dict[str, float]
    recipe: Recipe | None


def bicubic(scale: int) -> Method:
    """Return plain bicubic interpolation: what a network has to beat."""
    return lambda lq: F.interpolate(lq, scale_factor=scale, mode="bicubic").clamp(0, 1)


class EvalResult(NamedTuple):
    """Results of a judgement: all scores, and for each picture that the comparison shows a row of labelled crops."""

    scores: list[Score]
    rows: list[list[Cell]]

    def take(self, more: EvalResult) -> None:
        """Add what was found on another picture."""
        self.scores.extend(more.scores)
        self.rows.extend(more.rows)


def judge(
    methods: Mapping[str, Method],
    sets: Mapping[str, ValidationSet],
    metrics: Sequence[str],
    border: int,
    device: torch.device,
    own: Mapping[str, Metric] | None = None,
) -> EvalResult:
    """Judge every method on every picture of every set, `border` pixels left out on each side."""
    verdict = EvalResult([], [])
    for name, pictures in sets.items():
        trial = Evaluator(name, pictures, methods, metrics, border, device, own=own)
        bar = message_console()
        off = bar.is_jupyter or is_quiet()  # rich's bars want ipywidgets in Jupyter
        for index in track(range(len(pictures)), f"judging {name}", transient=True, console=bar, disable=off):
            verdict.take(trial.judge(index))
    return verdict


class Evaluator:
    """The methods that are compared on one set, the same inputs for all.

    Args:
        name: of the set.
        pictures: the set.
        methods: by name, all of the set's scale.
        metrics: names of the figures; a set without originals has those that need none.
        border: pixels left out on each side.
        device: where the inputs and the originals are.
        keep: is given the number, the pair and all methods' results of each picture that the comparison shows.
        own: metrics of a user's own, by name.
    """

    def __init__(
        self,
        name: str,
        pictures: ValidationSet,
        methods: Mapping[str, Method],
        metrics: Sequence[str],
        border: int,
        device: torch.device,
        keep: Keep | None = None,
        own: Mapping[str, Metric] | None = None,
    ) -> None:
        self.keep = keep
        self.name, self.pictures, self.methods, self.device = name, pictures, methods, device
        chosen = chosen_metrics(metrics, border, pictures.has_hq, own)
        self.metrics = {name: metric.to(device) for name, metric in chosen.items()}
        self.shown = shown_of(pictures)

    @torch.no_grad()
    def judge(self, index: int) -> EvalResult:
        """Judge every method on one picture, with a row for the comparison where it is to be shown.

        Raises:
            UserError: the picture cannot be read, or is too small for a metric.
        """
        item = self.pictures[index]
        label, pair = self.pictures.label(index), shown_pair(item, self.device)
        scores, seen = [], dict[str, Tensor]()
        for method, upscaled in self.methods.items():
            sr = upscaled(pair.lq)
            values = {
                name: float(metric(*((sr, pair.hq) if needs_hq(metric) else (sr,))))  # of this picture alone
                for name, metric in self.metrics.items()
            }
            scores.append(Score(self.name, *label, method, values, item.params))
            if index in self.shown:
                seen[method] = sr
        if seen and self.keep is not None:
            self.keep(index, pair, seen)
        return EvalResult(scores, [crops(f"input: {self.name}, {label.picture}", pair, seen)] if seen else [])


def shown_of(pictures: ValidationSet) -> list[int]:
    """Return the numbers that a comparison shows of a set: the first SHOWN pictures, each in its first version."""
    firsts = (index for index in range(len(pictures)) if pictures.label(index).version == 0)
    return list(islice(firsts, SHOWN))


def crops(title: str, pair: ValidationPair, results: Mapping[str, Tensor]) -> list[Cell]:
    """Cut the input under a title, each method's result and the original: one window of each, enlarged for the eye.

    The window is the one with the most detail in the original, or in the last method's picture where there is none.
    The input is enlarged without smoothing, so that its own pixels show.
    """
    last = pair.hq if pair.hq is not None else list(results.values())[-1]
    cells = {title: F.interpolate(pair.lq, size=last.shape[-2:], mode="nearest"), **results}
    if pair.hq is not None:
        cells["original"] = pair.hq
    window = most_detailed(last[0], SIDE, last.shape[-1] // pair.lq.shape[-1])
    return [(_enlarged(picture[0][:, *window]), caption) for caption, picture in cells.items()]


def objective_of(objective: str | None, metrics: Sequence[str], will_evaluate: bool) -> str | None:
    """Return the metric that a search looks at, by its name in the scores; None outside of a search.

    Raises:
        ConfigError: there is no such metric, or the run will not be evaluated.
    """
    if objective is None:
        return None
    names = {f"val/{name}": name for name in metrics}
    if objective not in names:
        raise ConfigError(f"objective={objective}: no such metric; wanted one of: {', '.join(names)}")
    if not will_evaluate:
        raise ConfigError(f"objective={objective}: wanted compare=true and validation images (data.val)")
    return names[objective]


def last_score(scores: Scores, metric: str) -> float:
    """Return a metric of the last stage, for a search.

    Raises:
        UserError: it is not finite; Optuna takes nothing else.
    """
    method, row = list(scores.items())[-1]
    if not math.isfinite(row[metric]):
        raise UserError(f"{metric} of the {method}: given {row[metric]}, wanted a finite number")
    return row[metric]


def shown_pair(item: Item[Any], device: torch.device) -> ValidationPair:
    """Return a set's item as methods see it: degraded where a recipe says so."""
    return validation_pair(Batch.collate([item]).to(device))


def means(scores: Sequence[Score]) -> Scores:
    """Return method to mean figures, see `mean_row`: `psnr_y` … on the main set, `<set>/psnr_y` … on the others."""
    values: dict[str, dict[str, list[float]]] = {}
    for score in scores:
        row = values.setdefault(score.method, {})
        for figure, value in score.figures.items():
            row.setdefault(figure if score.set == MAIN else f"{score.set}/{figure}", []).append(value)
    return {method: mean_row(row) for method, row in values.items()}


def _enlarged(image: Tensor) -> Image.Image:
    picture = to_pil(image)
    return picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST)
