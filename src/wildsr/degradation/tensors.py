"""Helpers of several operations: float32 whatever autocast says, mirrored borders, constants on a device."""

# C = 1 or 3, H W image

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

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


def to_device(constant: Tensor, device: torch.device) -> Tensor:
    """Move a small tensor from the CPU without waiting for the device, as a copy of pageable memory would."""
    source = constant.pin_memory() if device.type == "cuda" else constant
    return source.to(device, non_blocking=True)
