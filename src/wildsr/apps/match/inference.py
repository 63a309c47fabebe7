"""From statistics to recipes: approximate Bayesian computation, its simulations adjusted by a regression.

A ridge regression of the parameters on the statistics, fitted to all simulations, is what makes numbers of different
units comparable: simulations are near to an image where it predicts the same parameters of both (Fearnhead and
Prangle, 2012). To the nearest ones a second, linear one is fitted; each keeps what that did not explain, and is moved
to the image's statistics along it (Beaumont et al., 2002). What one cannot know from an image stays wide.
"""

# n simulations, s statistics, f features, p parameters

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F

from wildsr.apps.match.jpeg import LUMA, FoundJpeg
from wildsr.apps.match.simulation import Simulations
from wildsr.degradation.kernels import render_kernel
from wildsr.degradation.libjpeg import luma_table
from wildsr.degradation.operations import (
    Blur,
    BlurSpec,
    Halo,
    HaloSpec,
    Jpeg,
    JpegSpec,
    Noise,
    NoiseSpec,
    Webp,
    WebpSpec,
)
from wildsr.degradation.recipe import Recipe, Step

PARAMETERS = ("noise", "grey", "poisson", "blur", "smoothing", "halo", "earlier_jpeg", "webp", "alias", "area")
NEAREST, LOCAL = 40, 300  # simulations an image: that become its recipes; that the linear regression is fitted to
RIDGE, LOCAL_RIDGE = 3.0, 10.0  # weight of the squared coefficients, in units of standardised features
LEAST_NOISE = 0.4  # levels: less is none
POISSON_LEVELS = (
    11.3  # levels of noise in the middle greys at a Poisson scale of 1 with 256 levels: 255 sqrt(0.5 / 256)
)
LUMA_OF_COLOUR = math.sqrt(sum(weight**2 for weight in LUMA))  # of independent noise in three channels: 0.67
NO_BLUR, LEAST_HALO, STRONGEST_HALO = 0.1, 0.1, 3.0  # LQ pixels; strength x radius; strength
LEAST_SMOOTHING, WIDEST_SMOOTHING = 0.2, 1.0  # LQ pixels
WIDEST_NOISE, WIDEST_BLUR = 30.0, 1.6  # levels, LQ pixels: the regression may move no further


def noise_levels(noise: Noise | None, halo: Halo | None = None, smoothing: Blur | None = None) -> float:
    """Return the strength of luma's noise in middle greys, in 8-bit levels, after what makes it weaker or stronger.

    Luma, since that is what an image shows best: the noise of three channels is less in it, that of a grey map is not.
    """
    return 0.0 if noise is None else noise.strength * unit_levels(noise) * noise_gain(halo, smoothing)


def unit_levels(noise: Noise) -> float:
    """Return the levels of luma's noise of a strength of 1, in middle greys."""
    return (POISSON_LEVELS if noise.kind == "poisson" else 1.0) * (1.0 if noise.grey else LUMA_OF_COLOUR)


def noise_gain(halo: Halo | None, smoothing: Blur | None = None) -> float:
    """Return how much stronger a smoothing and a sharpening make white noise: the root of their kernel's squares."""
    kernels = [one.render() if isinstance(one, Halo) else render_kernel(one) for one in (halo, smoothing) if one]
    if not kernels:
        return 1.0
    if len(kernels) == 2:
        reach = kernels[1].shape[-1] - 1
        kernels[0] = F.conv2d(kernels[0][None, None], kernels[1][None, None], padding=reach)[0, 0]
    return float(kernels[0].square().sum().sqrt())


def softness(recipe: Recipe) -> float:
    """Return the σ of the two Gaussians of a recipe taken together, in LQ pixels."""
    before, after = (recipe.records.get(f"{order}.blur") for order in ("first", "second"))
    return math.hypot(before.sigma_x / recipe.scale if before else 0.0, after.sigma_x if after else 0.0)


