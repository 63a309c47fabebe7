"""From a recipe's blur to its kernel."""

# B batch, k kernel side (odd)

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wildsr.degradation.recipe import Blur


def render_kernel(blur: Blur, device: torch.device | str = "cpu") -> Tensor:
    """Render a kernel of blur.size taps a side: (k, k) float32. Sums to 1. Negative only for sinc."""
    return render_kernels([blur], device)[0]


def render_kernels(blurs: Sequence[Blur], device: torch.device | str = "cpu") -> Tensor:
    """Render at least one kernel, in one batch: (B, k, k) float32, smaller ones zero-padded to the largest k.

    With q = (u / σu)² + (v / σv)² along the kernel's axes: Gaussian exp(-q / 2), generalised exp(-q^β / 2),
    plateau 1 / (1 + q^β); sinc w J1(w r) / r. Each is divided by its sum.
    """
    device = torch.device(device)
    dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    numbers = to_device(torch.tensor([_numbers(blur) for blur in blurs], dtype=dtype), device)
    radius, sigma_u, sigma_v, cosine, sine, beta, cutoff = numbers.view(-1, 7, 1, 1).unbind(1)
    reach = max(blur.size for blur in blurs) // 2
    x = torch.arange(-reach, reach + 1, device=device, dtype=dtype)
    y = x[:, None]
    kernel = torch.zeros((), device=device, dtype=dtype)
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
    """Radius, sigma u and v, cos and sin of theta, beta (negative: plateau), cut-off (0: no sinc)."""
    sigma, theta, beta = blur.sigma_x or 1.0, blur.theta or 0.0, blur.beta or 1.0
    sign = -1 if blur.kind.startswith("plateau") else 1
    return blur.size // 2, sigma, blur.sigma_y or sigma, math.cos(theta), math.sin(theta), sign * beta, blur.cutoff or 0


def render_taps(blur: Blur) -> Tensor:
    """Render the side of an `iso` kernel, whose outer product with itself it is: (k,) float32. Sums to 1."""
    x = torch.arange(-(blur.size // 2), blur.size // 2 + 1, dtype=torch.float64)
    taps = torch.exp((x / (blur.sigma_x or 1.0)).square() / -2)
    return (taps / taps.sum()).float()


def to_device(constant: Tensor, device: torch.device) -> Tensor:
    """Move a small tensor from the CPU without waiting for the device, as a copy of pageable memory would."""
    source = constant.pin_memory() if device.type == "cuda" else constant
    return source.to(device, non_blocking=True)
