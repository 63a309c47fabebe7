"""Add Gaussian noise, as electronics do, or Poisson noise, as counted light has it."""

# B batch, C = 1 or 3, H W image

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_choice, check_number, check_range, check_type
from wildsr.degradation import cpu, draws
from wildsr.degradation.batched.noise import NoiseBatch
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.tensors import in_float32

STRENGTH = {"gaussian": (0, 255), "poisson": (0, 100)}  # the widest that is drawn or replayed


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
    """Add noise to (…, C, H, W) and clip to [0, 1]; the generator lives on the image's device.

    Gaussian: N(0, (strength / 255)²). Poisson: strength · (Poisson(x V) / V - x), x being the image (grey:
    its luma) on 8-bit levels, V the number of its distinct levels, rounded up to a power of two. Grey: one map
    for all channels. In a batch every image has its own noise and its own V.
    """
    source = image
    if noise.grey and image.shape[-3] == 3:
        red, green, blue = image.split(1, -3)
        source = 0.2989 * red + 0.587 * green + 0.114 * blue  # the released grey, that of MATLAB's rgb2gray
    if noise.kind == "gaussian":
        drawn = torch.randn(source.shape, generator=generator, device=image.device)
        return torch.add(image, drawn, alpha=noise.strength / 255).clamp_(0, 1)
    drawn = poisson_noise((source * 255).round_().clamp_(0, 255), generator)
    return torch.add(image, drawn, alpha=noise.strength).clamp_(0, 1)


def poisson_noise(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw Poisson(x V) / V - x for x = levels / 255: (…, C, H, W) of whole levels -> float32.

    V is the number of an image's distinct levels, rounded up to a power of two. A GPU is not read back. MPS lacks
    `torch.poisson`, and has the CPU's way.
    """
    if levels.device.type == "cuda":
        return poisson_on_device(levels, generator)
    return cpu.poisson_noise(levels, generator)


def poisson_on_device(levels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw `poisson_noise` by `torch.poisson`."""
    places = levels.flatten(-3).long()
    seen = torch.zeros(*places.shape[:-1], 256, device=levels.device).scatter_(-1, places, 1)
    powers = 1 << torch.arange(9, device=levels.device)
    peak = torch.where(powers >= seen.sum(-1, keepdim=True), powers, 256).amin(-1)[..., None, None, None]
    return torch.poisson(levels / 255 * peak, generator) / peak - levels / 255
