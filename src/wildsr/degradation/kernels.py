"""Blur kernels: their shapes as plain numbers, the mix they are drawn from, and their rendering."""

# B batch, k kernel side (odd)

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import (
    check_choice,
    check_integer,
    check_integer_range,
    check_number,
    check_range,
    check_weights,
    refuse,
)
from wildsr.degradation import draws

# The widest that is drawn or replayed: far beyond what is released, and still no risk to memory.
SIZES = (3, 51, 2)  # taps, from, to, in steps of
LIMITS = {
    "sigma_x": (0.05, 50),  # pixels
    "sigma_y": (0.05, 50),
    "theta": (-math.pi, math.pi),  # radians
    "beta": (0.1, 10),
    "cutoff": (0.05, math.pi),  # radians per pixel; pi lets everything through
}
BLUR_FIELDS: dict[str, tuple[str, ...]] = {  # what each kind of kernel needs beside its size
    "iso": ("sigma_x",),
    "aniso": ("sigma_x", "sigma_y", "theta"),
    "generalized_iso": ("sigma_x", "beta"),
    "generalized_aniso": ("sigma_x", "sigma_y", "theta", "beta"),
    "plateau_iso": ("sigma_x", "beta"),
    "plateau_aniso": ("sigma_x", "sigma_y", "theta", "beta"),
    "sinc": ("cutoff",),
}
DRAWN_KINDS = tuple(kind for kind in BLUR_FIELDS if kind != "sinc")


@dataclass(frozen=True)
class Blur:
    """A kernel's shape; what its kind does not use is None. The `iso` kinds use sigma_x for both axes.

    Size and sigmas in pixels, theta in radians, the cut-off in radians per pixel.
    """

    kind: str
    size: int
    sigma_x: float | None = None
    sigma_y: float | None = None
    theta: float | None = None
    beta: float | None = None
    cutoff: float | None = None

    def __post_init__(self) -> None:
        check_choice(self, "kind", BLUR_FIELDS)
        check_integer(self, "size", *SIZES)
        used = BLUR_FIELDS[self.kind]
        for key, limits in LIMITS.items():
            value = getattr(self, key)
            if (value is not None) != (key in used):
                raise refuse(key, value, f"{'a number' if key in used else 'nothing'} for the kind {self.kind}")
            if value is not None:
                check_number(self, key, *limits)

    def describe(self) -> str:
        """Return the kernel in words."""
        if self.cutoff is not None:
            return f"sinc {self.size} px cut-off {self.cutoff / math.pi:.2f}π"
        words = f"blur {self.kind.replace('_', ' ')} {self.size} px σ {self.sigma_x:.2g}"
        if self.theta is not None:
            words += f"×{self.sigma_y:.2g} at {math.degrees(self.theta):.0f}°"
        return words if self.beta is None else f"{words} β {self.beta:.2g}"

    def render(self) -> Tensor:
        """Render the kernel, see `render_kernel`."""
        return render_kernel(self)


@dataclass(frozen=True)
class Sinc(Blur):
    """A sinc filter: its size in pixels, its cut-off in radians per pixel."""

    kind: str = field(default="sinc", init=False)


