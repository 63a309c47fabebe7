"""Damaged files, where one wants what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile


@contextmanager
def damage_allowed() -> Iterator[None]:
    """Let damaged files be decoded as far as they go, for the time of the block; the rest is grey, or black.

    Pillow's switch is one for the process.
    """
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
