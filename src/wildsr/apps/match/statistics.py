"""Statistics of one image that say much about its degradation and little about what it shows.

They are compared between images and simulations only, so that their bias does not matter: both have it.
"""

# H W image, N blocks of 8 x 8

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from wildsr.apps.match.jpeg import blocks_of, middle_blocks, transform

NAMES = {
    "noise_10": "noise in the flattest tenth of the blocks, log of 8-bit levels",
    "noise_25": "noise in the flattest quarter, log of levels",
    "noise_dark": "noise in the flattest sixth of the dark third, log of levels",
    "noise_bright": "noise in the flattest sixth of the bright third, log of levels",
    "noise_half": "noise at half the size, log of levels",
    "colour": "noise of colour in the flattest quarter, log of levels",
    "colour_half": "noise of colour at half the size, where chroma is kept, log of levels",
    "correlation": "correlation of neighbouring pixels in the flattest blocks",
    "flat_high": "high against middle bands in the flattest blocks, log",
    "flat_middle": "middle against low bands in the flattest blocks, log",
    "active_high": "high against middle bands in the busiest blocks, log",
    "active_middle": "middle against low bands in the busiest blocks, log",
    "edge_width": "width of the strongest edges, pixels",
    "sharpest": "width of the sharpest tenth of them, pixels",
    "overshoot": "overshoot at the strongest edges, share of their height",
    "blockiness": "steps across the grid of 8 against those inside, log",
}
FLOOR = 0.15  # levels: below this, rounding to 8 bit is all there is
SIDE = 512  # pixels of the middle that are measured
REACH = 6  # pixels to each side of an edge
LEAST = 64  # pixels a side
EDGES = 0.01  # the share of the pixels whose gradient is strongest
Y, X = np.mgrid[:8, :8]
BANDS = {"low": (2, 4), "middle": (5, 8), "high": (9, 14)}  # of u + v


def planes_of(image: Tensor) -> np.ndarray:
    """Return luma and two colour differences of the middle of (3, H, W) uint8: (3, h, w) float32, in levels."""
    red, green, blue = middle_blocks(image, SIDE)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (blue - luma) * 0.564, (red - luma) * 0.713])


def measure(image: Tensor) -> np.ndarray:
    """Measure (3, H, W) uint8, at least LEAST a side: the numbers of NAMES in their order, float64."""
    luma, blue, red = planes_of(image)
    blocks = blocks_of(luma)
    noise, brightness = laplacian(blocks), blocks.mean((1, 2))
    usable = (blocks.min((1, 2)) > 2) & (blocks.max((1, 2)) < 253)  # clipped noise is none
    usable = usable if usable.sum() >= 8 else np.ones_like(usable)
    blocks, noise, brightness = blocks[usable], noise[usable], brightness[usable]
    colour = np.hypot(laplacian(blocks_of(blue)), laplacian(blocks_of(red)))[usable] / np.sqrt(2)
    dark, bright = brightness <= np.quantile(brightness, 1 / 3), brightness >= np.quantile(brightness, 2 / 3)
    flat = blocks[noise <= np.quantile(noise, 0.15)]
    coefficients = transform(blocks)
    energy = (coefficients**2).sum((1, 2)) - coefficients[:, 0, 0] ** 2
    busy = coefficients[energy >= np.quantile(energy, 0.8)]
    half, *halves = (halved(plane) for plane in (luma, blue, red))
    colour_half = np.hypot(*(laplacian(blocks_of(plane)) for plane in halves)) / np.sqrt(2)
    return np.array([
        _log(np.quantile(noise, 0.1)), _log(np.quantile(noise, 0.25)),
        _log(np.quantile(noise[dark], 1 / 6)), _log(np.quantile(noise[bright], 1 / 6)),
        _log(np.quantile(laplacian(blocks_of(half)), 0.15)),
        _log(np.quantile(colour, 0.25)), _log(np.quantile(colour_half, 0.15)),
        correlation(flat), *band_ratios(transform(flat)), *band_ratios(busy), *edges(luma), blockiness(luma),
    ], dtype=float)  # fmt: skip


def halved(plane: np.ndarray) -> np.ndarray:
    """Average two by two pixels of (H, W)."""
    even = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _log(level: float) -> float:
    return float(np.log(level + FLOOR))


