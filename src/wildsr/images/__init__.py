"""Images: files to tensors and back. Every rule about image formats lives here.

What needs torch or numpy is imported when it is asked for: a command line that is wrong is answered without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wildsr.images.damage import damage_allowed
from wildsr.images.files import file_state, find_images, image_size, walk
from wildsr.images.formats import LOSSY, OUTPUT_SUFFIXES, SUFFIXES, WITH_QUALITY, kind_of
from wildsr.images.limits import TooManyPixelsError
from wildsr.io import expanded, first_line, printable, require_writable, write_whole

if TYPE_CHECKING:
    from wildsr.images.alpha import fill_transparent
    from wildsr.images.content import ImageContent, check_fits, encode_content, lost_metadata, read_content
    from wildsr.images.metadata import Metadata
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
    "ImageContent",
    "Metadata",
    "TooManyPixelsError",
    "check_fits",
    "crop_to_multiple",
    "damage_allowed",
    "encode_content",
    "expanded",
    "file_state",
    "fill_transparent",
    "find_images",
    "first_line",
    "from_pil",
    "image_size",
    "kind_of",
    "lost_metadata",
    "middle",
    "most_detailed",
    "printable",
    "read_content",
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
FILES = {"fill_transparent": "alpha", "Metadata": "metadata"} | dict.fromkeys(
    ("ImageContent", "check_fits", "encode_content", "lost_metadata", "read_content"), "content"
)  # of the names that are imported late; the others are in `tensors`


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{FILES.get(name, 'tensors')}"), name)
