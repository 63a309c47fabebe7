"""The last JPEG of an image: by the tables of its file, or by the grid and the steps that it left in the pixels."""

# H W image, N blocks of 8 x 8

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL.JpegImagePlugin import get_sampling
from scipy.fft import dctn
from torch import Tensor

from wildsr.degradation.libjpeg import USUAL, luma_table
from wildsr.images.files import opened

SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # as Pillow counts them
LUMA = (0.299, 0.587, 0.114)
SIDE = 256  # pixels of an image's middle in which a grid is searched
# A coefficient of decoded luma is off its step by the rounding of luma (1/12) and of the three colours (0.037).
ROUNDING = np.sqrt((1 + sum(weight**2 for weight in LUMA)) / 12)
OUTLIERS = 0.05  # share of coefficients that clipped chroma moves anywhere
EVIDENCE = 40.0  # nats above "no JPEG", below which none is claimed; noise and photographs stay below 10
QUALITIES = range(10, 96)  # above, the steps are 1 and leave no comb


@dataclass(frozen=True)
class FoundJpeg:
    """A JPEG compression that was found: libjpeg's quality, the subsampling of chroma, and how it was found.

    `phase` is the place of the grid's first corner in pixels; `is_exact` whether the tables are libjpeg's own.
    """

    quality: int
    subsampling: str
    source: str  # "file" or "pixels"
    phase: tuple[int, int] = (0, 0)
    is_exact: bool = True


def read_tables(file: Path) -> FoundJpeg | None:
    """Read quality and subsampling out of a JPEG file's tables; None where the file is no JPEG."""
    with opened(file, str(file)) as picture:
        tables = getattr(picture, "quantization", None)
        if picture.format not in ("JPEG", "MPO") or not tables:
            return None
        luma = np.asarray(tables[0], dtype=float)
        sampling = SAMPLINGS.get(get_sampling(picture), USUAL)
    off = [float(np.abs(_table(quality).ravel() - luma).mean()) for quality in range(1, 101)]
    best = int(np.argmin(off))
    return FoundJpeg(best + 1, sampling, "file", is_exact=off[best] == 0)


def find_jpeg(image: Tensor) -> FoundJpeg | None:
    """Find the JPEG that (3, H, W) uint8 was decoded from, whatever it was saved as since.

    At the phase whose blocks have most coefficients near zero, and at that of the file's own corner, the quality is
    sought whose steps the coefficients are multiples of. None where no quality is much likelier than none.
    """
    colours = middle_blocks(image, SIDE)
    luma = np.tensordot(LUMA, colours, 1)
    # A colour that was clipped moved luma, too.
    clipped = np.asarray((colours.min(0) < 1) | (colours.max(0) > 254))
    phases = [(y, x) for y in range(8) for x in range(8)]
    zeros = [_near_zero(blocks_of(luma[y:, x:])) for y, x in phases]
    found = []
    for y, x in dict.fromkeys([(0, 0), phases[int(np.argmax(zeros))]]):
        whole = ~blocks_of(clipped[y:, x:]).any((1, 2))
        found.append((*_best_quality(blocks_of(luma[y:, x:])[whole]), (y, x)))
    evidence, quality, phase = max(found)
    return FoundJpeg(quality, USUAL, "pixels", phase) if evidence > EVIDENCE else None


def middle_blocks(image: Tensor, side: int) -> np.ndarray:
    """Return the middle of (3, H, W) uint8, at most `side` a side, in levels: float32.

    It begins at a multiple of 8, where the blocks of a JPEG file do.
    """
    height, width = (min(side, length) for length in image.shape[-2:])
    top, left = ((length - kept) // 2 // 8 * 8 for length, kept in zip(image.shape[-2:], (height, width), strict=True))
    return image[:, top : top + height, left : left + width].numpy().astype(np.float32)


def blocks_of(plane: np.ndarray) -> np.ndarray:
    """Cut (H, W) into its whole blocks: (N, 8, 8)."""
    height, width = (side // 8 * 8 for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    return np.ascontiguousarray(blocks.reshape(-1, 8, 8))


def transform(blocks: np.ndarray) -> np.ndarray:
    """Transform (N, 8, 8) by the orthonormal DCT, whose coefficients JPEG divides by its table."""
    return np.asarray(dctn(blocks.astype(np.float32), axes=(1, 2), norm="ortho"))


@cache
def _table(quality: int) -> np.ndarray:
    return np.asarray(luma_table(quality), dtype=float)


def _near_zero(blocks: np.ndarray) -> float:
    return float((np.abs(transform(blocks)[:, 1:, 1:]) < 0.5).mean()) if len(blocks) else 0.0


def _best_quality(blocks: np.ndarray) -> tuple[float, int]:
    """Return the log-likelihood ratio of the likeliest quality against none, and that quality."""
    coefficients = transform(blocks)
    places = [(v, u) for v in range(5) for u in range(5) if 0 < u + v < 6]
    values = np.stack([coefficients[:, v, u] for v, u in places])
    scores = [(_evidence(values, np.array([_table(quality)[place] for place in places])), quality)
              for quality in QUALITIES]  # fmt: skip
    return max(scores)


def _evidence(values: np.ndarray, steps: np.ndarray) -> float:
    """Add up the log-likelihood ratios of the values that are no zeros after division by their steps (P,): (P, N).

    A zero says nothing: any larger step would explain it, too.
    """
    steps = steps[:, None]
    multiples = np.round(values / steps)
    off = values - multiples * steps
    density = np.exp(-0.5 * (off / ROUNDING) ** 2) / (ROUNDING * np.sqrt(2 * np.pi))
    ratio = np.log((1 - OUTLIERS) * density * steps + OUTLIERS)
    return float(ratio[(multiples != 0) & (steps > 1)].sum())
