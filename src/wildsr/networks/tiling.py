"""Images larger than memory allows, in overlapping tiles.

Shapes: B batch, C channels (1, 3, or 4 with alpha), H W image, h w tile with its surroundings, s scale, T tile side,
O overlap; all sides in LQ pixels.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from wildsr.io import UserError, choose_from
from wildsr.networks.memory import FLOAT, is_out_of_memory
from wildsr.networks.overlap import GRID, Tiling

SHARE = 0.6  # of the free memory that tiles may take; others want some too
# Tensors of the widest layer that are alive at once. Measured on a CPU from 256 to 768 pixels a side: 3.2 to 3.6 for
# RRDBNet at x4, x2, x1 (its last layers, at full size), 3.1 for CompactNet (at LQ size); ncnn takes 5 and 7.
ALIVE = 5
MOST_NUMBERS = 2**31  # in one tensor: beyond it CUDA's convolutions cannot count
LEAST_TILE = 32  # LQ pixels; where memory does not suffice for it, `upscale` goes lower
SMALLEST = 16  # pixels a side; a smaller tile would need hardly less memory than its surroundings
LUMA = (0.299, 0.587, 0.114)  # BT.601, by which grey images are commonly made of colour


class Upscaler(Protocol):
    """What enlarges a batch: a network, on whichever backend."""

    scale: int
    channels: int
    device: torch.device  # where it computes

    @property
    def numbers_per_pixel(self) -> int:
        """Return the numbers in the widest layer for each LQ pixel, by which memory is estimated."""
        ...

    @property
    def tiling(self) -> Tiling:
        """Return how images are cut; asked only where one does not go whole, since it may have to be measured."""
        ...

    def __call__(self, lq: Tensor, /) -> Tensor:
        """Map (B, C, h, w) float32 in [0, 1] to (B, C, h * s, w * s) float32, on the same device."""
        ...


class Box(NamedTuple):
    """Rows from `top` to before `bottom`, columns from `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, image: Tensor) -> Tensor:
        """Return this part of (…, H, W), as a view."""
        return image[..., self.top : self.bottom, self.left : self.right]

    def grown(self, overlap: int, height: int, width: int) -> Box:
        """Return it with its surroundings, as far as the image goes."""
        return Box(
            max(self.top - overlap, 0),
            max(self.left - overlap, 0),
            min(self.bottom + overlap, height),
            min(self.right + overlap, width),
        )

    def within(self, view: Box) -> Box:
        """Return its place in a view."""
        return Box(self.top - view.top, self.left - view.left, self.bottom - view.top, self.right - view.left)

    def times(self, scale: int) -> Box:
        """Return its place in the enlarged image."""
        return Box(*(side * scale for side in self))


def bytes_per_pixel(upscaler: Upscaler) -> int:
    """Return the memory that a network takes while it runs, for each LQ pixel."""
    return ALIVE * FLOAT * upscaler.numbers_per_pixel


def tile_side(upscaler: Upscaler, height: int, width: int, free: int) -> int:
    """Return the side of a tile in LQ pixels, without the overlap, that free memory (bytes) allows for an H x W image.

    The image's longer side where it fits as a whole, or where no overlap is enough.
    """
    pixels = min(SHARE * free / bytes_per_pixel(upscaler), MOST_NUMBERS / upscaler.numbers_per_pixel)
    if height * width <= pixels or upscaler.tiling.overlap is None:
        return max(height, width)
    return max(math.isqrt(int(pixels)) - 2 * upscaler.tiling.overlap, LEAST_TILE)


@torch.inference_mode()
def upscale(
    upscaler: Upscaler,
    image: Tensor,
    tile: int,
    batch: int = 1,
    done: Callable[[int], object] = lambda pixels: None,
) -> Tensor:
    """Enlarge (C, H, W) float32 in [0, 1] to (C, H * s, W * s) in [0, 1], tile by tile.

    Each tile is seen with the overlap's pixels of its surroundings, which are cut off again. What memory does not
    suffice for is tried again in smaller batches, then in smaller tiles, and so is what follows. Where no overlap is
    enough, the image goes whole.

    Args:
        tile: T at most; memory grows with (T + 2 O) squared.
        batch: tiles of equal shape that are handed over at once.
        done: called with the number of LQ pixels that were finished.

    Raises:
        ValueError: memory does not suffice for a tile of SMALLEST pixels, or for an image that has to go whole; or
            the upscaler gives numbers that are not finite.
    """
    scale, (channels, height, width) = upscaler.scale, image.shape
    result = image.new_empty(channels, height * scale, width * scale)
    runs = deque(_runs(_tiles(upscaler, height, width, tile), batch))
    too_large = math.inf  # LQ pixels of the smallest run that memory did not suffice for
    while runs:
        run = runs.popleft()
        pixels = sum(view.pixels for _, view in run)
        sr = _attempt(upscaler, [view.of(image) for _, view in run]) if pixels < too_large else None
        if sr is None:
            too_large = min(pixels, too_large)
            runs.extendleft(_halves(run, upscaler.tiling, height, width))
            continue
        if not bool(sr.sum().isfinite()):  # clamping would hide infinity
            raise UserError("the network gives numbers that are not finite; its weights are damaged")
        for (box, view), large in zip(run, sr, strict=True):
            # Straight into its place: a copy might be what memory does not suffice for.
            torch.clamp(box.within(view).times(scale).of(large), 0, 1, out=box.times(scale).of(result))
            done(box.pixels)
    return result


def pixels_seen(upscaler: Upscaler, height: int, width: int, tile: int) -> int:
    """Return how many LQ pixels pass the network for an H x W image in tiles, their surroundings included."""
    return sum(view.pixels for _, view in _tiles(upscaler, height, width, tile))


def cut(height: int, width: int, tile: int, multiple: int = GRID) -> list[Box]:
    """Return the tiles of an image: about equal, at most `tile` pixels a side, or `multiple` where that is more."""
    rows, columns = (list(pairwise(_edges(length, tile, multiple))) for length in (height, width))
    return [Box(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _edges(length: int, tile: int, multiple: int) -> list[int]:
    largest = max(tile // multiple, 1) * multiple
    step = math.ceil(length / math.ceil(length / largest) / multiple) * multiple
    return [*range(0, length, step), length]


class _Tile(NamedTuple):
    """A tile, and what the network sees for it: its surroundings, too."""

    box: Box
    view: Box


def _tiles(upscaler: Upscaler, height: int, width: int, tile: int) -> list[_Tile]:
    whole = Box(0, 0, height, width)
    if tile >= max(height, width) or upscaler.tiling.overlap is None:
        return [_Tile(whole, whole)]
    boxes = cut(height, width, tile, upscaler.tiling.multiple)
    return [_Tile(box, box.grown(upscaler.tiling.overlap, height, width)) for box in boxes]


def _runs(tiles: list[_Tile], batch: int) -> list[list[_Tile]]:
    """Return tiles in batches, those in one batch of one shape with their surroundings."""
    alike: defaultdict[tuple[int, int], list[_Tile]] = defaultdict(list)
    for tile in tiles:
        alike[tile.view.bottom - tile.view.top, tile.view.right - tile.view.left].append(tile)
    return [same[start : start + batch] for same in alike.values() for start in range(0, len(same), batch)]


def _halves(run: list[_Tile], tiling: Tiling, height: int, width: int) -> list[list[_Tile]]:
    """Return two runs of half the size: fewer tiles, or smaller ones.

    Raises:
        ValueError: it is a single tile, and small or the whole of an image that cannot be cut.
    """
    if len(run) > 1:
        return [run[: len(run) // 2], run[len(run) // 2 :]]
    if tiling.overlap is None:
        raise UserError(
            f"memory does not suffice for the whole image of {width} x {height} pixels, and no overlap hides "
            "the seams of this network's tiles"
        )
    box, smallest = run[0].box, max(SMALLEST, tiling.multiple)
    rows, columns = box.bottom - box.top, box.right - box.left
    if max(rows, columns) <= smallest:
        raise UserError(f"memory does not suffice, not even for tiles of {smallest} x {smallest} pixels")
    middle = math.ceil(max(rows, columns) / 2 / tiling.multiple) * tiling.multiple
    if rows >= columns:
        halves = [box._replace(bottom=box.top + middle), box._replace(top=box.top + middle)]
    else:
        halves = [box._replace(right=box.left + middle), box._replace(left=box.left + middle)]
    return [[_Tile(half, half.grown(tiling.overlap, height, width))] for half in halves]


def _attempt(upscaler: Upscaler, views: list[Tensor]) -> Tensor | None:
    """Enlarge B times (C, h, w), or None where memory does not suffice."""
    try:
        return in_its_channels(upscaler, torch.stack(views))
    except Exception as error:  # each backend has a type of its own
        if not is_out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # here, since the traceback above held what was allocated
    return None


def check_channels(channels: int) -> None:
    """Refuse a network of channels that no image has."""
    if channels not in (1, 3, 4):
        known = choose_from(("1 (grey)", "3 (RGB)", "4 (RGB and alpha)"))
        raise UserError(f"a network of {channels} channels; {known}")


def in_its_channels(upscaler: Upscaler | nn.Module, lq: Tensor) -> Tensor:
    """Upscale (B, C, h, w) by a network of other channels, to C channels again.

    Colour passes a grey network channel by channel. Grey passes a colour network as RGB, and its luma is taken. To a
    network of four channels what has no alpha is opaque, and the alpha that comes out is dropped.
    """
    given = lq.shape[1]
    wanted = int(getattr(upscaler, "channels", given))  # one that does not say so takes what it is given
    if given == wanted:
        return upscaler(lq)
    if wanted == 1:
        sr = upscaler(lq.flatten(0, 1).unsqueeze(1))
        return sr.view(*lq.shape[:2], *sr.shape[-2:])
    check_channels(wanted)
    rgb = lq.expand(-1, 3, -1, -1)
    sr = upscaler(rgb if wanted == 3 else torch.cat([rgb, torch.ones_like(rgb[:, :1])], dim=1))[:, :3]
    return sr if given == 3 else luma(sr)


def luma(image: Tensor) -> Tensor:
    """Return the grey of (…, 3, H, W) RGB, (…, 1, H, W)."""
    return torch.einsum("...chw,c->...hw", image, image.new_tensor(LUMA)).unsqueeze(-3)
