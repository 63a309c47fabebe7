"""Ranges and probabilities from which a recipe is drawn. The defaults are the released x4 recipe.

Every spec checks itself: a ValueError names the key, what was given and what is wanted.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import field, replace
from itertools import accumulate
from typing import Annotated, Any

from numpy.random import Generator

from wildsr.degradation import recipe
from wildsr.degradation.recipe import Blur, Finish, Jpeg, Noise, Order, Recipe, Resize
from wildsr.rules import number, one_of, record, refuse, several, span, whole

Range = Sequence[float]  # (low, high), both possible; a list from YAML is taken too
Probability = Annotated[float, number(0, 1)]
Weight = Annotated[float, number(0, 1e6)]  # relative
Sizes = Annotated[Sequence[int], span(recipe.SIZE)]
Sigmas = Annotated[Range, span(recipe.SIGMA)]
Betas = Annotated[Range, span(number(recipe.BETAS[0], 1), number(1, recipe.BETAS[1]))]
Cutoffs = Annotated[Range, span(recipe.CUTOFF)]
UpFactors = Annotated[Range, span(number(1, recipe.FACTORS[1]))]
DownFactors = Annotated[Range, span(number(recipe.FACTORS[0], 1))]
Modes = Annotated[Sequence[str], several(one_of(*recipe.MODES))]

_KINDS = tuple(kind for kind in recipe.BLUR_FIELDS if kind != "sinc")
_WAYS = ("up", "down", "keep")
_RELEASED_MODES = ("area", "bilinear", "bicubic")


def _check_weights(spec: object, keys: Sequence[str]) -> None:
    if not any(getattr(spec, key) for key in keys):
        raise refuse(", ".join(keys), [0] * len(keys), "a weight above 0 for at least one")


def _pick(rng: Generator, spec: object, keys: Sequence[str]) -> str:
    """Draw one of the fields, as often as its weight among them says."""
    sums = list(accumulate(getattr(spec, key) for key in keys))
    return keys[bisect_left(sums, (1 - rng.random()) * sums[-1])]  # from (0, 1]: a weight of 0 is never drawn


def _uniform(rng: Generator, span: Range) -> float:
    return min(span[0] + (span[1] - span[0]) * rng.random(), span[1])  # rounding may pass the end


def _whole(rng: Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high, endpoint=True))


@record
class KernelSpec:
    """The mix of blur kernels, shared by both orders; `iso` … `plateau_aniso` are relative weights."""

    sizes: Sizes = (7, 21)  # taps, the odd numbers between
    sinc_prob: Probability = 0.1
    iso: Weight = 0.45
    aniso: Weight = 0.25
    generalized_iso: Weight = 0.12
    generalized_aniso: Weight = 0.03
    plateau_iso: Weight = 0.12
    plateau_aniso: Weight = 0.03
    beta_generalized: Betas = (0.5, 4.0)
    beta_plateau: Betas = (1.0, 2.0)
    beta_low_prob: Probability = 0.5  # of beta from U(low, 1), otherwise from U(1, high)
    cutoff_small: Cutoffs = (math.pi / 3, math.pi)  # radians per pixel, for a sinc below `large_from`
    cutoff_large: Cutoffs = (math.pi / 5, math.pi)  # radians per pixel, for the others
    large_from: Annotated[int, whole(1, 99)] = 13  # taps

    def __post_init__(self) -> None:
        _check_weights(self, _KINDS)

    def draw(self, rng: Generator, sigma: Range) -> Blur:
        """Draw a kernel; sigma is the range of its standard deviations in pixels."""
        size = self._size(rng)
        if rng.random() < self.sinc_prob:
            cutoff = self.cutoff_small if size < self.large_from else self.cutoff_large
            return Blur("sinc", size, cutoff=_uniform(rng, cutoff))
        kind = _pick(rng, self, _KINDS)
        values = {"sigma_x": _uniform(rng, sigma)}
        if kind.endswith("aniso"):
            values |= {"sigma_y": _uniform(rng, sigma), "theta": _uniform(rng, (-math.pi, math.pi))}
        if "_" in kind:
            low, high = self.beta_plateau if kind.startswith("plateau") else self.beta_generalized
            values["beta"] = _uniform(rng, (low, 1.0) if rng.random() < self.beta_low_prob else (1.0, high))
        return Blur(kind, size, **values)

    def draw_sinc(self, rng: Generator, cutoff: Range) -> Blur:
        """Draw a sinc filter; cutoff is the range of its cut-off in radians per pixel."""
        return Blur("sinc", self._size(rng), cutoff=_uniform(rng, cutoff))

    def _size(self, rng: Generator) -> int:
        return 2 * _whole(rng, self.sizes[0] // 2, self.sizes[1] // 2) + 1


@record
class BlurSpec:
    """A blur with probability prob; sigma in pixels."""

    prob: Probability = 1.0
    sigma: Sigmas = (0.2, 3.0)

    def draw(self, rng: Generator, kernels: KernelSpec) -> Blur | None:
        return kernels.draw(rng, self.sigma) if rng.random() < self.prob else None


@record
class ResizeSpec:
    """Up, down or keep by relative weight; factors are relative to the input's or to the final LQ size."""

    up: Weight = 0.2
    down: Weight = 0.7
    keep: Weight = 0.1
    up_factor: UpFactors = (1.0, 1.5)
    down_factor: DownFactors = (0.15, 1.0)
    modes: Modes = _RELEASED_MODES
    of: Annotated[str, one_of("input", "final")] = "input"

    def __post_init__(self) -> None:
        _check_weights(self, _WAYS)

    def draw(self, rng: Generator) -> Resize:
        way = _pick(rng, self, _WAYS)
        factor = 1.0 if way == "keep" else _uniform(rng, getattr(self, f"{way}_factor"))
        return Resize(factor, self.modes[_whole(rng, 0, len(self.modes) - 1)], self.of)


