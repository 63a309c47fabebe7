"""The closing judgement of a run: methods side by side on the validation pairs, as a table and as a picture.

Shapes: C = 3, H W image, h = H // scale. Images are float32 in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from PIL import Image
from rich.progress import track
from rich.table import Table
from torch import Tensor

from wildsr.config import ConfigError
from wildsr.data import Pairs
from wildsr.images import to_pil
from wildsr.sheets import sheet
from wildsr.training.datamodule import ValidationPair, validation_pair
from wildsr.training.module import validation_metrics

Method = Callable[[Tensor], Tensor]  # (1, C, h, w) -> (1, C, H, W)
Scores = dict[str, dict[str, float]]
HEADS = {"psnr_y": ("PSNR-Y", "dB, higher is closer"), "ssim_y": ("SSIM-Y", "higher is closer"),
         "niqe": ("NIQE", "lower looks more natural")}  # fmt: skip


def bicubic(scale: int) -> Method:
    """Plain bicubic interpolation: what a network has to beat."""
    return lambda lq: F.interpolate(lq, scale_factor=scale, mode="bicubic").clamp(0, 1)


@torch.no_grad()
def judge(methods: Mapping[str, Method], pairs: Pairs, scale: int, device: torch.device) -> Scores:
    """Mean PSNR-Y, SSIM-Y and NIQE of each method on the same degraded pictures, `scale` border pixels left out."""
    metrics = {name: validation_metrics(border=scale).to(device) for name in methods}
    for index in track(range(len(pairs)), "judging", transient=True):
        image, recipe = pairs[index]
        lq, hq = validation_pair(image.to(device), recipe)
        for name, method in methods.items():
            metrics[name].update(sr=method(lq), hq=hq)
    return {
        name: {key.removeprefix("val/"): float(value) for key, value in found.compute().items()}
        for name, found in metrics.items()
    }


def objective_of(cfg: DictConfig) -> str | None:
    """The metric that a search looks at, by its name in the scores; None outside of a search.

    Raises:
        ConfigError: there is no such metric, or the run will not be judged.
    """
    if cfg.objective is None:
        return None
    names = {f"val/{name}": name for name in HEADS}
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


def table(scores: Scores, title: str) -> Table:
    """The scores as a table for the terminal, one row a method."""
    result = Table(title=title, title_justify="left", caption_justify="left")
    result.caption = "; ".join(f"{head}: {meaning}" for head, meaning in HEADS.values())
    result.add_column("")
    for head, _ in HEADS.values():
        result.add_column(head, justify="right")
    for name, row in scores.items():
        result.add_row(name, *(f"{row[key]:.4f}" if key == "ssim_y" else f"{row[key]:.2f}" for key in HEADS))
    return result


@torch.no_grad()
def comparison(
    methods: Mapping[str, Method], pairs: Pairs, which: Sequence[int], side: int, zoom: int, device: torch.device
) -> Image.Image:
    """A row a picture: the input, each method, the original, each a `side` x `side` window enlarged `zoom` times.

    The window is the one with the most detail in the original. The input is enlarged without smoothing, so that
    its own pixels show.
    """
    rows = []
    for index in which:
        image, recipe = pairs[index]
        pair: ValidationPair = validation_pair(image.to(device), recipe)
        window = most_detailed(pair.hq[0], side)
        shown = {
            "input": F.interpolate(pair.lq, size=pair.hq.shape[-2:], mode="nearest"),
            **{name: method(pair.lq) for name, method in methods.items()},
            "original": pair.hq,
        }
        rows.append([(_enlarged(picture[0][:, *window], zoom), name) for name, picture in shown.items()])
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
