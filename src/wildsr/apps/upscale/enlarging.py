"""A whole picture: its colour, its alpha, to the size that was asked for.

Shapes: C channels, H W picture, s scale of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wildsr.images import Picture, fill_transparent
from wildsr.networks.memory import free_memory, result_bytes
from wildsr.networks.tiling import Upscaler, luma, tile_side, upscale

ALPHAS = ("network", "interpolate")
RGBA = 4  # channels of a network that takes alpha beside the colour


@dataclass(frozen=True)
class UpscaleOptions:
    """How pictures are enlarged.

    Args:
        factor: of the result to the picture, any number above 0; None is the network's own scale.
        alpha: "network": alpha passes the network, as a grey picture would, or beside the colour where the network has
            four channels; "interpolate": by Lanczos.
        batch: tiles that are handed over at once.
    """

    factor: float | None = None
    alpha: str = "network"
    batch: int = 1


def enlarge(
    upscaler: Upscaler,
    picture: Picture,
    tile: int,
    options: UpscaleOptions,
    done: Callable[[int], object] = lambda pixels: None,
) -> Picture:
    """Enlarge an image to s times its size, then by Lanczos to the size asked for.

    What alpha hides does not change what is seen: while it is enlarged, each hidden pixel has the colour of the nearest
    one that is seen. Where the result hides its pixels, they have the image's own colours, by Lanczos.

    Args:
        tile: side of a tile in LQ pixels, without its surroundings.
        done: called with the LQ pixels that passed the network; `num_pixels` tells how many there will be.

    Raises:
        ValueError: memory does not suffice, or the network gives numbers that are not finite.
    """
    size = result_size(upscaler.scale, picture, options)
    colour, alpha = picture.colour, picture.alpha
    if alpha is not None:
        colour = fill_transparent(colour, alpha)
    is_filled = colour is not picture.colour
    if alpha is not None and upscaler.channels == RGBA:
        together = upscale(upscaler, torch.cat([colour.expand(3, -1, -1), alpha]), tile, options.batch, done)
        colour = together[:3] if len(colour) == 3 else luma(together[:3])
        alpha = together[3:] if _passes_network(alpha, options) else alpha
    else:
        colour = upscale(upscaler, colour, tile, options.batch, done)
        if alpha is not None and _passes_network(alpha, options):
            alpha = upscale(upscaler, alpha, tile, options.batch, done)
    colour = _resized(colour, size)
    if alpha is None:
        return replace(picture, colour=colour)
    alpha = _resized(alpha, size)
    if is_filled:
        hidden = alpha[0] * (2**picture.bits - 1) < 0.5
        planes = zip(colour, picture.colour, strict=True)  # one by one, which spares memory
        colour = torch.stack([torch.where(hidden, _resized(own[None], size)[0], plane) for plane, own in planes])
    return replace(picture, colour=colour, alpha=alpha)


def fitting_tile(upscaler: Upscaler, picture: Picture, options: UpscaleOptions, device: torch.device) -> int:
    """Return the side of a tile in LQ pixels that memory allows beside the result.

    Raises:
        ValueError: memory does not suffice for the result.
    """
    height, width = picture.colour.shape[-2:]
    rows, columns = result_size(upscaler.scale, picture, options)
    planes = max(picture.colour.shape[0] + (picture.alpha is not None), upscaler.channels)
    free = free_memory(torch.device("cpu"))
    free -= result_bytes(max(columns, width * upscaler.scale), max(rows, height * upscaler.scale), planes, free)
    if device.type != "cpu":
        free = free_memory(device)
    return tile_side(upscaler, height, width, free)


def result_size(scale: int, picture: Picture, options: UpscaleOptions) -> tuple[int, int]:
    """Return (H, W) of the result: each side times the factor, rounded, at least 1."""
    factor = scale if options.factor is None else options.factor
    height, width = (max(round(side * factor), 1) for side in picture.colour.shape[-2:])
    return height, width


def num_pixels(picture: Picture, options: UpscaleOptions, channels: int = 3) -> int:
    """Return how many LQ pixels will pass a network of so many channels."""
    height, width = picture.colour.shape[-2:]
    twice = picture.alpha is not None and channels != RGBA and _passes_network(picture.alpha, options)
    return height * width * (2 if twice else 1)


def _passes_network(alpha: Tensor, options: UpscaleOptions) -> bool:
    """Return False where it is the same everywhere, as in most pictures: any interpolation keeps that exactly."""
    return options.alpha == "network" and bool(alpha.min() < alpha.max())


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (C, H, W) in [0, 1] to (H, W) by Lanczos with antialiasing; itself where it has that size."""
    if image.shape[-2:] == size:
        return image
    planes = [Image.fromarray(plane.numpy()).resize(size[::-1], Image.Resampling.LANCZOS) for plane in image]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).clamp(0, 1)
