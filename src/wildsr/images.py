"""Files to tensors and back: every rule about image formats lives here.

Shapes: C = 3, H W image. Tensors are RGB, uint8 in [0, 255] or float32 in [0, 1], channels first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

_ORIENTATION = 0x0112  # EXIF; 5 to 8 swap the sides
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def find_images(folder: Path | str) -> list[Path]:
    """List the image files of a folder and its sub-folders, sorted by path.

    Links that lead out of the folder are left out, and so are hidden files.

    Raises:
        ValueError: the folder does not exist, or holds no file with one of SUFFIXES.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    inside = root.resolve()
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
        and path.resolve().is_relative_to(inside)
    )
    if not found:
        content = "nothing" if not any(root.iterdir()) else "no image"
        raise ValueError(f"{root}: {content} in this folder; wanted files named *{', *'.join(SUFFIXES)}")
    return found


def read_image(path: Path | str) -> Tensor:
    """Read a picture as RGB: (3, H, W) uint8. EXIF orientation is applied, alpha and 16-bit depth are dropped.

    Raises:
        ValueError: the file is missing, damaged, no image, or larger than Pillow's safe size.
    """
    try:
        with Image.open(path) as picture:
            rgb = ImageOps.exif_transpose(picture).convert("RGB")
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow answers damaged files with any of these, by format.
        raise ValueError(f"{path}: not a readable image ({first_line(error)})") from error
    return from_pil(rgb)


def image_size(path: Path | str) -> tuple[int, int]:
    """Height and width, in pixels, of what `read_image` will give, from the file's header alone.

    Raises:
        ValueError: the file is missing, no image, or larger than Pillow's safe size. Damage further in goes unseen.
    """
    try:
        with Image.open(path) as picture:
            turned = Image.Image.getexif(picture).get(_ORIENTATION, 1) > 4  # PNG's own getexif decodes the pixels
            width, height = picture.size
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image ({first_line(error)})") from error
    return (width, height) if turned else (height, width)


def first_line(error: BaseException) -> str:
    """An error in one line: the file and the reason where it has them, else its message's first line, else its type."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return (str(error).splitlines() or [type(error).__name__])[0]


def from_pil(picture: Image.Image) -> Tensor:
    """An RGB Pillow picture as a (3, H, W) uint8 tensor of its own memory."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def to_pil(image: Tensor) -> Image.Image:
    """A (C, H, W) image as a Pillow picture; float is taken as [0, 1], clamped and rounded to 8 bit."""
    levels = to_uint8(image).cpu().permute(1, 2, 0).numpy()
    return Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)


def to_uint8(image: Tensor) -> Tensor:
    """Float [0, 1] to uint8 levels, clamped and rounded half to even; uint8 passes through."""
    if image.dtype == torch.uint8:
        return image
    return (image.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)


def to_float(image: Tensor) -> Tensor:
    """uint8 levels to float32 in [0, 1]."""
    return image.float() / 255


def crop_to_multiple(image: Tensor, scale: int) -> Tensor:
    """Cut (C, H, W) at the right and bottom, so that `scale` divides both sides.

    Raises:
        ValueError: a side is shorter than `scale`.
    """
    height, width = (side - side % scale for side in image.shape[-2:])
    if not (height and width):
        raise ValueError(f"{image.shape[-1]} x {image.shape[-2]} pixels given, wanted at least {scale} a side")
    return image[..., :height, :width]


def write_image(image: Tensor, path: Path | str) -> None:
    """Write a (C, H, W) image in the format that the path's suffix names, whole or not at all.

    Raises:
        ValueError: the suffix names no format.
        OSError: the file cannot be written; nothing half-written is left.
    """
    save_picture(to_pil(image), path)


def save_picture(picture: Image.Image, path: Path | str) -> None:
    """Write a Pillow picture whole or not at all; JPEG and WebP at quality 95. Raises as `write_image`."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: no image format {suffix!r}; wanted one of {', '.join(SUFFIXES)}")
    kind = Image.registered_extensions()[suffix]
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    write_whole(path, lambda file: picture.save(file, kind, **options))


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Create a file whole or not at all: written beside it under a temporary name, synced, then renamed."""
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk would not say where
        raise
