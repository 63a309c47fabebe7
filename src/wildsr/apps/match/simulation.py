"""Recipes of a broad, mild prior, simulated on photographs that come with the packages; kept on disk by digest."""

# n simulations, C = 3, H W image

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import torch
from rich.progress import track
from torch import Tensor

from wildsr import __version__
from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.match import statistics
from wildsr.apps.match.arguments import RECIPES
from wildsr.data import Photographs, sample_photographs
from wildsr.degradation import DegradationSpec, KernelSpec, OrderSpec, Recipe, degrade
from wildsr.degradation.operations import BlurSpec, FinalResizeSpec, HaloSpec, JpegSpec, NoiseSpec, WebpSpec
from wildsr.images import to_float, to_uint8
from wildsr.io import write_whole

FOLDER = platformdirs.user_cache_path("wildsr", appauthor=False) / "match"
# Of the scikit-image wheel; astronaut and coffee are held out for validation and for tests of this.
PHOTOGRAPHS = (
    "chelsea.png", "motorcycle_left.png", "rocket.jpg", "camera.png", "coins.png", "clock_motion.png", "moon.png",
    "retina.jpg", "hubble_deep_field.jpg", "motorcycle_right.png", "ihc.png", "brick.png",
)  # fmt: skip
SIDE = 128  # LQ pixels of a simulated image


def prior(scale: int) -> DegradationSpec:
    """Return what is looked for: once softened, resized, noisy, smoothed, sharpened, compressed, compressed again.

    Ranges are ours: from nothing to about half of the released recipe, since what people have is milder.
    """
    return DegradationSpec(
        scale,
        KernelSpec(sizes=(31, 31), sinc_prob=0.0, iso=1.0, aniso=0.0, generalized_iso=0.0, generalized_aniso=0.0,
                   plateau_iso=0.0, plateau_aniso=0.0),
        first=OrderSpec(
            blur=BlurSpec(0.4, sigma=(0.1, 1.25 * scale)),  # HQ pixels: up to 1.25 of LQ
            resize=FinalResizeSpec(["area", "bilinear", "bicubic", "bicubic_antialias", "lanczos"]),
            noise=NoiseSpec(gaussian_prob=0.7, gaussian_sigma=(0.5, 20.0), poisson_scale=(0.05, 1.8), prob=0.75),
        ),
        second=OrderSpec(  # of LQ pixels: what a camera or an editor does to what it has
            blur=BlurSpec(0.25, sigma=(0.25, 0.8)),
            halo=HaloSpec(0.3, radius=(0.5, 1.5), strength=(0.2, 1.5)),
            jpeg=JpegSpec((30, 95), 0.25, ("4:2:0", "4:4:4")),
            webp=WebpSpec(0.3, (10, 90)),  # for itself, and in place of the video codecs, whose parts it has
        ),
        final=OrderSpec(jpeg=JpegSpec((25, 98), 0.7, ("4:2:0", "4:4:4"))),
    )  # fmt: skip


@dataclass(frozen=True)
class Simulations:
    """Recipes and what was measured of an image that each had made: (n,) recipes, (n, statistics) float64."""

    recipes: Sequence[Recipe]
    measured: np.ndarray


def simulate(
    scale: int, count: int = RECIPES, names: Sequence[str] = PHOTOGRAPHS, folder: Path = FOLDER
) -> Simulations:
    """Draw recipes, apply each to a part of a photograph, and measure; what was done before is read from `folder`.

    Raises:
        UserError: scikit-image, or one of its photographs, is not there.
    """
    spec = prior(scale)
    file = folder / f"{_digest(spec, count, names)}.npz"
    recipes = [spec.draw(np.random.default_rng([0, number])) for number in range(count)]
    measured = _read(file, count)
    if measured is None:
        photographs = sample_photographs(names)
        work = track(
            recipes, f"simulating {count} recipes", console=message_console(), transient=True, disable=not has_bars()
        )
        rows = [
            measure_simulated(photographs, number, recipe, np.random.default_rng([1, number]))
            for number, recipe in enumerate(work)
        ]
        measured = np.array(rows)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda stream: np.savez(stream, measured=measured))
    return Simulations(recipes, measured)


def measure_simulated(photographs: Photographs, number: int, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Measure a part of one photograph after the other, degraded by a recipe: as `statistics.measure`."""
    hq = crop_of(photographs, number, SIDE * recipe.scale, recipe.scale, rng)
    return statistics.measure(to_uint8(degrade(to_float(hq), recipe)))


def crop_of(photographs: Photographs, number: int, side: int, scale: int, rng: np.random.Generator) -> Tensor:
    """Cut a part, at most `side` a side and a multiple of the scale, out of one photograph after the other."""
    image = photographs[number % len(photographs)]
    height, width = (min(side, length) // scale * scale for length in image.shape[-2:])
    top, left = (int(rng.integers(length - kept + 1)) for length, kept in
                 zip(image.shape[-2:], (height, width), strict=True))  # fmt: skip
    part = image[:, top : top + height, left : left + width]
    return torch.flip(part, [-1]).contiguous() if rng.random() < 0.5 else part.contiguous()


def _digest(spec: DegradationSpec, count: int, names: Sequence[str]) -> str:
    """Return a name for what is simulated: ranges, photographs, and the code that measures."""
    code = inspect.getsource(statistics)
    text = json.dumps([__version__, repr(spec.operations), repr(spec.kernels), spec.scale, count, list(names), code])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read(file: Path, count: int) -> np.ndarray | None:
    """Read measurements; None where there are none, or a file is damaged."""
    try:
        with np.load(file, allow_pickle=False) as content:
            measured = np.asarray(content["measured"])
    except Exception:  # numpy answers damage with many types; it is only made again
        return None
    return measured if measured.shape == (count, len(statistics.NAMES)) else None
