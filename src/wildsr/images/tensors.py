"""Images as training and previews need them: RGB, 8 bit, nothing else kept.

Shapes: C = 3, H W image. Tensors are RGB, uint8 in [0, 255] or float32 in [0, 1], channels first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION
from torch import Tensor

from wildsr.images.files import opened
from wildsr.images.formats import WITH_QUALITY, kind_of
from wildsr.io import UserError, choose_from, write_whole

QUALITY = 95  # of JPEG, WebP and AVIF, which lose something
# BT.601 in units of 2^-16, rounded as Pillow's convert("L") has them; they sum to 2^16, so that grey keeps its levels.
LUMA_WEIGHTS = (19595, 38470, 7471)


def read_image(path: Path | str) -> Tensor:
    """Read an image as RGB: (3, H, W) uint8. EXIF orientation is applied; alpha and the lower 8 of 16 bits dropped.

    Raises:
        UserError: the file is missing, damaged, no image, of more pixels than memory has room for, or of pixels
            without a range.
    """
    with opened(path, str(path)) as picture:
        if picture.mode.startswith("I"):  # Pillow would clip 16-bit grey to white
            return from_pil(Image.fromarray((read_grey(picture) >> 8).astype(np.uint8)).convert("RGB"))
        return from_pil(ImageOps.exif_transpose(picture).convert("RGB"))


def read_grey(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return the levels of 16-bit grey, (H, W) uint16: turned upright, 0 for black whatever the file says."""
    is_white_zero = getattr(picture, "tag_v2", {}).get(PHOTOMETRIC_INTERPRETATION) == 0
    levels = np.asarray(ImageOps.exif_transpose(picture)).astype(np.uint16)
    return np.invert(levels) if is_white_zero else levels


def from_pil(picture: Image.Image) -> Tensor:
    """Return an RGB Pillow image as a (3, H, W) uint8 tensor of its own memory."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def to_pil(image: Tensor) -> Image.Image:
    """Return a (C, H, W) image, C from 1 to 4, as a Pillow image; float in [0, 1] is clamped and rounded to 8 bit."""
    levels = to_uint8(image).cpu().permute(1, 2, 0).numpy()
    return Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)


def to_channels(image: Tensor, channels: int) -> Tensor:
    """Return a (1 or 3, H, W) uint8 image as grey (1 channel) or RGB (3).

    Colour becomes grey by its luma (BT.601), level for level as Pillow's convert("L"); grey becomes RGB of equal
    channels. The one undoes the other.

    Raises:
        UserError: another number of channels is wanted.
    """
    if channels not in (1, 3):
        raise UserError(f"channels: given {channels}; {choose_from(('1 (grey)', '3 (RGB)'))}")
    if image.shape[0] == channels:
        return image
    if channels == 3:
        return image.expand(3, -1, -1)
    red, green, blue = (weight * plane for weight, plane in zip(LUMA_WEIGHTS, image.int(), strict=True))
    return ((red + green + blue + (1 << 15)) >> 16).to(torch.uint8)[None]


def to_uint8(image: Tensor) -> Tensor:
    """Convert float [0, 1] to uint8 levels, clamped and rounded half to even; uint8 passes through."""
    if image.dtype == torch.uint8:
        return image
    return (image.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)


def to_float(image: Tensor) -> Tensor:
    """Convert uint8 levels to float32 in [0, 1]."""
    return image.float() / 255


def crop_to_multiple(image: Tensor, scale: int, name: str = "image") -> Tensor:
    """Cut (C, H, W) at the right and bottom, so that `scale` divides both sides.

    Raises:
        UserError: a side is shorter than `scale`; the message begins with `name`.
    """
    height, width = (side - side % scale for side in image.shape[-2:])
    if not (height and width):
        raise UserError(f"{name}: {image.shape[-1]} x {image.shape[-2]} pixels given, wanted at least {scale} a side")
    return image[..., :height, :width]


def middle(image: Tensor, side: int) -> Tensor:
    """Return the central part of (C, H, W), at most `side` a side."""
    height, width = image.shape[-2:]
    top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
    return image[:, top : top + side, left : left + side]


def most_detailed(image: Tensor, side: int, scale: int) -> tuple[slice, slice]:
    """Find rows and columns of the window of (C, H, W), at most `side` a side, with the largest mean gradient.

    It begins and ends at multiples of `scale`, where pixels of the LQ do, and holds one of them at least.
    """
    height, width = (max(min(side, length) // scale, 1) * scale for length in image.shape[-2:])
    step = max(8 // scale, 1) * scale
    grey = image.mean(0)
    detail = F.pad(grey.diff(dim=0).abs(), (0, 0, 0, 1)) + F.pad(grey.diff(dim=1).abs(), (0, 1))
    # One axis after the other: a large window is quick.
    rows = F.avg_pool2d(detail[None], (height, 1), stride=(step, 1))
    mean = F.avg_pool2d(rows, (1, width), stride=(1, step))[0]
    top, left = (int(place) * step for place in divmod(int(mean.argmax()), mean.shape[1]))
    return slice(top, top + height), slice(left, left + width)


def write_image(image: Tensor, path: Path | str) -> None:
    """Write a (C, H, W) image in the format that the path's suffix names, whole or not at all.

    Raises:
        UserError: the suffix names no format.
        OSError: the file cannot be written; nothing half-written is left.
    """
    save_pil(to_pil(image), path)


def save_pil(picture: Image.Image, path: Path | str) -> None:
    """Write a Pillow image whole or not at all; JPEG, WebP and AVIF at quality 95. Raises as `write_image`."""
    path = Path(path)
    kind = kind_of(path)
    options = {"quality": QUALITY} if kind in WITH_QUALITY else {}
    write_whole(path, lambda file: picture.save(file, kind, **options))
