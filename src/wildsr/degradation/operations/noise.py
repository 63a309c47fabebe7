"""Add Gaussian noise, as electronics do, or Poisson noise, as counted light has it."""

# C = 1 or 3, H W image;  n images on a canvas S T

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_choice, check_number, check_range, check_type
from wildsr.degradation import cpu, draws
from wildsr.degradation.batched.form import BatchStep, Size, Tables, clamped, shape_of
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.tensors import in_float32

STRENGTH = {"gaussian": (0, 255), "poisson": (0, 100)}  # the widest that is drawn or replayed
PEAKS = 2 ** np.ceil(np.log2(np.maximum(np.arange(257), 1)))  # a number of levels, rounded up to a power of two


@dataclass(frozen=True)
class Noise:
    """Noise of strength: a Gaussian's sigma in 8-bit levels or a Poisson scale; grey: equal channels."""

    kind: str
    strength: float
    grey: bool

    def __post_init__(self) -> None:
        check_choice(self, "kind", STRENGTH)
        check_number(self, "strength", *STRENGTH[self.kind])
        check_type(self, "grey", bool)

    def describe(self) -> str:
        """Return the noise in words."""
        strength = f"σ {self.strength:.1f}" if self.kind == "gaussian" else f"×{self.strength:.2f}"
        return f"{self.kind.title()} noise {strength} {'grey' if self.grey else 'colour'}"

    def statistics(self) -> Mapping[str, Any]:
        """Return what is counted: sigma and scale have different units, and are counted apart."""
        grey = "grey" if self.grey else "colour"
        return {"kind": self.kind, f"{self.kind} strength": self.strength, "grey": grey}


