"""Images: files to tensors and back. What a file holds besides RGB of 8 bits is in `apps.upscale.images`.

What needs torch or numpy is imported when it is asked for: a command line that is wrong is answered without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wildsr.images.files import file_state, find_images, image_size, walk
from wildsr.images.formats import LOSSY, OUTPUT_SUFFIXES, SUFFIXES, WITH_QUALITY, kind_of
from wildsr.images.limits import TooManyPixelsError
from wildsr.io import expanded, first_line, printable, require_writable, write_whole

if TYPE_CHECKING:
    from wildsr.images.tensors import (
        crop_to_multiple,
        from_pil,
        middle,
        most_detailed,
        read_image,
        save_pil,
        to_channels,
        to_float,
        to_pil,
        to_uint8,
        write_image,
    )

__all__ = [
    "LOSSY",
    "OUTPUT_SUFFIXES",
    "SUFFIXES",
    "WITH_QUALITY",
    "TooManyPixelsError",
    "crop_to_multiple",
    "expanded",
    "file_state",
    "find_images",
    "first_line",
    "from_pil",
    "image_size",
    "kind_of",
    "middle",
    "most_detailed",
    "printable",
    "read_image",
    "require_writable",
    "save_pil",
    "to_channels",
    "to_float",
    "to_pil",
    "to_uint8",
    "walk",
    "write_image",
    "write_whole",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.tensors"), name)
