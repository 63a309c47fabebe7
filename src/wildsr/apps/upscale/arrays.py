"""One image in memory, enlarged as `wildsr upscale` enlarges a file: `wildsr.upscale`."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from wildsr.apps.upscale.backends import find_device, open_backend
from wildsr.apps.upscale.enlarging import UpscaleOptions, enlarge, fitting_tile
from wildsr.apps.upscale.images.content import ImageContent, to_plain
from wildsr.apps.upscale.images.metadata import profile_in
from wildsr.images import to_pil
from wildsr.images.files import WITHOUT_LEVELS
from wildsr.images.tensors import read_grey
from wildsr.io import UserError, expanded
from wildsr.networks import load_generator
from wildsr.networks.tiling import Upscaler

Array = np.ndarray[Any, np.dtype[Any]]
AnyImage = TypeVar("AnyImage", Array, Image.Image)


def upscale(
    image: AnyImage,
    weights: str | Path | nn.Module = "realesrgan-x4plus",
    *,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    max_side: int | None = None,
    alpha: str = "network",
    tile: int | None = None,
    backend: str = "auto",
    device: str | torch.device | None = None,
    half: bool = False,
) -> AnyImage:
    """Enlarge one image by a network, in tiles where memory wants it; what it gives is the same type.

    The options are those of `wildsr upscale`: the network enlarges, then Lanczos resamples to the size asked for.

    Args:
        image: an array (H, W) or (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; uint8, uint16, or
            float in [0, 1]. Or an image of Pillow; it is turned upright as its EXIF says, a palette becomes RGB, and
            its colour profile is in the result's `info`, from where Pillow saves it; no other metadata is.
        weights: a released name or a file; what was loaded last is kept for the next call. Or a network, as
            `load_generator` gives it; it is taken over, in eval mode.
        scale: of the result to the image; by default the network's.
        width: of the result, in pixels; the aspect is kept without a height.
        height: of the result, in pixels; the aspect is kept without a width.
        max_side: the result's longer side, in pixels; the aspect is kept.
        alpha: "network" or "interpolate": what enlarges it.
        tile: side of a tile in pixels of the image, without its surroundings; by default as memory allows.
        backend: what runs the network; "auto" is the fastest that is installed for it.
        device: "cpu", "cuda", "cuda:1", "mps" or torch's object; by default the first CUDA GPU where there is one, else
            the CPU.
        half: compute in 16 bits.

    Raises:
        TypeError: neither an array nor an image of Pillow.
        UserError: an image of another shape, type or range, or weights, a backend or a device that cannot be had;
            or memory does not suffice.
    """
    given = to_content(image)
    if isinstance(weights, nn.Module):
        if not (hasattr(weights, "scale") and hasattr(weights, "channels")):
            raise UserError(f"a {type(weights).__name__} without `scale` and `channels`; wanted a generator")
        upscaler = open_backend(weights.eval(), backend, find_device(device), half)
    else:
        upscaler = _opened(weights, _state_of(weights), backend, find_device(device), half)
    if tile is not None and tile < 1:
        raise UserError(f"tile {tile:g}: wanted a whole number of at least 1")
    options = UpscaleOptions(scale, alpha, width=width, height=height, max_side=max_side)
    largest = fitting_tile(upscaler, given, options)
    return restore_type(enlarge(upscaler, given, tile or largest, options), image)


def to_content(image: Array | Image.Image) -> ImageContent:
    """Return what `enlarge` takes. Raises as `upscale`."""
    if isinstance(image, Image.Image):
        levels = _levels_of(image)
    elif isinstance(image, np.ndarray):
        levels = image
    else:
        raise TypeError(f"a {type(image).__name__} given, wanted a NumPy array (H, W, C) or an image of Pillow")
    shape = levels.shape if levels.ndim == 3 else (*levels.shape, 1)
    if len(shape) != 3 or not 1 <= shape[2] <= 4 or 0 in shape:
        raise UserError(f"an array of shape {levels.shape}, wanted (H, W) or (H, W, C) with C from 1 to 4")
    values = torch.from_numpy(levels.reshape(shape).astype(np.float32) / _peak(levels.dtype)).permute(2, 0, 1)
    if not bool((values >= 0).all() and (values <= 1).all()):
        raise UserError(f"values from {values.min():g} to {values.max():g}, wanted floats from 0 to 1, or uint8")
    channels = 1 if shape[2] < 3 else 3
    alpha = values[channels:].contiguous() if shape[2] > channels else None
    return ImageContent(values[:channels].contiguous(), alpha, bits=8 if levels.dtype == np.uint8 else 16)


def restore_type(large: ImageContent, like: AnyImage) -> AnyImage:
    """Return an enlarged image as the type that was given: an array of its dtype and axes, or an image of Pillow."""
    planes = large.colour if large.alpha is None else torch.cat([large.colour, large.alpha])
    values = planes.permute(1, 2, 0).numpy()
    if isinstance(like, Image.Image):
        is_deep = like.mode.startswith("I;16")
        made = Image.fromarray((values[..., 0] * 65535).round().astype(np.uint16)) if is_deep else to_pil(planes)
        if profile := profile_in(like.info, len(large.colour)):
            made.info["icc_profile"] = profile
        return made
    values = values if like.ndim == 3 else values[..., 0]
    peak = _peak(like.dtype)
    return (values if peak == 1 else (values * peak).round()).astype(like.dtype)


@lru_cache(maxsize=1)
def _opened(weights: str | Path, state: object, backend: str, device: torch.device, half: bool) -> Upscaler:
    """Open weights, or return what was opened last; `state` tells a file from one of its name before it."""
    return open_backend(load_generator(weights), backend, device, half)


def _state_of(weights: str | Path) -> tuple[str, int, int] | None:
    """Return what changes when a file does; None of a released name."""
    path = expanded(weights)
    if not path.is_file():
        return None
    found = path.stat()
    return os.path.realpath(path), found.st_mtime_ns, found.st_size


def _levels_of(image: Image.Image) -> Array:
    if image.mode in WITHOUT_LEVELS:
        raise UserError(f"an image of mode {image.mode}; wanted 8 or 16 bits a channel")
    return read_grey(image) if image.mode.startswith("I") else np.asarray(to_plain(ImageOps.exif_transpose(image)))


def _peak(dtype: np.dtype[Any]) -> int:
    """Return the value of white in an array of a type."""
    if dtype in (np.uint8, np.uint16):
        return int(np.iinfo(dtype).max)
    if dtype.kind != "f":
        raise UserError(f"an array of {dtype}; wanted uint8, uint16, or floats from 0 to 1")
    return 1