@record
class NoiseSpec:
    """Gaussian noise with probability gaussian_prob (sigma in 8-bit levels), otherwise Poisson noise."""

    gaussian_prob: Probability = 0.5
    gaussian_sigma: Annotated[Range, span(recipe.STRENGTH["gaussian"])] = (1.0, 30.0)
    poisson_scale: Annotated[Range, span(recipe.STRENGTH["poisson"])] = (0.05, 3.0)
    grey_prob: Probability = 0.4

    def draw(self, rng: Generator) -> Noise:
        gaussian = rng.random() < self.gaussian_prob
        strength = _uniform(rng, self.gaussian_sigma if gaussian else self.poisson_scale)
        return Noise("gaussian" if gaussian else "poisson", strength, rng.random() < self.grey_prob)


@record
class JpegSpec:
    """JPEG at a whole-numbered quality of a range, both ends possible."""

    quality: Annotated[Sequence[int], span(recipe.QUALITY)] = (30, 95)

    def draw(self, rng: Generator) -> Jpeg:
        return Jpeg(_whole(rng, *self.quality))


@record
class OrderSpec:
    """One order, in the order of its fields; None leaves an operation out. Defaults: the first order."""

    blur: BlurSpec | None = field(default_factory=BlurSpec)
    resize: ResizeSpec | None = field(default_factory=ResizeSpec)
    noise: NoiseSpec | None = field(default_factory=NoiseSpec)
    jpeg: JpegSpec | None = field(default_factory=JpegSpec)

    def draw(self, rng: Generator, kernels: KernelSpec) -> Order:
        return Order(
            blur=self.blur.draw(rng, kernels) if self.blur else None,
            resize=self.resize.draw(rng) if self.resize else None,
            noise=self.noise.draw(rng) if self.noise else None,
            jpeg=self.jpeg.draw(rng) if self.jpeg else None,
        )