@dataclass(frozen=True)
class KernelSpec:
    """The mix of blur kernels, shared by all orders; `iso` … `plateau_aniso` are relative weights."""

    sizes: Sequence[int] = (7, 21)  # taps, the odd numbers between
    sinc_prob: float = 0.1
    iso: float = 0.45
    aniso: float = 0.25
    generalized_iso: float = 0.12
    generalized_aniso: float = 0.03
    plateau_iso: float = 0.12
    plateau_aniso: float = 0.03
    beta_generalized: Sequence[float] = (0.5, 4.0)
    beta_plateau: Sequence[float] = (1.0, 2.0)
    beta_low_prob: float = 0.5  # of beta from U(low, 1), otherwise from U(1, high)
    cutoff_small: Sequence[float] = (math.pi / 3, math.pi)  # radians per pixel, for a sinc below `large_from`
    cutoff_large: Sequence[float] = (math.pi / 5, math.pi)  # radians per pixel, for the others
    large_from: int = 13  # taps

    def __post_init__(self) -> None:
        check_integer_range(self, "sizes", *SIZES)
        check_number(self, "sinc_prob", 0, 1)
        check_weights(self, *DRAWN_KINDS)
        check_range(self, "beta_generalized", *LIMITS["beta"], around=1)
        check_range(self, "beta_plateau", *LIMITS["beta"], around=1)
        check_number(self, "beta_low_prob", 0, 1)
        check_range(self, "cutoff_small", *LIMITS["cutoff"])
        check_range(self, "cutoff_large", *LIMITS["cutoff"])
        check_integer(self, "large_from", 1, 99)

    def draw(self, rng: Generator, sigma: Sequence[float]) -> Blur:
        """Draw a kernel; sigma is the range of its standard deviations in pixels."""
        size = self._size(rng)
        if rng.random() < self.sinc_prob:
            cutoff = self.cutoff_small if size < self.large_from else self.cutoff_large
            return Blur("sinc", size, cutoff=draws.uniform(rng, cutoff))
        kind = DRAWN_KINDS[draws.pick(rng, [getattr(self, kind) for kind in DRAWN_KINDS])]
        values = {"sigma_x": draws.uniform(rng, sigma)}
        if kind.endswith("aniso"):
            values |= {"sigma_y": draws.uniform(rng, sigma), "theta": draws.uniform(rng, (-math.pi, math.pi))}
        if "_" in kind:
            low, high = self.beta_plateau if kind.startswith("plateau") else self.beta_generalized
            values["beta"] = draws.uniform(rng, (low, 1.0) if rng.random() < self.beta_low_prob else (1.0, high))
        return Blur(kind, size, **values)

    def draw_sinc(self, rng: Generator, cutoff: Sequence[float]) -> Sinc:
        """Draw a sinc filter; cutoff is the range of its cut-off in radians per pixel."""
        return Sinc(self._size(rng), cutoff=draws.uniform(rng, cutoff))

    def _size(self, rng: Generator) -> int:
        return 2 * draws.integer(rng, self.sizes[0] // 2, self.sizes[1] // 2) + 1


def render_kernel(blur: Blur) -> Tensor:
    """Render a kernel of blur.size taps a side: (k, k) float32 on the CPU. Sums to 1. Negative only for sinc."""
    return render_kernels([blur])[0]


def render_kernels(blurs: Sequence[Blur]) -> Tensor:
    """Render at least one kernel, in one batch: (B, k, k) float32, smaller ones zero-padded to the largest k.

    With q = (u / σu)² + (v / σv)² along the kernel's axes: Gaussian exp(-q / 2), generalised exp(-q^β / 2),
    plateau 1 / (1 + q^β); sinc w J1(w r) / r. Each is divided by its sum.
    """
    numbers = torch.tensor([_numbers(blur) for blur in blurs], dtype=torch.float64)
    radius, sigma_u, sigma_v, cosine, sine, beta, cutoff = numbers.view(-1, 7, 1, 1).unbind(1)
    reach = max(blur.size for blur in blurs) // 2
    x = torch.arange(-reach, reach + 1, dtype=torch.float64)
    y = x[:, None]
    kernel = torch.zeros((), dtype=torch.float64)
    kinds = {blur.kind.split("_")[0] for blur in blurs}  # what no kernel needs is not computed
    if kinds != {"sinc"}:
        q = ((cosine * x + sine * y) / sigma_u).square() + ((cosine * y - sine * x) / sigma_v).square()
        q = q if kinds <= {"iso", "aniso", "sinc"} else q ** beta.abs()
        kernel = torch.exp(q / -2)
        kernel = torch.where(beta < 0, 1 / (1 + q), kernel) if "plateau" in kinds else kernel
    if "sinc" in kinds:
        r = (x * x + y * y).sqrt()
        sinc = torch.where(r > 0, torch.special.bessel_j1(cutoff * r) / r, cutoff / 2)
        kernel = torch.where(cutoff > 0, sinc, kernel)
    if len({blur.size for blur in blurs}) > 1:
        kernel = kernel * ((x.abs() <= radius) & (y.abs() <= radius))
    return (kernel / kernel.sum((1, 2), keepdim=True)).float()


def _numbers(blur: Blur) -> tuple[float, ...]:
    """Return radius, sigma u and v, cos and sin of theta, beta (negative: plateau), cut-off (0: no sinc)."""
    sigma, theta, beta = blur.sigma_x or 1.0, blur.theta or 0.0, blur.beta or 1.0
    sign = -1 if blur.kind.startswith("plateau") else 1
    return blur.size // 2, sigma, blur.sigma_y or sigma, math.cos(theta), math.sin(theta), sign * beta, blur.cutoff or 0


def render_taps(blur: Blur) -> Tensor:
    """Render the side of an `iso` kernel, whose outer product with itself it is: (k,) float32. Sums to 1."""
    x = torch.arange(-(blur.size // 2), blur.size // 2 + 1, dtype=torch.float64)
    taps = torch.exp((x / (blur.sigma_x or 1.0)).square() / -2)
    return (taps / taps.sum()).float()
