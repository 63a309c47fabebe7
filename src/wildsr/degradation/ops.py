"""The operations of a degradation, each deterministic given its arguments.

Each takes (C, H, W) or a batch (B, C, H, W) of floats in [0, 1], on any device, and computes in float32
whatever autocast says. As in the released code only noise and JPEG clip: a sinc or a bicubic resize may leave
[0, 1]. On a CPU no bit of a result depends on the number of threads.
"""

# B batch, C = 1 or 3, H W image, N planes, k kernel side (odd), r = k // 2

import dataclasses
import functools
import math
from collections.abc import Callable
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
    kernel = _without_margin(kernel)
    return correlate(image, render_taps(kernel) if kernel.kind == "iso" else render_kernel(kernel))


def _without_margin(kernel: Blur) -> Blur:
    """Leave out the margin where a Gaussian, generalised or not, is below 1e-8 of its centre: lost in float32."""
    if kernel.sigma_x is None or kernel.kind.startswith("plateau"):
        return kernel
    q = (2 * math.log(1e8)) ** (1 / (kernel.beta or 1.0))
    reach = math.ceil(max(kernel.sigma_x, kernel.sigma_y or 0.0) * math.sqrt(q))
    return kernel if 2 * reach + 1 >= kernel.size else dataclasses.replace(kernel, size=2 * reach + 1)


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
def correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate with a (k, k) kernel, or with the outer product of (k,) taps, on the CPU; reflect border.

    On a CPU by strided convolutions whose 16 channels are 16 neighbouring pixels: with one channel in and out the
    vector units idle. Up to 21 taps an FFT is no faster, and its last bit depends on the number of threads.
    """
    if image.device.type != "cpu":
        return _by_fft(image, torch.outer(kernel, kernel) if kernel.ndim == 1 else kernel)
    (height, width), k = image.shape[-2:], kernel.shape[0]
    x = _reflect(image, (k // 2, -width % 16 + k // 2, k // 2, -height % 16 + k // 2)).flatten(0, -3)[:, None]
    if kernel.ndim == 1:
        shifted = kernel.new_zeros(16, k + 15)  # each row holds the taps one step further
        shifted.as_strided((16, k), (k + 16, 1)).copy_(kernel)
        x = F.conv2d(x, shifted[:, None, :, None], stride=(16, 1)).flatten(1, 2)[:, None]
        x = F.conv2d(x, shifted[:, None, None], stride=(1, 16))
        x = x.unflatten(2, (16, -1)).permute(0, 3, 2, 4, 1)  # N, H / 16, 16, W / 16, 16
    else:
        shifted = kernel.new_zeros(16, 1, k + 3, k + 3)  # four by four steps
        steps = (4 * (k + 3) ** 2 + k + 3, (k + 3) ** 2 + 1, k + 3, 1)
        shifted.as_strided((4, 4, k, k), steps).copy_(kernel)
        x = F.conv2d(x, shifted, stride=4).unflatten(1, (4, 4)).permute(0, 3, 1, 4, 2)  # N, H / 4, 4, W / 4, 4
    return x.flatten(3).flatten(1, 2)[..., :height, :width].reshape(image.shape)


def _by_fft(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate by real FFT: float32 on every device, where a GPU's convolutions may round to TF32."""
    kernel = to_device(kernel, image.device)
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
    """Resize to (height, width), equal to `torch.nn.functional.interpolate` to 3e-6, also "bicubic_antialias"."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image  # in every mode the identity
    planes = image.flatten(0, -3)
    if image.device.type == "cpu" and mode in ("area", "bicubic"):
        planes = _resize_rows(_resize_rows(planes, size[0], mode).mT, size[1], mode).mT.contiguous()
    else:  # channels as a batch: with three a CPU's bilinear is slower, and its last bit depends on the threads
        antialias = mode == "bicubic_antialias"
        planes = F.interpolate(planes[:, None], size, mode=mode.removesuffix("_antialias"), antialias=antialias)
    return planes.view(*image.shape[:-2], *size)


def _resize_rows(planes: Tensor, rows: int, mode: str) -> Tensor:
    """(N, H, W) -> (N, rows, W), area or bicubic, as sums of weighted rows: a third of `interpolate`'s time."""
    count, height, width = planes.shape
    if mode == "area":
        first = torch.arange(rows) * height // rows
        last = (torch.arange(1, rows + 1) * height + rows - 1) // rows
        places = first[:, None] + torch.arange(-(-height // rows) + 1)
        weights = (places < last[:, None]) / (last - first)[:, None]
    else:
        step = torch.tensor(height / rows).double()  # rounded to float32, and the position once more, as torch does
        position = ((torch.arange(rows) + 0.5) * step - 0.5).float()
        places = position.floor().long()[:, None] + torch.arange(-1, 3)
        d = (position[:, None] - places).abs()
        near, far = ((1.25 * d - 2.25) * d) * d + 1, ((3.75 - 0.75 * d) * d - 6) * d + 3  # cubic, A = -0.75
        weights = torch.where(torch.tensor((False, True, True, False)), near, far)
    places = places.clamp(0, height - 1) + torch.arange(0, count * height, height)[:, None, None]
    weights, table = weights.repeat(count, 1), planes.reshape(-1, width)
    bags = F.embedding_bag(places.view(weights.shape), table, per_sample_weights=weights, mode="sum")
    return bags.view(count, rows, width)


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
