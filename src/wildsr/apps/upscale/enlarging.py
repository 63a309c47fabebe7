"""A whole image: its colour, its alpha, to the size that was asked for.

Shapes: C channels, H W image, s scale of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from wildsr.apps.upscale.choices import ALPHAS
from wildsr.apps.upscale.images.content import ImageContent
from wildsr.io import UserError, choose_from
from wildsr.networks.memory import FLOAT, free_memory
from wildsr.networks.tiling import Upscaler, luma, tile_side, upscale

RGBA = 4  # channels of a network that takes alpha beside the colour
RESULT_COPIES = 3  # in memory: as float, as levels, in the encoder


@dataclass(frozen=True)
class UpscaleOptions:
    """How images are enlarged: by the network, then by Lanczos to the size asked for; by default that of the network.

    Args:
        scale: of the result to the image, any number above 0.
        alpha: "network": alpha passes the network, as a grey image would, or beside the colour where the network has
            four channels; "interpolate": by Lanczos.
        batch: tiles that are handed over at once.
        width: of the result, in pixels; the aspect is kept where the height is not given.
        height: of the result, in pixels; the aspect is kept where the width is not given.
        max_side: the result's longer side, in pixels; the aspect is kept.

    Raises:
        UserError: another alpha, a number that is not above 0, or sizes that exclude each other.
    """

    scale: float | None = None
    alpha: str = "network"
    batch: int = 1
    width: int | None = None
    height: int | None = None
    max_side: int | None = None

    def __post_init__(self) -> None:
        if self.alpha not in ALPHAS:
            raise UserError(f"alpha {self.alpha!r}; {choose_from(ALPHAS)}")
        sizes = {name: getattr(self, name) for name in ("scale", "width", "height", "max_side")}
        given = {name: size for name, size in sizes.items() if size is not None}
        for name, size in given.items():
            if not size > 0:
                raise UserError(f"{name} {size:g}: wanted a number above 0")
        if len(given) > 1 and list(given) != ["width", "height"]:
            raise UserError(f"{' and '.join(given)}: wanted one of them")


def enlarge(
    upscaler: Upscaler,
    image: ImageContent,
    tile: int,
    options: UpscaleOptions,
    done: Callable[[int], object] = lambda pixels: None,
) -> ImageContent:
    """Enlarge an image to s times its size, then by Lanczos to the size asked for.

    What alpha hides does not change what is seen: while it is enlarged, each hidden pixel has the colour of the nearest
    one that is seen. Where the result hides its pixels, they have the image's own colours, by Lanczos.

    Args:
        tile: side of a tile in LQ pixels, without its surroundings.
        done: called with the LQ pixels that passed the network; `num_pixels` tells how many there will be.

    Raises:
        ValueError: memory does not suffice, or the network gives numbers that are not finite.
    """
    size = result_size(upscaler.scale, image, options)
    colour, alpha = image.colour, image.alpha
    if alpha is not None:
        colour = fill_transparent(colour, alpha)
    is_filled = colour is not image.colour
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
        return replace(image, colour=colour)
    alpha = _resized(alpha, size)
    if is_filled:
        hidden = alpha[0] * (2**image.bits - 1) < 0.5
        planes = zip(colour, image.colour, strict=True)  # one by one, which spares memory
        colour = torch.stack([torch.where(hidden, _resized(own[None], size)[0], plane) for plane, own in planes])
    return replace(image, colour=colour, alpha=alpha)


def fill_transparent(colour: Tensor, alpha: Tensor) -> Tensor:
    """Give every pixel that is not seen at all the colour of the nearest one that is.

    What is not seen usually is black, and a network, or any filter, would draw it into the edge of what is. A pixel
    that is seen a little keeps its colour: it is part of the image.

    Args:
        colour: (C, H, W).
        alpha: (1, H, W), 0 where nothing is seen.

    Returns:
        The colour itself where all pixels are seen, or none.
    """
    unseen = (alpha[0] == 0).numpy()
    if not unseen.any() or unseen.all():
        return colour
    rows, columns = distance_transform_edt(unseen, return_distances=False, return_indices=True)
    return torch.from_numpy(colour.numpy()[:, rows, columns])


def flatten(image: ImageContent, background: tuple[int, int, int]) -> ImageContent:
    """Lay an image over a colour, 8-bit RGB; it has no alpha then. Grey stays grey over grey."""
    if image.alpha is None:
        return image
    ground = image.colour.new_tensor(background).view(3, 1, 1) / 255
    if len(image.colour) == 1 and len(set(background)) == 1:
        ground = ground[:1]
    return replace(image, colour=image.colour * image.alpha + ground * (1 - image.alpha), alpha=None)


def fitting_tile(upscaler: Upscaler, image: ImageContent, options: UpscaleOptions) -> int:
    """Return the side of a tile in LQ pixels that memory allows beside the result.

    Raises:
        UserError: memory does not suffice for the result.
    """
    height, width = image.colour.shape[-2:]
    rows, columns = result_size(upscaler.scale, image, options)
    planes = max(image.colour.shape[0] + (image.alpha is not None), upscaler.channels)
    free = free_memory(torch.device("cpu"))
    free -= result_bytes(max(columns, width * upscaler.scale), max(rows, height * upscaler.scale), planes, free)
    if upscaler.device.type != "cpu":
        free = free_memory(upscaler.device)
    return tile_side(upscaler, height, width, free)


def result_bytes(width: int, height: int, planes: int, free: int) -> int:
    """Return the memory that a result of W x H pixels takes until it is written.

    Raises:
        UserError: more than is free (bytes).
    """
    needed = RESULT_COPIES * FLOAT * planes * width * height
    if needed > free:
        raise UserError(
            f"the result of {width} x {height} pixels would take {needed / 2**30:.1f} GB of memory; "
            f"{free / 2**30:.1f} GB are free"
        )
    return needed


def result_size(scale: int, image: ImageContent, options: UpscaleOptions) -> tuple[int, int]:
    """Return (H, W) of the result: as given, or each side times one factor, rounded, at least 1."""
    height, width = image.colour.shape[-2:]
    if options.height is not None and options.width is not None:
        return options.height, options.width
    if options.width is not None:
        factor = options.width / width
    elif options.height is not None:
        factor = options.height / height
    elif options.max_side is not None:
        factor = options.max_side / max(height, width)
    else:
        factor = scale if options.scale is None else options.scale
    return max(round(height * factor), 1), max(round(width * factor), 1)


def num_pixels(image: ImageContent, options: UpscaleOptions, channels: int = 3) -> int:
    """Return how many LQ pixels will pass a network of so many channels."""
    height, width = image.colour.shape[-2:]
    twice = image.alpha is not None and channels != RGBA and _passes_network(image.alpha, options)
    return height * width * (2 if twice else 1)


def _passes_network(alpha: Tensor, options: UpscaleOptions) -> bool:
    """Return False where it is the same everywhere, as in most images: any interpolation keeps that exactly."""
    return options.alpha == "network" and bool(alpha.min() < alpha.max())


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (C, H, W) in [0, 1] to (H, W) by Lanczos with antialiasing; itself where it has that size."""
    if image.shape[-2:] == size:
        return image
    planes = [Image.fromarray(plane.numpy()).resize(size[::-1], Image.Resampling.LANCZOS) for plane in image]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).clamp(0, 1)