class NoiseBatch:
    """Draw image by image, each from its generator, one after the other into one line; the rest goes together.

    Gaussian and Poisson noise are called apart: most of what the one computes is of no use to the other.
    """

    operators: ClassVar[int] = 20

    @staticmethod
    def key(record: Any, size: Size) -> str:
        return record.kind

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        strength = np.array([record.strength for record in step.records])[:, None, None, None]
        grey = np.array([record.grey for record in step.records])[:, None]
        height, width = shape_of(step.before)
        tables = _places(grey, step)
        if step.records[0].kind == "gaussian":
            return tables | {"strength": (strength / 255).astype(np.float32)}
        return tables | {
            "strength": strength.astype(np.float32),
            "grey": grey[:, :, None, None].astype(np.float32),
            "above": (np.arange(height) >= step.heights)[:, None, :, None].astype(np.int32) * 256,
            "left": (np.arange(width) >= step.widths)[:, None, None].astype(np.int32) * 256,
            "peaks": PEAKS.astype(np.float32),
        }

    @staticmethod
    def apply(
        images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> Tensor:
        if "peaks" in tables:
            noise = _poisson(images, step, tables, generators)
        else:
            noise = _gaussian(images, step, tables, generators)
        return images.add_(noise.mul_(tables["strength"])).clamp_(0, 1)


@dataclass(frozen=True)
class NoiseSpec:
    """Noise with probability `prob`: Gaussian with gaussian_prob (sigma in 8-bit levels), otherwise Poisson."""

    name: ClassVar[str] = "noise"
    Record: ClassVar[type] = Noise
    batched: ClassVar[type] = NoiseBatch
    gaussian_prob: float = 0.5
    gaussian_sigma: Sequence[float] = (1.0, 30.0)
    poisson_scale: Sequence[float] = (0.05, 3.0)
    grey_prob: float = 0.4
    prob: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_number(self, "gaussian_prob", 0, 1)
        check_range(self, "gaussian_sigma", *STRENGTH["gaussian"])
        check_range(self, "poisson_scale", *STRENGTH["poisson"])
        check_number(self, "grey_prob", 0, 1)

    def draw(self, rng: Generator, context: DrawContext) -> Noise | None:
        if not draws.happens(rng, self.prob):
            return None
        gaussian = rng.random() < self.gaussian_prob
        strength = draws.uniform(rng, self.gaussian_sigma if gaussian else self.poisson_scale)
        return Noise("gaussian" if gaussian else "poisson", strength, rng.random() < self.grey_prob)

    @staticmethod
    def apply(image: Tensor, record: Noise, generator: torch.Generator, final_size: object) -> Tensor:
        return add_noise(image, record, generator)


@in_float32
def add_noise(image: Tensor, noise: Noise, generator: torch.Generator) -> Tensor:
    """Add noise to (C, H, W) and clip to [0, 1]; the generator lives on the image's device.

    Gaussian: N(0, (strength / 255)²). Poisson: strength · (Poisson(x V) / V - x), x being the image (grey:
    its luma) on 8-bit levels, V the number of its distinct levels, rounded up to a power of two. Grey: one map
    for all channels.
    """
    source = image
    if noise.grey and len(image) == 3:
        source = _luma(image)
    if noise.kind == "gaussian":
        drawn = torch.randn(source.shape, generator=generator, device=image.device)
        return torch.add(image, drawn, alpha=noise.strength / 255).clamp_(0, 1)
    drawn = poisson_noise((source * 255).round_().clamp_(0, 255), generator)
    return torch.add(image, drawn, alpha=noise.strength).clamp_(0, 1)


def poisson_noise(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw Poisson(x V) / V - x for x = levels / 255: (C, H, W) of whole levels -> float32.

    V is the number of distinct levels, rounded up to a power of two. A GPU is not read back. MPS lacks `torch.poisson`,
    and has the CPU's way.
    """
    if levels.device.type == "cuda":
        return poisson_on_device(levels, generator)
    return cpu.poisson_noise(levels, generator)


def poisson_on_device(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw `poisson_noise` by `torch.poisson`."""
    seen = torch.zeros(256, device=levels.device).scatter_(0, levels.flatten().long(), 1)
    powers = 1 << torch.arange(9, device=levels.device)
    peak = torch.where(powers >= seen.sum(), powers, 256).amin()
    return torch.poisson(levels / 255 * peak, generator) / peak - levels / 255


def _luma(images: Tensor) -> Tensor:
    """Return the released grey, that of MATLAB's rgb2gray: (…, 3, H, W) -> (…, 1, H, W)."""
    red, green, blue = images.split(1, -3)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def _places(grey: np.ndarray, step: BatchStep) -> Tables:
    """Return where in the line the rows (n, C, S, 1) of the canvas begin and their columns (n, 1, 1, T) lie.

    Images follow each other as (C, H, W), grey ones as (1, H, W), whose one map serves all channels.
    """
    height, width = shape_of(step.before)
    maps = np.where(grey, 1, step.channels)
    sizes = maps * step.heights * step.widths
    starts = np.cumsum(sizes)[:, None] - sizes
    channels = np.where(grey, 0, np.arange(step.channels))[:, :, None]
    rows = clamped(height, step.heights)[:, None]
    rows = starts[:, :, None] + (channels * step.heights[:, :, None] + rows) * step.widths[:, :, None]
    columns = clamped(width, step.widths)[:, None, None]
    return {"rows": rows[..., None].astype(np.int32), "columns": columns.astype(np.int32)}


def _maps(step: BatchStep) -> list[tuple[int, int, int]]:
    """Return the shapes of the images' own noise."""
    maps = [1 if record.grey else step.channels for record in step.records]
    return [(count, *size) for count, size in zip(maps, step.before, strict=True)]


def _spread(line: Tensor, tables: Mapping[str, Tensor]) -> Tensor:
    """Lay the line on the canvas; beyond an image its border is repeated."""
    places = tables["rows"] + tables["columns"]
    return line.index_select(0, places.flatten()).view(places.shape)


def _gaussian(
    images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
) -> Tensor:
    counts = [math.prod(shape) for shape in _maps(step)]
    line = images.new_empty(sum(counts))
    for own, generator in zip(line.split(counts), generators, strict=True):
        own.normal_(generator=generator)
    return _spread(line, tables)


def _poisson(
    images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
) -> Tensor:
    """Draw Poisson(x V) / V - x, as `poisson_on_device`."""
    source = images
    if images.shape[1] == 3:
        source = torch.where(tables["grey"] > 0, _luma(images), images)
    levels = (source * 255).round_().clamp_(0, 255)
    beyond = tables["above"] + tables["left"]  # 256 and more outside of the image, which is not counted
    seen = images.new_zeros(len(images), 257)
    seen.scatter_(1, torch.clamp(levels + beyond, max=256).flatten(1).long(), 1)
    peak = tables["peaks"][seen[:, :256].sum(1).long()][:, None, None, None]
    x = levels.div_(255)
    rates = x * peak
    drawn = [
        torch.poisson(rate[:maps, :height, :width], generator).flatten()
        for rate, (maps, height, width), generator in zip(rates, _maps(step), generators, strict=True)
    ]
    return _spread(torch.cat(drawn), tables).div_(peak).sub_(x)
