"""Pictures: files to tensors and back. Every rule about image formats lives here."""

from wildsr.images.files import (
    SUFFIXES,
    expanded,
    find_images,
    first_line,
    image_size,
    kind_of,
    printable,
    require_writable,
    write_whole,
)
from wildsr.images.metadata import Metadata
from wildsr.images.pictures import Picture, check_fits, encode_picture, read_picture
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

__all__ = [
    "SUFFIXES",
    "Metadata",
    "Picture",
    "check_fits",
    "crop_to_multiple",
    "encode_picture",
    "expanded",
    "find_images",
    "first_line",
    "from_pil",
    "image_size",
    "kind_of",
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
    "write_image",
    "write_whole",
]
