"""How large an image file may be: its pixels, and the text and the profile of a PNG.

Pillow's own limits are switches of the whole process. That of pixels is passed by here, for one that follows the
memory; it and that of text are raised while a file is read, and put back.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from wildsr.images import jxl
from wildsr.io import UserError
from wildsr.memory import free_ram

# Peak of `read_content`, measured on 25 megapixels: see tests/images/test_limits.py.
BYTES_PER_PIXEL = 64
ALWAYS = 2**24  # pixels that are read whatever the memory: 1 GB at most
# Of one compressed text or profile of a PNG, unpacked; Pillow has 1 MB, and workflows of image generators pass it.
# All texts of a file together have this much in Pillow, too.
TEXT_BYTES = 64 * 2**20


class TooManyPixelsError(UserError):
    """An image larger than the limit, which a caller can raise."""


def require_fitting(width: int, height: int, max_pixels: int | None = None) -> None:
    """Refuse an image of more pixels than `max_pixels`, or where that is None than the free memory has room for.

    Raises:
        TooManyPixelsError: with the size and the limit.
    """
    pixels = width * height
    if max_pixels is None and pixels <= ALWAYS:
        return  # without asking the system
    limit = max(free_ram() // BYTES_PER_PIXEL, ALWAYS) if max_pixels is None else max_pixels
    if pixels > limit:
        why = "allowed" if max_pixels is not None else "that the free memory has room for"
        raise TooManyPixelsError(f"{width} x {height} pixels, {pixels:,} in all, more than the {limit:,} {why}")


def open_limited(file: IO[bytes], formats: Sequence[str], max_pixels: int | None = None) -> ImageFile.ImageFile:
    """Open a file as `Image.open` does, but with the limit of `require_fitting` in place of Pillow's.

    To be called, and the image to be decoded, within `own_limits`.

    Raises:
        UnidentifiedImageError: it is of none of the formats, or damaged at its beginning.
        TooManyPixelsError: of too many pixels.
    """
    if size := jxl.read_size(file):
        require_fitting(*size, max_pixels)
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    for kind in formats:
        factory, accept = Image.OPEN[kind]
        try:
            if accept is not None and accept(prefix) is not True:
                continue
            file.seek(0)
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # as Image.open takes them: not of this format
            continue
        require_fitting(*image.size, max_pixels)
        _allow(image.width * image.height)
        # Decoded upright, but for a repacked JPEG, while its EXIF may still say how it lay.
        if kind == "JXL" and not getattr(image, "jpeg", False):
            image.getexif().pop(ExifTags.Base.Orientation, None)
        return image
    raise UnidentifiedImageError


_lock = threading.Lock()
_reading = 0  # files that are being read, in all threads
_before = PngImagePlugin.MAX_TEXT_CHUNK, Image.MAX_IMAGE_PIXELS


@contextmanager
def own_limits() -> Iterator[None]:
    """Let Pillow read compressed text of up to TEXT_BYTES, and as many pixels as `open_limited` has let pass.

    For the time of the block, in any number of threads.
    """
    global _reading, _before
    with _lock:
        if not _reading:
            _before = PngImagePlugin.MAX_TEXT_CHUNK, Image.MAX_IMAGE_PIXELS
            PngImagePlugin.MAX_TEXT_CHUNK = TEXT_BYTES
        _reading += 1
    try:
        yield
    finally:
        with _lock:
            _reading -= 1
            if not _reading:
                PngImagePlugin.MAX_TEXT_CHUNK, Image.MAX_IMAGE_PIXELS = _before


def _allow(pixels: int) -> None:
    """Raise Pillow's limit to so many pixels: it looks at it again where it decodes a TIFF."""
    with _lock:
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)
