"""How long a call will take: measured on a small tile before long work begins, where a CPU does it.

On a GPU nothing is measured: a small tile there costs its launches, and the bar knows after the first image.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import torch

from wildsr.apps.common.progress import format_duration
from wildsr.apps.upscale.images.content import ImageContent
from wildsr.apps.upscale.session import UpscaleSession
from wildsr.io import UserError
from wildsr.networks.tiling import Upscaler, pixels_seen, upscale

PROBE = 128  # LQ pixels a side, at first
WORTH = 64  # times the probe's pixels in the whole work, at which measuring costs less than 2 % of it
ENOUGH = 2.0  # seconds: in less, threads that wait for each other count; ncnn on a busy machine was 3 times too slow
LONG = 60.0  # seconds of work from which it is said
LARGE, COMPACT, RATIO = "realesrgan-x4plus", "realesr-animevideov3", 20  # seconds of the one, README's "Backends"

log = logging.getLogger(__name__)


def announce(session: UpscaleSession, sizes: Iterable[tuple[int, int]], what: str) -> None:
    """Say how long images of these (H, W) will take, if that is long.

    Args:
        what: is enlarged, such as "3 images".
    """
    if session.upscaler.device.type != "cpu":
        return
    given = list(sizes)
    pixels = {size: _passing(session, *size) for size in set(given)}
    work = sum(pixels[size] for size in given)
    if work < WORTH * PROBE**2:
        return
    seconds = expected(session.upscaler, work, max(max(size) for size in given))
    if seconds < LONG:
        return
    megapixels = sum(height * width for height, width in given) / 1e6
    hint = ""
    if session.given.weights == LARGE and session.second is None:
        hint = f"; --weights {COMPACT}: about {format_duration(seconds / RATIO)}, and less detail"
    log.info(f"{what}, {megapixels:.3g} MP: about {format_duration(seconds)} on this CPU{hint}")


def expected(upscaler: Upscaler, pixels: int, largest: int) -> float:
    """Measure the seconds that so many LQ pixels will take; tiles grow until one takes long, or all is quick anyway.

    Args:
        largest: side of a tile to measure, at most.
    """
    side = PROBE
    upscale(upscaler, torch.full((3, side // 2, side // 2), 0.5), side)  # sets a runtime up
    while True:
        begun = time.perf_counter()
        upscale(upscaler, torch.full((3, side, side), 0.5), side)
        took = time.perf_counter() - begun
        seconds = took * pixels / side**2
        if seconds < LONG or took >= ENOUGH or 2 * side > largest:
            return seconds
        side *= 2


def _passing(session: UpscaleSession, height: int, width: int) -> int:
    """Return the LQ pixels that will pass the network; 0 of an image whose result memory does not suffice for."""
    like = ImageContent(torch.empty(3, height, width, device="meta"))
    try:
        return pixels_seen(session.upscaler, height, width, session.tile(like))
    except UserError:
        return 0
