"""Images: files to tensors and back. What a file holds besides RGB of 8 bits is in `apps.upscale.images`.

What needs torch or numpy is imported when it is asked for: a command line that is wrong is answered without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wildsr.images.files import file_state, find_images, image_size, walk
from wildsr.images.formats import OUTPUT_SUFFIXES, SUFFIXES, kind_of
from wildsr.images.limits import TooManyPixelsError

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
    "OUTPUT_SUFFIXES",
    "SUFFIXES",
    "TooManyPixelsError",
    "crop_to_multiple",
    "file_state",
    "find_images",
    "from_pil",
    "image_size",
    "kind_of",
    "middle",
    "most_detailed",
    "read_image",
    "save_pil",
    "to_channels",
    "to_float",
    "to_pil",
    "to_uint8",
    "walk",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.tensors"), name)
