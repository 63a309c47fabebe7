"""Work of the page on images: enlarging one, degrading one, and some to try."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from rich.filesize import decimal

from wildsr.apps.export.card import degrade_photographs
from wildsr.apps.upscale.backends import find_device, open_backend
from wildsr.apps.upscale.blending import blend
from wildsr.apps.upscale.enlarging import UpscaleOptions, enlarge, fitting_tile, num_pixels
from wildsr.apps.upscale.images.content import ImageContent, encode_content, read_content
from wildsr.data.photographs import sample_folder
from wildsr.degradation import Recipe, degrade
from wildsr.images import (
    crop_to_multiple,
    middle,
    read_image,
    save_pil,
    to_float,
    to_pil,
)
from wildsr.io import UserError
from wildsr.networks import load_generator
from wildsr.networks.tiling import Upscaler

MOST_MEGAPIXELS = 4.0  # of an image to enlarge: with 23 blocks and x4 ten minutes on two CPU cores
SHOWN = 2048  # pixels a side that a browser is sent of a result; the file has them all
PART = 768  # pixels a side from the middle of an image to degrade
EXAMPLES = ("coffee.png", "chelsea.png", "astronaut.png")  # of scikit-image
EXAMPLE_SCALE = 2  # small enough that each is upscaled in seconds on a CPU


class Pair(NamedTuple):
    """Two images of one size, to slide between, the result's file, and a line about it."""

    before: Image.Image
    after: Image.Image
    file: Path
    about: str


def restore(
    source: Path,
    folder: Path,
    first: str,
    second: str | None = None,
    strength: float = 0.0,
    done: Callable[[float], object] = lambda share: None,
) -> Pair:
    """Enlarge an image; before it stands its Lanczos. The file is a PNG with all that the image had.

    Args:
        folder: where the file goes.
        first: weights, a file or a name.
        second: others to mix in, from 0 to 1 by `strength`; None is none.
        done: called with the share that is done.

    Raises:
        UserError: an unreadable image, one too large, or weights that cannot be read or mixed. One line.
    """
    image = read_content(source, source.name)
    height, width = image.colour.shape[-2:]
    if height * width > MOST_MEGAPIXELS * 1e6:
        raise UserError(
            f"{width} x {height} pixels; wanted at most {MOST_MEGAPIXELS:g} megapixels here, wildsr upscale takes more"
        )
    upscaler = _opened(first, second, strength if second else 0.0)
    options, finished = UpscaleOptions(), 0
    total = num_pixels(image, options, upscaler.channels)

    def count(pixels: int) -> None:
        nonlocal finished
        finished += pixels
        done(finished / total)

    begin = time.monotonic()
    large = enlarge(upscaler, image, fitting_tile(upscaler, image, options), options, count)
    seconds = time.monotonic() - begin
    file = folder / f"{source.stem}_x{upscaler.scale}.png"
    file.write_bytes(encode_content(large, "PNG"))
    after = _shown(large)
    before = _shown(image).resize(after.size, Image.Resampling.LANCZOS)
    sides = [f"{size[-1]} × {size[-2]}" for size in (image.colour.shape, large.colour.shape)]
    place = "GPU" if upscaler.device.type == "cuda" else "CPU"
    about = f"{sides[0]} → {sides[1]} pixels (×{upscaler.scale}) in {seconds:.1f} s on the {place}"
    return Pair(before, after, file, f"{about}; PNG of {decimal(file.stat().st_size)}")


def damage(source: Path, folder: Path, recipe: Recipe) -> Pair:
    """Degrade the middle of an image; the result is shown enlarged without smoothing, its file is as small as it is.

    Raises:
        UserError: an unreadable image, or one with a side shorter than the scale. One line.
    """
    hq = crop_to_multiple(middle(to_float(read_image(source)), PART), recipe.scale, source.name).contiguous()
    with torch.inference_mode():
        lq = to_pil(degrade(hq, recipe))
    file = folder / f"{source.stem}_lq.png"
    lq.save(file)
    before = to_pil(hq)
    about = f"{before.width} × {before.height} → {lq.width} × {lq.height} pixels (÷{recipe.scale})"
    about += f"; PNG of {decimal(file.stat().st_size)}; shown enlarged without smoothing"
    return Pair(before, lq.resize(before.size, Image.Resampling.NEAREST), file, about)


def photographs() -> list[Path]:
    """Return the files of photographs to try; none without scikit-image."""
    try:
        return [sample_folder() / name for name in EXAMPLES]
    except UserError:
        return []


def degraded(folder: Path) -> list[Path]:
    """Write a small, degraded version of each photograph, LQ, into a folder; return the files."""
    sources = photographs()
    files = [folder / f"{source.stem}_lq.png" for source in sources]
    pairs = degrade_photographs([read_image(source) for source in sources], EXAMPLE_SCALE, channels=3)
    for file, pair in zip(files, pairs, strict=True):
        save_pil(to_pil(pair.lq), file)
    return files


@lru_cache(maxsize=2)
def _opened(first: str, second: str | None, strength: float) -> Upscaler:
    generator = load_generator(first)
    if second is not None:
        generator = blend(generator, load_generator(second), strength)
    return open_backend(generator, device=find_device())


def _shown(image: ImageContent) -> Image.Image:
    """Return the colours of an image, RGB, reduced to SHOWN pixels a side."""
    shown = to_pil(image.colour).convert("RGB")
    shown.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    return shown