def laplacian(blocks: np.ndarray) -> np.ndarray:
    """Return the strength of noise in each block of (N, 8, 8), levels: exact for white noise alone.

    The root mean square of a difference of Laplacians, which planes and straight edges along the axes leave at zero,
    divided by its gain for white noise, 6 (Immerkaer, 1996). Never across blocks, whose borders a JPEG moves.
    """
    rows = blocks[:, :-2] - 2 * blocks[:, 1:-1] + blocks[:, 2:]
    both = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return np.sqrt((both.astype(np.float64) ** 2).mean((1, 2))) / 6


def correlation(blocks: np.ndarray) -> float:
    """Return the mean correlation of neighbours, along rows and columns, in (N, 8, 8): of white noise about -1/63."""
    rest = blocks - blocks.mean((1, 2), keepdims=True)
    power = float((rest**2).mean()) + FLOOR**2
    pairs = (rest[:, 1:] * rest[:, :-1]).mean() + (rest[:, :, 1:] * rest[:, :, :-1]).mean()
    return float(pairs) / 2 / power


def band_ratios(coefficients: np.ndarray) -> Sequence[float]:
    """Return the logs of high against middle and of middle against low amplitudes of (N, 8, 8): of white noise 0."""
    power = (coefficients**2).mean(0)
    low, middle, high = (
        np.sqrt(power[(first <= X + Y) & (last >= X + Y)].mean()) + FLOOR for first, last in BANDS.values()
    )
    return float(np.log(high / middle)), float(np.log(middle / low))


def edges(luma: np.ndarray) -> Sequence[float]:
    """Return median and lowest tenth of the width, in pixels, of the strongest edges of (H, W), and their overshoot.

    The width of an edge is its height through its steepest slope: 1 for a step between two pixels. The overshoot,
    a share of the height, is how far it goes beyond where it ends up.
    """
    profiles = np.concatenate([_profiles(luma), _profiles(luma.T)])
    slope = np.abs(np.diff(profiles[:, REACH - 2 : REACH + 4], axis=1)).max(1)
    steepest = np.argsort(slope)[len(slope) // 2 :]  # of both axes: the edges of an image may have one direction
    profiles, slope = profiles[steepest], slope[steepest]
    inside = profiles[:, REACH - 3 : REACH + 5]
    height = inside.max(1) - inside.min(1)
    low, high = profiles[:, :2].mean(1), profiles[:, -2:].mean(1)
    above, below = profiles[:, REACH:-2].max(1) - high, low - profiles[:, 2 : REACH + 2].min(1)
    shares = (above + below) / 2 / np.maximum(np.abs(high - low), 8)
    widths = height / np.maximum(slope, 1)
    return float(np.median(widths)), float(np.quantile(widths, 0.1)), float(np.clip(np.median(shares), -0.5, 1.5))


def _profiles(luma: np.ndarray) -> np.ndarray:
    """Return the surroundings of the steepest places along rows, all of them rising: (n, 2 REACH + 2).

    Three neighbouring rows are averaged and places chosen by a rise over three pixels, so that noise is no edge.
    """
    smooth = (luma[:-2] + luma[1:-1] + luma[2:]) / 3
    rises = (smooth[:, 3:] - smooth[:, :-3])[:, REACH - 1 : smooth.shape[1] - REACH - 2]  # around columns REACH + n
    count = max(int(rises.size * EDGES), 16)
    places = np.argpartition(np.abs(rises).ravel(), -count)[-count:]
    rows, columns = np.unravel_index(places, rises.shape)
    around = smooth[rows[:, None], columns[:, None] + np.arange(2 * REACH + 2)]
    rising = np.sign(rises[rows, columns])[:, None]
    return np.where(rising < 0, around[:, ::-1], around)


def blockiness(luma: np.ndarray) -> float:
    """Return the log of the mean step across the borders of blocks against that one pixel inside, on both axes."""
    across, inside = 0.0, 0.0
    for plane in (luma, luma.T):
        steps = np.minimum(np.abs(np.diff(plane, axis=1)), 16)  # of edges no more than of blocks
        across += float(steps[:, 7::8].mean())
        inside += float(steps[:, 3::8].mean() + steps[:, 1::8].mean()) / 2
    return float(np.log((across + FLOOR) / (inside + FLOOR)))


def is_photograph(image: Tensor) -> bool:
    """Return whether (3, H, W) uint8 could be a photograph: neither mostly of one level a block, nor of few colours."""
    luma = planes_of(image)[0]
    blocks = blocks_of(luma)
    constant = float((blocks.max((1, 2)) - blocks.min((1, 2)) < 0.5).mean())
    return constant < 0.6 and len(np.unique(np.round(luma))) > 40
