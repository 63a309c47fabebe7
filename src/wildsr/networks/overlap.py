"""Find how far the tiles of a network must overlap: said by it, or measured once and stored in the user's cache.

Shapes: C channels, S side of the test image, s scale; distances and sides in LQ pixels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import platformdirs
import torch
from torch import Tensor, nn

from wildsr.io import write_whole
from wildsr.networks.states import weights_digest

GRID = 4  # tiles start and end at multiples of it: x2 and x1 networks see blocks of 2 and 4 pixels
WINDOWS = 64  # and here, at multiples of it, where a network sees windows of 8, 16, 32 or 64 pixels
LEVEL = 1 / 255  # by which a tile may differ from the whole, at most
NEAR = LEVEL / 2  # and by which it may on the test image: another may be harder
# And what may be left of that far away. An error that pooling over the image makes does not fade with distance, and is
# larger on photographs: the brightness of their tiles differs from the whole's by some four times what a cut makes.
FAR = LEVEL / 4
FRAME = 0.2  # brightness of what is cut off, to that of the rest: a mean over the image gives itself away
VERSION = 1  # of the measurement; another one measures anew
FOLDER = platformdirs.user_cache_path("wildsr", appauthor=False) / "overlaps"

log = logging.getLogger(__name__)


class Tiling(NamedTuple):
    """Say how an image may be cut for a network.

    Attributes:
        overlap: pixels around a tile that it must see, so that it is within LEVEL of the whole; None where no
            overlap is enough, as with pooling over the whole image.
        multiple: of which tiles start and end, and the overlap, too, where it is above GRID.
    """

    overlap: int | None
    multiple: int = GRID


class Probe(NamedTuple):
    """Describe a measurement: pixels cut off an image of a side, and an overlap up to `most` is believed."""

    side: int
    cut: int
    most: int
    multiple: int


# The cheap one first. A cut of 20 pixels shifts windows of 3, 7, 8, 12, 16 and more pixels against themselves. The
# most is what leaves thousands of pixels farther away, on which the difference is seen to stay small.
PROBES = (Probe(96, 20, 32, GRID), Probe(192, 20, 112, GRID), Probe(192, WINDOWS, WINDOWS, WINDOWS))


def tiling_of(network: nn.Module) -> Tiling:
    """Return how images are cut for a network in eval mode.

    A network may say so by the attributes `overlap` (pixels, or None) and `multiple`. Any other is measured, once:
    what was found is stored under FOLDER, by a digest of its weights and layers.
    """
    if hasattr(network, "overlap"):
        return Tiling(network.overlap, getattr(network, "multiple", GRID))  # type: ignore[arg-type]
    file = FOLDER / f"{_digest(network)}.json"
    with suppress(OSError, ValueError, KeyError):
        found = json.loads(file.read_text(encoding="utf-8"))
        return Tiling(found["overlap"], found["multiple"])
    name = getattr(network, "architecture", type(network).__name__)
    log.info("%s: measuring how far its tiles must overlap, once", name)
    tiling = measure(network)
    found = "no overlap is enough: images go whole" if tiling.overlap is None else f"{tiling.overlap} pixels"
    log.info("%s: %s", name, found)
    with suppress(OSError):  # a full or read-only disk: measured again next time
        write_whole(file, lambda stream: stream.write(json.dumps(tiling._asdict()).encode()))
    return tiling


def measure(network: nn.Module) -> Tiling:
    """Measure the least overlap beyond which a part of the test image gives the whole's result within NEAR.

    An image goes through the network whole and without its first rows and columns; turned by 180 degrees, whole and
    without its last. The largest difference from the whole at every distance from the cut tells the error of all
    overlaps at once. The three of PROBES take together about as long as an image of 520 x 520 pixels, the first a
    ninth of that.
    """
    device = next(network.parameters(), torch.empty(0)).device
    for probe in PROBES:
        errors = _errors(network, probe_image(probe, int(network.channels)).to(device), probe.cut)  # type: ignore[arg-type]
        enough = next((distance for distance, error in enumerate(errors) if error < NEAR), math.inf)
        if enough <= probe.most and errors[3 * len(errors) // 4] < FAR:
            return Tiling(math.ceil(enough / probe.multiple) * probe.multiple, probe.multiple)
    return Tiling(None)


def probe_image(probe: Probe, channels: int) -> Tensor:
    """Make the test image, (C, S, S) in [0, 1]: discs that hide one another, what is cut off darkened by FRAME.

    Their sizes follow the power law by which such images have the edges and the spectrum of photographs (Lee, Mumford
    and Huang, "Occlusion Models for Natural Images", 2001), with a sensor's noise. It is harder than photographs: of
    the released networks it asks 4 to 12 pixels more than scikit-image's astronaut does.
    """
    rng, side = np.random.default_rng(0), probe.side
    image = np.full((channels, side, side), 0.5)
    for _ in range(side * side // 8):
        radius = 0.5 / math.sqrt(1 - rng.random() * (1 - (2 / side) ** 2))  # from 1 / 2 to S / 4
        row, column = side * rng.random(2)
        spans = ((int(max(place - radius, 0)), int(place + radius) + 2) for place in (row, column))
        box = tuple(slice(start, min(end, side)) for start, end in spans)
        rows, columns = np.ogrid[box]
        image[:, *box][:, (rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = rng.random((channels, 1))
    image += rng.normal(0, 6 / 255, image.shape)
    shade = np.full((side, side), FRAME)
    shade[probe.cut :, probe.cut :] = 1
    return torch.from_numpy(image.clip(0, 1) * shade).float()


@torch.inference_mode()
def _errors(network: nn.Module, image: Tensor, cut: int) -> np.ndarray:
    """Return the largest difference from the whole at each distance from a cut and beyond, (S - cut,)."""
    scale, left = int(network.scale), image.shape[-1] - cut  # type: ignore[arg-type]
    whole, turned = _run(network, image), _run(network, image.flip(1, 2))
    first = (_run(network, image[:, cut:, cut:]) - whole[:, cut * scale :, cut * scale :]).abs()
    last = (_run(network, image.flip(1, 2)[:, :left, :left]) - turned[:, : left * scale, : left * scale]).abs()
    differences = torch.maximum(first, last.flip(1, 2)).amax(0)
    # The largest of each LQ pixel, then of each square from a distance to the far corner.
    by_pixel = differences.view(left, scale, left, scale).amax((1, 3)).cpu().numpy()
    by_distance = [max(by_pixel[i, i:].max(), by_pixel[i:, i].max()) for i in range(left)]
    return np.maximum.accumulate(by_distance[::-1])[::-1]


def _run(network: nn.Module, image: Tensor) -> Tensor:
    sr: Tensor = network(image[None].clone())[0]  # one that works in place would spoil the next
    return sr.float().clamp(0, 1)


def _digest(network: nn.Module) -> str:
    """Return a digest: one for equal weights in equal layers, whatever file they are from."""
    text = f"{VERSION} {weights_digest(network.state_dict())} {network.scale} {network.channels} {network!r}"
    return hashlib.sha256(text.encode()).hexdigest()