def parameters_of(recipe: Recipe) -> np.ndarray:
    """Return what is sought of a recipe of the prior, on scales on which errors are alike: (p,)."""
    records = recipe.records
    noise, smoothing, halo = records.get("first.noise"), records.get("second.blur"), records.get("second.halo")
    mode = records["first.resize"].mode
    earlier, webp = records.get("second.jpeg"), records.get("second.webp")
    return np.array([
        math.log1p(noise_levels(noise, halo, smoothing)),
        0.0 if noise is None else 1.0 if noise.grey else -1.0,
        float(noise is not None and noise.kind == "poisson"),
        math.log1p((softness(recipe) / 0.3) ** 2),
        0.0 if noise is None or smoothing is None else smoothing.sigma_x,  # without noise it is a blur like another
        0.0 if halo is None else halo.strength * halo.radius,
        0.0 if earlier is None else jpeg_step(earlier.quality),
        0.0 if webp is None else 1.2 - webp.quality / 100,
        float(mode in ("bilinear", "bicubic")), float(mode == "area"),
    ])  # fmt: skip


def jpeg_step(quality: int | None) -> float:
    """Return the log of the mean step of a quality's table of luma; 0 of none."""
    return 0.0 if quality is None else float(np.log(np.mean(luma_table(quality))))


@dataclass(frozen=True)
class Posterior:
    """Recipes that could have made one image, all as likely; `surprise` is how far off the simulations it lies.

    Of the simulations themselves, `surprise` is above 1 in one of a hundred.
    """

    recipes: Sequence[Recipe]
    surprise: float


