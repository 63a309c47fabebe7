"""Pictures larger than memory allows, in overlapping tiles.

Shapes: B batch, C channels (1, 3, or 4 with alpha), H W picture, h w tile with its surroundings, s scale, T tile side,
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

from wildsr.networks import CommunityNet, CompactNet, RRDBNet
from wildsr.networks.memory import is_out_of_memory

GRID = 4  # tiles start and end at multiples of it: x2 and x1 networks see blocks of 2 and 4 pixels
SMALLEST = 16  # pixels a side; a smaller tile would need hardly less memory than its surroundings
LUMA = (0.299, 0.587, 0.114)  # BT.601, by which grey pictures are commonly made of colour


class Upscaler(Protocol):
    """What enlarges a batch: a network, on whichever backend."""

    scale: int
    channels: int
    overlap: int  # O

    def __call__(self, lq: Tensor, /) -> Tensor:
        """(B, C, h, w) float32 in [0, 1] -> (B, C, h * s, w * s) float32, on the same device."""
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
        """This part of (…, H, W), as a view."""
        return image[..., self.top : self.bottom, self.left : self.right]

    def grown(self, overlap: int, height: int, width: int) -> Box:
        """With its surroundings, as far as the picture goes."""
        return Box(
            max(self.top - overlap, 0),
            max(self.left - overlap, 0),
            min(self.bottom + overlap, height),
            min(self.right + overlap, width),
        )

    def within(self, view: Box) -> Box:
        """Its place in a view."""
        return Box(self.top - view.top, self.left - view.left, self.bottom - view.top, self.right - view.left)

    def times(self, scale: int) -> Box:
        """Its place in the enlarged picture."""
        return Box(*(side * scale for side in self))


def overlap_of(network: nn.Module) -> int:
    """O: LQ pixels around a tile beyond which its output depends on them by less than one level.

    RRDBNet: measured on a photograph with the released weights (`benchmarks/tiles.py`), in pixels of its body: 96
    with 23 blocks, 64 with 6. The body of an x2 or x1 network sees the picture at a half or a quarter of its sides.
    Dilation widens that as it widens a dense block. CompactNet: its receptive field, one pixel a convolution, so
    exact. Community networks: as 6 blocks, a guess.
    """
    if isinstance(network, CompactNet):
        return sum(isinstance(layer, nn.Conv2d) for layer in network.body)
    if isinstance(network, RRDBNet):
        undilated = (96 if len(network.body) > 6 else 64) * network.unshuffle
        return math.ceil(undilated * (3 + 2 * network.dilation) / 5 / GRID) * GRID
    if isinstance(network, CommunityNet):
        return 64
    raise ValueError(f"{type(network).__name__}: overlap not known; wanted RRDBNet or CompactNet")


@torch.inference_mode()
def upscale(
    upscaler: Upscaler,
    image: Tensor,
    tile: int,
    batch: int = 1,
    done: Callable[[int], object] = lambda pixels: None,
) -> Tensor:
    """Enlarge (C, H, W) float32 in [0, 1] to (C, H * s, W * s) in [0, 1], tile by tile.

    Each tile is seen with `upscaler.overlap` pixels of its surroundings, which are cut off again. What memory does
    not suffice for is tried again in smaller batches, then in smaller tiles, and so is what follows.

    Args:
        tile: T at most; memory grows with (T + 2 O) squared.
        batch: tiles of equal shape that are handed over at once.
        done: called with the number of LQ pixels that were finished.

    Raises:
        ValueError: memory does not suffice for a tile of SMALLEST pixels, or the upscaler gives numbers that are not
            finite.
    """
    scale, (channels, height, width) = upscaler.scale, image.shape
    result = image.new_empty(channels, height * scale, width * scale)
    runs = deque(_runs(cut(height, width, tile), batch, upscaler.overlap, height, width))
    too_large = math.inf  # LQ pixels of the smallest run that memory did not suffice for
    while runs:
        run = runs.popleft()
        views = [box.grown(upscaler.overlap, height, width) for box in run]
        pixels = sum(view.pixels for view in views)
        sr = _attempt(upscaler, [view.of(image) for view in views]) if pixels < too_large else None
        if sr is None:
            too_large = min(pixels, too_large)
            runs.extendleft(_halves(run))
            continue
        if not bool(sr.sum().isfinite()):  # clamping would hide infinity
            raise ValueError("the network gives numbers that are not finite; its weights are damaged")
        for box, view, large in zip(run, views, sr, strict=True):
            # Straight into its place: a copy might be what memory does not suffice for.
            torch.clamp(box.within(view).times(scale).of(large), 0, 1, out=box.times(scale).of(result))
            done(box.pixels)
    return result


def cut(height: int, width: int, tile: int) -> list[Box]:
    """The tiles of a picture: about equal, at most `tile` pixels a side and at least GRID."""
    rows, columns = (list(pairwise(_edges(length, tile))) for length in (height, width))
    return [Box(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _edges(length: int, tile: int) -> list[int]:
    largest = max(tile // GRID, 1) * GRID
    step = math.ceil(length / math.ceil(length / largest) / GRID) * GRID
    return [*range(0, length, step), length]


def _runs(tiles: list[Box], batch: int, overlap: int, height: int, width: int) -> list[list[Box]]:
    """Tiles in batches, those in one batch of one shape with their surroundings."""
    alike: defaultdict[tuple[int, int], list[Box]] = defaultdict(list)
    for box in tiles:
        view = box.grown(overlap, height, width)
        alike[view.bottom - view.top, view.right - view.left].append(box)
    return [boxes[start : start + batch] for boxes in alike.values() for start in range(0, len(boxes), batch)]


def _halves(run: list[Box]) -> list[list[Box]]:
    """Two runs of half the size: fewer tiles, or smaller ones.

    Raises:
        ValueError: it is a single tile, and small.
    """
    if len(run) > 1:
        return [run[: len(run) // 2], run[len(run) // 2 :]]
    box = run[0]
    height, width = box.bottom - box.top, box.right - box.left
    if max(height, width) <= SMALLEST:
        raise ValueError(f"memory does not suffice, not even for tiles of {SMALLEST} x {SMALLEST} pixels")
    if height >= width:
        middle = box.top + height // 2 // GRID * GRID
        return [[box._replace(bottom=middle)], [box._replace(top=middle)]]
    middle = box.left + width // 2 // GRID * GRID
    return [[box._replace(right=middle)], [box._replace(left=middle)]]


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
    """Raises: ValueError if no picture has as many channels as a network takes."""
    if channels not in (1, 3, 4):
        raise ValueError(f"a network of {channels} channels: wanted one of 1 (grey), 3 (RGB) or 4 (RGB and alpha)")


def in_its_channels(upscaler: Upscaler | nn.Module, lq: Tensor) -> Tensor:
    """Upscale (B, C, h, w) by a network of other channels, to C channels again.

    Colour passes a grey network channel by channel. Grey passes a colour network as RGB, and its luma is taken. To a
    network of four channels what has no alpha is opaque, and the alpha that comes out is dropped.
    """
    given, wanted = lq.shape[1], int(upscaler.channels)  # type: ignore[arg-type]
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
