"""Blur by a drawn kernel, and by a sinc filter, which rings as sharpened and compressed images do."""

# C = 1 or 3, H W image, k kernel side (odd), r = k // 2;  n images on a canvas S T

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_number, check_range
from wildsr.degradation import cpu
from wildsr.degradation.batched.form import BatchStep, Size, Tables, shape_of, take
from wildsr.degradation.kernels import LIMITS, SIZES, Blur, Sinc, render_kernel, render_kernels, render_taps
from wildsr.degradation.operations.operation import DrawContext
from wildsr.degradation.tensors import filter_by_kornia, in_float32, reflect, to_device

FRAMES = (21, SIZES[1])  # taps: what is released, and the largest


class BlurBatch:
    """Correlate each image with its own kernel; reflect border, repeated where the kernel is larger."""

    operators: ClassVar[int] = 3

    @staticmethod
    def key(record: Any, size: Size) -> int:
        return next(frame for frame in FRAMES if record.size <= frame)

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        height, width = shape_of(step.before)
        frame = BlurBatch.key(step.records[0], step.before[0])
        kernels = np.zeros((len(step.records), frame, frame), np.float32)
        for kernel, rendered in zip(kernels, _rendered(step.records), strict=True):
            margin = (frame - len(rendered)) // 2
            kernel[margin : frame - margin, margin : frame - margin] = rendered.numpy()
        return {
            "kernels": kernels,
            "rows": _reflected(frame // 2, height, step.heights),
            "columns": _reflected(frame // 2, width, step.widths),
        }

    @staticmethod
    def apply(
        images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> Tensor:
        return filter_by_kornia(take(images, tables["rows"], tables["columns"]), tables["kernels"])


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


def _rendered(records: Sequence[Any]) -> list[Tensor]:
    """Render the kernels of records: those of `kernels.Blur` at once, of any other kind by its own `render`."""
    blurs = [record for record in records if isinstance(record, Blur)]
    known = iter(render_kernels(blurs)) if blurs else iter(())
    return [next(known) if isinstance(record, Blur) else record.render() for record in records]


def _reflected(reach: int, length: int, sides: np.ndarray) -> np.ndarray:
    """Return places -reach … length + reach - 1, mirrored into 0 … side - 1: (n, length + 2 reach)."""
    period = np.maximum(2 * sides - 2, 1)
    places = np.abs(np.arange(-reach, length + reach)) % period
    return np.minimum(places, period - places)
