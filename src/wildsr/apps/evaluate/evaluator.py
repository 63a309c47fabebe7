"""Methods side by side on every image of a set, scored by every metric.

Shapes: C = 1 or 3, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor
from torchmetrics import Metric

from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.evaluate.files import Scores
from wildsr.apps.evaluate.windows import Windows
from wildsr.data import Batch, Item, ValidationSet
from wildsr.degradation import Recipe
from wildsr.metrics import chosen_metrics
from wildsr.metrics.base import needs_hq
from wildsr.scores import LEFT_OUT, MAIN, finite_mean
from wildsr.training.pairs import ValidationPair, validation_pair

Method = Callable[[Tensor], Tensor]  # (1, C, h, w) -> (1, C, H, W)
K = TypeVar("K")


class ImageScores(NamedTuple):
    """Scores of one method on one image of a set, by metric, and the recipe where there is one."""

    set: str
    image: str
    version: int
    method: str
    scores: dict[str, float]
    recipe: Recipe | None


def bicubic(scale: int) -> Method:
    """Return plain bicubic interpolation: what a network has to beat."""
    return lambda lq: F.interpolate(lq, scale_factor=scale, mode="bicubic").clamp(0, 1)


def evaluate(
    methods: Mapping[str, Method],
    sets: Mapping[str, ValidationSet],
    metrics: Sequence[str],
    border: int,
    device: torch.device,
    windows: Windows | None = None,
    own: Mapping[str, Metric] | None = None,
) -> list[ImageScores]:
    """Evaluate every method on every image of every set, `border` pixels left out on each side."""
    found = []
    for name, images in sets.items():
        evaluator = Evaluator(name, images, methods, metrics, border, device, windows, own)
        numbers = range(len(images))
        bar = partial(track, transient=True, console=message_console(), disable=not has_bars())
        for index in bar(numbers, f"evaluating {name}"):
            found += evaluator.evaluate(index)
    return found


class Evaluator:
    """The methods that are compared on one set, the same inputs for all.

    Args:
        name: of the set.
        images: the set.
        methods: by name, all of the set's scale.
        metrics: by name; a set without originals has those that need none.
        border: pixels left out on each side.
        device: where the inputs and the originals are.
        windows: what is shown of the images; None: nothing.
        own: metrics of a user's own, by name.
    """

    def __init__(
        self,
        name: str,
        images: ValidationSet,
        methods: Mapping[str, Method],
        metrics: Sequence[str],
        border: int,
        device: torch.device,
        windows: Windows | None = None,
        own: Mapping[str, Metric] | None = None,
    ) -> None:
        self.name, self.images, self.methods, self.device, self.windows = name, images, methods, device, windows
        chosen = chosen_metrics(metrics, border, images.has_hq, own)
        self.metrics = {name: metric.to(device) for name, metric in chosen.items()}

    def is_shown(self, index: int) -> bool:
        """Return whether a window of an image is shown."""
        return self.windows is not None and (self.name, index) in self.windows.chosen

    @torch.no_grad()
    def evaluate(self, index: int) -> list[ImageScores]:
        """Score every method on one image; its windows are written where it is to be shown.

        Raises:
            UserError: the image cannot be read, or is too small for a metric.
        """
        item = self.images[index]
        label, pair = self.images.label(index), shown_pair(item, self.device)
        found, shown = [], dict[str, Tensor]()
        for method, upscaled in self.methods.items():
            sr = upscaled(pair.lq)
            scores = {
                name: float(metric(*((sr, pair.hq) if needs_hq(metric) else (sr,))))  # of this image alone
                for name, metric in self.metrics.items()
            }
            found.append(ImageScores(self.name, *label, method, scores, item.params))
            if self.is_shown(index):
                shown[method] = sr
        if self.windows is not None and shown:
            self.windows.write(self.name, index, self.images, pair, shown)
        return found


def shown_pair(item: Item[Any], device: torch.device) -> ValidationPair:
    """Return a set's item as methods see it: degraded where a recipe says so."""
    return validation_pair(Batch.collate([item]).to(device))


def mean_row(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean of each figure; behind them, where any was left out, `<figure>_left_out` says how many."""
    found = {name: finite_mean(own) for name, own in values.items()}
    counts = {f"{name}{LEFT_OUT}": count for name, (_, count) in found.items() if count}
    return {name: mean for name, (mean, _) in found.items()} | counts


def mean_scores(found: Iterable[ImageScores], key: Callable[[ImageScores], K]) -> dict[K, tuple[int, dict[str, float]]]:
    """Group scores by a key, in the order of its values; returns of each group its length and its `mean_row`."""
    groups: dict[K, list[ImageScores]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    return {
        value: (len(members), mean_row({name: [one.scores[name] for one in members] for name in members[0].scores}))
        for value, members in groups.items()
    }


def means(found: Sequence[ImageScores]) -> Scores:
    """Return method to mean scores: `psnr_y` … on the main set, `<set>/psnr_y` … on the others."""
    scores: Scores = {}
    for (name, method), (_, row) in mean_scores(found, lambda one: (one.set, one.method)).items():
        prefix = "" if name == MAIN else f"{name}/"
        scores.setdefault(method, {}).update({f"{prefix}{metric}": mean for metric, mean in row.items()})
    return scores
