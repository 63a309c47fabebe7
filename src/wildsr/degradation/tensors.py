"""Helpers of several operations: float32 whatever autocast says, mirrored borders, constants on a device."""

# C = 1 or 3, H W image

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

# Pixels of images that are computed together at most, on a GPU: JPEG takes 150 bytes a pixel, hence 1.3 GB.
LARGEST = 2**23

P = ParamSpec("P")
Function = Callable[Concatenate[Tensor, P], Tensor]


def in_float32(function: Function[P]) -> Function[P]:
    """Run a function of an image on the image as float32 and outside autocast."""

    @functools.wraps(function)
    def run(image: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if not torch.is_autocast_enabled(image.device.type):
            return function(image.float(), *args, **kwargs)
        with torch.autocast(image.device.type, enabled=False):
            return function(image.float(), *args, **kwargs)

    return run


def reflect(image: Tensor, pads: tuple[int, int, int, int]) -> Tensor:
    """Extend (…, H, W) by mirrored pixels, mirrored again where the image is smaller; left, right, top, bottom."""
    height, width = image.shape[-2:]
    if max(pads[:2]) < width and max(pads[2:]) < height:
        return F.pad(image, pads, mode="reflect")
    for axis, side, before, after in ((-1, width, *pads[:2]), (-2, height, *pads[2:])):
        period = max(2 * side - 2, 1)
        places = torch.arange(-before, side + after, device=image.device).abs() % period
        image = image.index_select(axis, torch.minimum(places, period - places))
    return image


@contextmanager
def full_float32() -> Iterator[None]:
    """Keep CUDA's convolutions and matrix products of float32 from rounding to TF32; what was set comes back."""
    settings: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision


def filter_by_kornia(images: Tensor, kernels: Tensor) -> Tensor:
    """Correlate (n, C, H, W) with kernels (n or 1, k, k), or with the outer products of taps (n or 1, k).

    There is no border: (n, C, H - k + 1, W - k + 1).
    """
    from kornia.filters import filter2d, filter2d_separable  # at first use: it takes a second

    with full_float32():
        if kernels.ndim == 2:
            return filter2d_separable(images, kernels, kernels, padding="valid")
        return filter2d(images, kernels, padding="valid")


def to_device(constant: Tensor, device: torch.device) -> Tensor:
    """Move a small tensor from the CPU without waiting for the device, as a copy of pageable memory would."""
    source = constant.pin_memory() if device.type == "cuda" else constant
    return source.to(device, non_blocking=True)
