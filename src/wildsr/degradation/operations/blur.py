"""Blur by a drawn kernel, and by a sinc filter, which rings as sharpened and compressed pictures do."""

# C = 1 or 3, H W image, k kernel side (odd), r = k // 2

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from numpy.random import Generator
from scipy.fft import next_fast_len
from torch import Tensor

from wildsr.checks import check_number, check_range
from wildsr.degradation import cpu
from wildsr.degradation.kernels import LIMITS, Blur, Sinc, render_kernel, render_taps
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.tensors import in_float32, reflect, to_device


@dataclass(frozen=True)
class BlurSpec:
    """Blur with probability `prob` by a kernel of the shared mix; sigma in pixels."""

    name: ClassVar[str] = "blur"
    Record: ClassVar[type] = Blur
    prob: float = 1.0
    sigma: Sequence[float] = (0.2, 3.0)

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_range(self, "sigma", *LIMITS["sigma_x"])

    def draw(self, rng: Generator, context: DrawContext) -> Blur | None:
        return context.kernels.draw(rng, self.sigma) if rng.random() < self.prob else None

    @staticmethod
    def apply(image: Tensor, record: Blur, generator: object, final_size: object) -> Tensor:
        return blur_image(image, record)


@dataclass(frozen=True)
class SincSpec:
    """Filter with probability `prob` by a sinc; cut-off in radians per pixel, sizes as the shared mix has them."""

    name: ClassVar[str] = "sinc"
    Record: ClassVar[type] = Sinc
    prob: float = 0.8
    cutoff: Sequence[float] = (math.pi / 3, math.pi)

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_range(self, "cutoff", *LIMITS["cutoff"])

    def draw(self, rng: Generator, context: DrawContext) -> Sinc | None:
        return context.kernels.draw_sinc(rng, self.cutoff) if rng.random() < self.prob else None

    @staticmethod
    def apply(image: Tensor, record: Sinc, generator: object, final_size: object) -> Tensor:
        return blur_image(image, record)


@in_float32
def blur_image(image: Tensor, kernel: Blur) -> Tensor:
    """Blur (…, C, H, W) with a kernel; reflect border, repeated where the kernel is larger than the image."""
    kernel = _without_margin(kernel)
    return correlate(image, render_taps(kernel) if kernel.kind == "iso" else render_kernel(kernel))


@in_float32
def correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate (…, C, H, W) with a (k, k) kernel, or with the outer product of (k,) taps, on the CPU; reflect border.

    By strided convolutions on a CPU, elsewhere by FFT.
    """
    if image.device.type == "cpu":
        return cpu.correlate(image, kernel)
    return correlate_by_fft(image, torch.outer(kernel, kernel) if kernel.ndim == 1 else kernel)


def correlate_by_fft(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate by real FFT: float32 on every device, where a GPU's convolutions may round to TF32."""
    kernel = to_device(kernel, image.device)
    height, width = image.shape[-2:]
    r = kernel.shape[0] // 2
    tall, wide = (next_fast_len(side + 2 * r, real=True) for side in (height, width))
    padded = reflect(image, (r, wide - width - r, r, tall - height - r))
    spectrum = torch.fft.rfft2(padded).mul_(torch.fft.rfft2(kernel, s=(tall, wide)).conj_physical_())
    return torch.fft.irfft2(spectrum, s=(tall, wide))[..., :height, :width]


def _without_margin(kernel: Blur) -> Blur:
    """Leave out the margin where a Gaussian, generalised or not, is below 1e-8 of its centre: lost in float32."""
    if kernel.sigma_x is None or kernel.kind.startswith("plateau"):
        return kernel
    q = (2 * math.log(1e8)) ** (1 / (kernel.beta or 1.0))
    reach = math.ceil(max(kernel.sigma_x, kernel.sigma_y or 0.0) * math.sqrt(q))
    return kernel if 2 * reach + 1 >= kernel.size else dataclasses.replace(kernel, size=2 * reach + 1)
