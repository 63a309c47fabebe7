"""The operations of a degradation, each deterministic given its arguments.

Each takes (C, H, W) or a batch (B, C, H, W) of floats in [0, 1], on any device, and computes in float32
whatever autocast says. As in the released code only noise and JPEG clip: a sinc or a bicubic resize may leave
[0, 1]. On a CPU no bit of a result depends on the number of threads.
"""

# B batch, C = 1 or 3, H W image, k kernel side (odd), r = k // 2

import functools
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Generator, Tensor

from wildsr.degradation.kernels import render_kernel, render_taps, to_device
from wildsr.degradation.poisson import poisson_noise
from wildsr.degradation.recipe import Blur, Noise

P = ParamSpec("P")
Operation = Callable[Concatenate[Tensor, P], Tensor]

# glibc gives freed memory back to the system above a threshold, which grows to the largest block freed so far, up
# to 32 MiB (mallopt(3)). Without this block operations on images spend two thirds of their time on fresh pages.
torch.empty(31 << 20, dtype=torch.uint8)


def _in_float32(operation: Operation[P]) -> Operation[P]:
    """Run an operation on the image as float32 and outside autocast."""

    @functools.wraps(operation)
    def run(image: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):
            return operation(image.float(), *args, **kwargs)

    return run


@_in_float32
def blur(image: Tensor, kernel: Blur) -> Tensor:
    """Blur with a recipe's kernel; reflect border, repeated where the kernel is larger than the image."""
    if kernel.kind == "iso":
        taps = render_taps(kernel)
        return correlate(image, taps[:, None], taps[None])
    return correlate(image, render_kernel(kernel))


@_in_float32
def sharpen(
    image: Tensor, radius: int = 25, sigma: float = 8.0, amount: float = 0.5, threshold: float = 10.0
) -> Tensor:
    """Unsharp mask where the detail exceeds a threshold; radius, sigma in pixels, threshold in 8-bit levels.

    detail = image - blurred; mask = |detail| > threshold, blurred likewise; the mask mixes the image with
    image + amount · detail, clipped to [0, 1]. The defaults are the released ones.
    """
    gaussian = Blur("iso", 2 * radius + 1, sigma_x=sigma)
    lost = blur(image, gaussian).sub_(image)  # minus the detail
    mask = blur(lost.abs().gt_(threshold / 255), gaussian)
    return torch.lerp(image, torch.add(image, lost, alpha=-amount).clamp_(0, 1), mask)


@_in_float32
def correlate(image: Tensor, *kernels: Tensor) -> Tensor:
    """Correlate with a (k, k) kernel, or with (k, 1) and then (1, k); kernels on the CPU, reflect border."""
    if image.device.type == "cpu":
        return _by_phases(image, kernels)
    return _by_fft(image, to_device(functools.reduce(torch.mul, kernels), image.device))


def _by_phases(image: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """Correlate by strided convolutions whose 16 channels are 16 neighbouring pixels.

    With one channel in and out a convolution leaves a CPU's vector units idle; sixteen fill them. Up to 21
    taps this is no slower than an FFT, whose last bit depends on the number of threads.
    """
    height, width = image.shape[-2:]
    kernels = [_trimmed(kernel) for kernel in kernels]
    r = kernels[0].shape[0] // 2
    planes = _reflect(image, (r, -width % 16 + r, r, -height % 16 + r)).flatten(0, -3)[:, None]
    for kernel in kernels:
        rows, columns = (1, 16) if kernel.shape[0] == 1 else (16, 1) if kernel.shape[1] == 1 else (4, 4)
        frame = F.pad(kernel, (columns - 1, columns - 1, rows - 1, rows - 1))
        for axis, (side, step) in enumerate(zip(kernel.shape, (rows, columns), strict=True)):
            frame = frame.unfold(axis, side + step - 1, 1)
        phases = F.conv2d(planes, frame.flip(0, 1).flatten(0, 1)[:, None], stride=(rows, columns))
        phases = phases.unflatten(1, (rows, columns)).permute(0, 3, 1, 4, 2)
        planes = phases.flatten(3, 4).flatten(1, 2)[:, None]
    return planes[..., :height, :width].reshape(image.shape)


def _trimmed(kernel: Tensor) -> Tensor:
    """Leave out the margin in which no weight reaches 1e-8: less than the last bit of what a sum keeps."""
    rows, columns = (side // 2 for side in kernel.shape)
    heavy = (kernel.abs() > 1e-8).nonzero() - torch.tensor((rows, columns))
    r = int(heavy.abs().max())
    return kernel[max(rows - r, 0) : rows + r + 1, max(columns - r, 0) : columns + r + 1]


def _by_fft(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate by real FFT: float32 on every device, where a GPU's convolutions may round to TF32."""
    height, width = image.shape[-2:]
    r = kernel.shape[0] // 2
    tall, wide = (next_fast_len(side + 2 * r, real=True) for side in (height, width))
    padded = _reflect(image, (r, wide - width - r, r, tall - height - r))
    spectrum = torch.fft.rfft2(padded).mul_(torch.fft.rfft2(kernel, s=(tall, wide)).conj_physical_())
    return torch.fft.irfft2(spectrum, s=(tall, wide))[..., :height, :width]


def _reflect(image: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
    """Extend by mirrored pixels, mirrored again where the image is smaller; left, right, top, bottom."""
    height, width = image.shape[-2:]
    if max(pads[:2]) < width and max(pads[2:]) < height:
        return F.pad(image, pads, mode="reflect")
    for axis, side, before, after in ((-1, width, *pads[:2]), (-2, height, *pads[2:])):
        period = max(2 * side - 2, 1)
        places = torch.arange(-before, side + after, device=image.device).abs() % period
        image = image.index_select(axis, torch.minimum(places, period - places))
    return image


@_in_float32
def resize(image: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize to (height, width) as `torch.nn.functional.interpolate` does, also "bicubic_antialias"."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image  # in every mode the identity
    # Channels as a batch: with three a CPU's bilinear is slower, and its last bit depends on the threads.
    planes = image.flatten(0, -3)[:, None]
    planes = F.interpolate(planes, size, mode=mode.removesuffix("_antialias"), antialias="antialias" in mode)
    return planes.view(*image.shape[:-2], *size)


@_in_float32
def add_noise(image: Tensor, noise: Noise, generator: Generator) -> Tensor:
    """Add noise and clip to [0, 1]; the generator lives on the image's device.

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
