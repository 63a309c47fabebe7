"""Blur by a drawn kernel, and by a sinc filter, which rings as sharpened and compressed images do."""

# C = 1 or 3, H W image, k kernel side (odd), r = k // 2

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_number, check_range
from wildsr.degradation import cpu
from wildsr.degradation.batched.blur import BlurBatch
from wildsr.degradation.kernels import LIMITS, Blur, Sinc, render_kernel, render_taps
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.tensors import filter_by_kornia, in_float32, reflect, to_device


@dataclass(frozen=True)
class BlurSpec:
    """Blur with probability `prob` by a kernel of the shared mix; sigma in pixels."""

    name: ClassVar[str] = "blur"
    Record: ClassVar[type] = Blur
    batched: ClassVar[type] = BlurBatch
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
    batched: ClassVar[type] = BlurBatch
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

    By strided convolutions on a CPU, elsewhere by kornia.
    """
    return cpu.correlate(image, kernel) if image.device.type == "cpu" else correlate_by_kornia(image, kernel)


def correlate_by_kornia(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate as `correlate` does, wherever the image is."""
    r = kernel.shape[0] // 2
    padded = reflect(image, (r, r, r, r))
    kernels = to_device(kernel, image.device)[None]
    return filter_by_kornia(padded.view(-1, *padded.shape[-3:]), kernels).view(image.shape)


def _without_margin(kernel: Blur) -> Blur:
    """Leave out the margin where a Gaussian, generalised or not, is below 1e-8 of its centre: lost in float32."""
    if kernel.sigma_x is None or kernel.kind.startswith("plateau"):
        return kernel
    q = (2 * math.log(1e8)) ** (1 / (kernel.beta or 1.0))
    reach = math.ceil(max(kernel.sigma_x, kernel.sigma_y or 0.0) * math.sqrt(q))
    return kernel if 2 * reach + 1 >= kernel.size else dataclasses.replace(kernel, size=2 * reach + 1)
