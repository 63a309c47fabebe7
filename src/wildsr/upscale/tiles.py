"""Pictures larger than memory allows, in overlapping tiles.

Shapes: C = 3, H W picture, s scale, T tile side, O overlap, all in LQ pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from wildsr.networks import CommunityNet, CompactNet, RRDBNet


def overlap_of(network: nn.Module) -> int:
    """LQ pixels around a tile beyond which the network's output hardly depends on them.

    RRDBNet: measured on photographs at x4: 96 pixels leave an error of 0.06 levels with 23 blocks, 64 none
    with 6; dilation widens that as it widens a dense block. CompactNet: its receptive field, one pixel a
    convolution, so exact. Community networks: as 6 blocks, a guess.
    """
    if isinstance(network, CompactNet):
        return sum(isinstance(layer, nn.Conv2d) for layer in network.body)
    if isinstance(network, RRDBNet):
        undilated = 96 if len(network.body) > 6 else 64
        return math.ceil(undilated * (3 + 2 * network.dilation) / 20) * 4  # a multiple of 4, as tiles start at
    if isinstance(network, CommunityNet):
        return 64
    raise ValueError(f"{type(network).__name__}: overlap not known; wanted RRDBNet or CompactNet")


def count_tiles(image: Tensor, tile: int) -> int:
    """How many tiles a picture is cut into."""
    return len(_starts(image.shape[-2], tile)) * len(_starts(image.shape[-1], tile))


@torch.inference_mode()
def upscale(network: nn.Module, image: Tensor, tile: int = 256, done: Callable[[], object] = lambda: None) -> Tensor:
    """Upscale one picture, (C, H, W) float in [0, 1] -> (C, H * s, W * s), tile by tile.

    Each tile is seen with `overlap_of(network)` pixels of its surroundings, which are cut off again.

    Args:
        tile: T, its side without the overlap, rounded down to a multiple of 4; memory grows with (T + 2 O) squared.
        done: called after each tile.
    """
    scale, overlap = int(network.scale), overlap_of(network)  # type: ignore[arg-type]
    height, width = image.shape[-2:]
    result = image.new_empty(image.shape[0], height * scale, width * scale)
    rows, columns = _starts(height, tile), _starts(width, tile)
    for top in rows:
        for left in columns:
            bottom, right = min(top + rows.step, height), min(left + columns.step, width)
            y, x = max(top - overlap, 0), max(left - overlap, 0)
            around = image[None, :, y : bottom + overlap, x : right + overlap]
            sr = network(around)[0].clamp(0, 1)
            result[:, top * scale : bottom * scale, left * scale : right * scale] = sr[
                :, (top - y) * scale : (bottom - y) * scale, (left - x) * scale : (right - x) * scale
            ]
            done()
    return result


def _starts(length: int, tile: int) -> range:
    """Where tiles start: at multiples of 4, since x1 and x2 networks see blocks of 4 and 2 pixels."""
    return range(0, length, max(tile // 4 * 4, 4))