class Inference:
    """A regression fitted to simulations, and what follows from it for an image.

    Args:
        simulations: recipes of the prior and what was measured of an image of each.
    """

    def __init__(self, simulations: Simulations) -> None:
        self.recipes = simulations.recipes
        self.parameters = np.array([parameters_of(recipe) for recipe in self.recipes])
        known = np.array([self._known(recipe.records.get("final.jpeg")) for recipe in self.recipes])
        self.has_webp = np.array(["second.webp" in recipe.records for recipe in self.recipes])
        self.raw = np.column_stack([simulations.measured, known])
        self.centre, self.spread = self.raw.mean(0), self.raw.std(0) + 1e-9
        features = self._features(self.raw)
        self.offset = self.parameters.mean(0)
        penalty = RIDGE * np.eye(features.shape[1])
        penalty[0, 0] = 0.0
        gram = features.T @ features + penalty
        self.weights = np.linalg.solve(gram, features.T @ (self.parameters - self.offset))
        self.predicted = features @ self.weights + self.offset
        self.error = (self.parameters - self.predicted).std(0) + 1e-9
        # How unlike all other simulations one is, by its statistics alone: what is usual for the prior.
        self.whitening = np.linalg.inv(np.linalg.cholesky(np.cov(self.raw.T) + 1e-6 * np.eye(self.raw.shape[1])))
        self.white = (self.raw - self.centre) @ self.whitening.T
        some = self.white[:: max(len(self.white) // 200, 1)]
        self.usual = float(np.quantile([self._isolation(row, 1) for row in some], 0.99))

    def posterior(self, measured: np.ndarray, jpeg: FoundJpeg | None, is_webp: bool = False) -> Posterior:
        """Return the recipes that could have made an image.

        Args:
            measured: its statistics, as `statistics.measure` gives them.
            jpeg: its last JPEG, which is known and not sought.
            is_webp: whether its file is a lossy WebP, and only recipes with one come into question.
        """
        row = np.append(measured, self._known(jpeg))
        predicted = (self._features(row[None]) @ self.weights)[0] + self.offset
        # The last JPEG decides what may be known of the rest, so it counts like a parameter.
        off = np.column_stack([(self.predicted - predicted) / self.error, 2 * (self.raw[:, -1] - row[-1])])
        distances = (off**2).sum(1)
        if is_webp or jpeg is not None:  # what was a JPEG last is hardly ever a WebP before
            distances = np.where(self.has_webp == is_webp, distances, np.inf)
        local = np.argsort(distances)[: min(LOCAL, int(np.isfinite(distances).sum()) // 2)]
        nearest, adjusted = local[:NEAREST], self._adjusted(row, local, distances[local])[:NEAREST]
        recipes = [
            adjust(self.recipes[place], dict(zip(PARAMETERS, values, strict=True)), jpeg)
            for place, values in zip(nearest, adjusted, strict=True)
        ]
        isolation = self._isolation((row - self.centre) @ self.whitening.T, 0)
        return Posterior(recipes, isolation / self.usual)

    def _adjusted(self, row: np.ndarray, places: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Move the parameters of some simulations to the statistics of an image, along a local regression: (n, p)."""
        weights = 1 - distances / (distances[-1] + 1e-9)
        z = np.column_stack([np.ones(len(places)), self._standardised(self.raw[places]) - self._standardised(row)])
        penalty = LOCAL_RIDGE * np.eye(z.shape[1])
        penalty[0, 0] = 1e-6
        mean = np.average(self.parameters[places], axis=0, weights=weights)
        moved = self.parameters[places] - mean
        slopes = np.linalg.solve((z * weights[:, None]).T @ z + penalty, (z * weights[:, None]).T @ moved)
        return self.parameters[places] - z[:, 1:] @ slopes[1:]

    @staticmethod
    def _known(jpeg: Jpeg | FoundJpeg | None) -> float:
        return jpeg_step(None if jpeg is None else jpeg.quality)

    def _features(self, rows: np.ndarray) -> np.ndarray:
        """Return 1, the standardised statistics, their squares, and their products with the JPEG's: (n, f)."""
        z = self._standardised(rows)
        return np.column_stack([np.ones(len(z)), z, z**2, z[:, :-1] * z[:, -1:]])

    def _standardised(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip((rows - self.centre) / self.spread, -4, 4))

    def _isolation(self, row: np.ndarray, itself: int) -> float:
        """Return the mean distance to the 5 nearest simulations, by whitened statistics."""
        distances = np.sort(((self.white - row) ** 2).sum(1))[itself : itself + 5]
        return float(np.sqrt(distances).mean())


def adjust(recipe: Recipe, values: Mapping[str, float], jpeg: FoundJpeg | None) -> Recipe:
    """Give a recipe of the prior the strengths that a regression found, and the last JPEG that is known."""
    noise = math.expm1(max(values["noise"], 0.0))
    soft = min(0.3 * math.sqrt(math.expm1(max(values["blur"], 0.0))), WIDEST_BLUR)
    old = {f"{step.order}.{step.op}": step for step in recipe.steps}
    smoothing = halo = None
    if noise > LEAST_NOISE and "second.blur" in old and values["smoothing"] > LEAST_SMOOTHING:
        # Noise may be smoothed where edges are sharp: by a median, to which this is the nearest.
        sigma = round(min(values["smoothing"], soft or 1.0, WIDEST_SMOOTHING), 3)
        smoothing, soft = Blur("iso", 31, sigma_x=sigma), math.sqrt(max(soft**2 - sigma**2, 0.0))
    if "second.halo" in old and values["halo"] > LEAST_HALO:
        radius = old["second.halo"].record.radius
        halo = Halo(radius, round(min(values["halo"] / radius, STRONGEST_HALO), 3))
    steps: list[Step] = []
    if soft > NO_BLUR:
        steps.append(Step("first", BlurSpec, Blur("iso", 31, sigma_x=round(soft * recipe.scale, 3))))
    steps.append(old["first.resize"])
    if noise > LEAST_NOISE:
        known = old["first.noise"].record if "first.noise" in old else Noise("gaussian", 1.0, bool(values["grey"] > 0))
        strength = min(noise / noise_gain(halo, smoothing), WIDEST_NOISE) / unit_levels(known)
        steps.append(Step("first", NoiseSpec, Noise(known.kind, round(strength, 3), known.grey)))
    if smoothing is not None:
        steps.append(Step("second", BlurSpec, smoothing))
    if halo is not None:
        steps.append(Step("second", HaloSpec, halo))
    if "second.jpeg" in old:
        steps.append(old["second.jpeg"])
    if "second.webp" in old:
        steps.append(Step("second", WebpSpec, Webp(old["second.webp"].record.quality)))
    if jpeg is not None:
        steps.append(Step("final", JpegSpec, Jpeg(jpeg.quality, jpeg.subsampling)))
    return dataclasses.replace(recipe, steps=steps)


def summary(recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Return noise in levels, softness in LQ pixels, halo, shares and JPEG of recipes: medians, tenths, nine tenths."""
    found: dict[str, list[float]] = {"noise": [], "blur": [], "halo": [], "grey": []}
    for recipe in recipes:
        records = recipe.records
        noise, halo = records.get("first.noise"), records.get("second.halo")
        found["noise"].append(noise_levels(noise, halo, records.get("second.blur")))
        found["blur"].append(softness(recipe))
        found["halo"].append(0.0 if halo is None else halo.strength * halo.radius)
        found["grey"] += [] if noise is None else [float(noise.grey)]
    spreads = {key: tuple(np.quantile(values, (0.1, 0.5, 0.9))) for key, values in found.items() if key != "grey"}
    return {**spreads, "grey_share": float(np.mean(found["grey"])) if found["grey"] else 0.0}