@record
class FinishSpec:
    """A resize to the final size and a sinc filter (cut-off in radians per pixel), around the last JPEG."""

    modes: Modes = _RELEASED_MODES
    sinc_prob: Probability = 0.8
    cutoff: Cutoffs = (math.pi / 3, math.pi)
    jpeg: JpegSpec = field(default_factory=JpegSpec)
    jpeg_first_prob: Probability = 0.5

    def draw(self, rng: Generator, kernels: KernelSpec) -> Finish:
        return Finish(
            resize=Resize(1.0, self.modes[_whole(rng, 0, len(self.modes) - 1)], "final"),
            sinc=kernels.draw_sinc(rng, self.cutoff) if rng.random() < self.sinc_prob else None,
            jpeg=self.jpeg.draw(rng),
            jpeg_first=rng.random() < self.jpeg_first_prob,
        )


def _released_second() -> OrderSpec:
    """The released second order: weaker, sized relative to the final LQ; its JPEG belongs to the finish."""
    return OrderSpec(
        blur=BlurSpec(0.8, sigma=(0.2, 1.5)),
        resize=ResizeSpec(0.3, 0.4, 0.3, up_factor=(1.0, 1.2), down_factor=(0.3, 1.0), of="final"),
        noise=NoiseSpec(gaussian_sigma=(1.0, 25.0), poisson_scale=(0.05, 2.5)),
        jpeg=None,
    )


def _as_recipe(key: str, value: Any) -> Recipe | None:
    if value is None or isinstance(value, Recipe):
        return value
    try:
        return Recipe.from_dict(value)
    except ValueError as error:
        raise ValueError(f"{key}.{error}") from None


@record
class DegradationSpec:
    """The whole degradation: two orders and the finish. The defaults are the released x4 recipe.

    `fixed` is a recipe, or its dictionary, that every image has instead of one drawn from the rest; only the seed of
    its noise is drawn.
    """

    scale: Annotated[int, recipe.SCALE] = 4
    kernels: KernelSpec = field(default_factory=KernelSpec)
    first: OrderSpec = field(default_factory=OrderSpec)
    second: OrderSpec | None = field(default_factory=_released_second)
    finish: FinishSpec | None = field(default_factory=FinishSpec)
    fixed: Annotated[Recipe | None, _as_recipe] = None

    def __post_init__(self) -> None:
        if self.fixed is not None and self.fixed.scale != self.scale:
            raise refuse("fixed.scale", self.fixed.scale, f"{self.scale}, the scale of the whole")
        last = (self.second and self.second.resize) or self.first.resize
        if self.finish is None and not (last and last.of == "final" and last.up == last.down == 0):
            wanted = "a finish, or a last resize of final that only keeps: LQ must end at the final size"
            raise refuse("finish", None, wanted)

    def draw(self, rng: Generator) -> Recipe:
        """Draw one image's recipe, a pure function of the generator's state."""
        if self.fixed is not None:
            return replace(self.fixed, seed=_whole(rng, 0, 2**63 - 1))
        return Recipe(
            scale=self.scale,
            seed=_whole(rng, 0, 2**63 - 1),
            first=self.first.draw(rng, self.kernels),
            second=self.second.draw(rng, self.kernels) if self.second else None,
            finish=self.finish.draw(rng, self.kernels) if self.finish else None,
        )


@record
class SharpenSpec:
    """Which images are sharpened, and how: radius and sigma in pixels, threshold in 8-bit levels."""

    source: bool = True  # LQ is made from the sharpened HQ
    target_pixel: bool = True
    target_perceptual: bool = True
    radius: Annotated[int, whole(1, 25)] = 25  # 51 taps
    sigma: Annotated[float, recipe.SIGMA] = 8.0
    amount: Annotated[float, number(0, 10)] = 0.5
    threshold: Annotated[float, number(0, 255)] = 10.0
