"""Images: files to tensors and back. Every rule about image formats lives here."""

from wildsr.images.alpha import fill_transparent
from wildsr.images.damage import damage_allowed
from wildsr.images.files import file_state, find_images, image_size, walk
from wildsr.images.formats import OUTPUT_SUFFIXES, SUFFIXES, kind_of
from wildsr.images.limits import TooManyPixelsError
from wildsr.images.metadata import Metadata
from wildsr.images.pictures import (
    LOSSY,
    WITH_QUALITY,
    Picture,
    check_fits,
    encode_picture,
    lost_metadata,
    read_picture,
)
from wildsr.images.tensors import (
    crop_to_multiple,
    from_pil,
    middle,
    most_detailed,
    read_image,
    save_picture,
    to_channels,
    to_float,
    to_pil,
    to_uint8,
    write_image,
)
from wildsr.io import expanded, first_line, printable, require_writable, write_whole

__all__ = [
    "LOSSY",
    "OUTPUT_SUFFIXES",
    "SUFFIXES",
    "WITH_QUALITY",
    "Metadata",
    "Picture",
    "TooManyPixelsError",
    "check_fits",
    "crop_to_multiple",
    "damage_allowed",
    "encode_picture",
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
    "read_image",
    "read_picture",
    "require_writable",
    "save_picture",
    "to_channels",
    "to_float",
    "to_pil",
    "to_uint8",
    "walk",
    "write_image",
    "write_whole",
]
