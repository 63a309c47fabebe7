"""Image files: which there are, and opening one safely."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, features

from wildsr.io import expanded, first_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", *([".avif"] if features.check("avif") else []))
# The content decides, not the name, and nothing else is tried: Pillow would hand an EPS to Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF")
ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)  # EXIF, and those of its values that swap the sides
WITHOUT_LEVELS = ("I", "F", "LAB", "HSV")  # 32-bit numbers without a range, and colours that Pillow does not convert


def find_images(folder: Path | str) -> list[Path]:
    """List the image files of a folder and its sub-folders, sorted by path.

    Links that lead out of the folder are left out, and so are hidden files.

    Raises:
        ValueError: the folder does not exist, or holds no file with one of SUFFIXES.
    """
    root = expanded(folder)
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


@contextmanager
def opened(source: Path | str | IO[bytes], name: str) -> Iterator[ImageFile.ImageFile]:
    """A picture opened by Pillow, for use and decoding within the block.

    Raises:
        ValueError: the file is missing, damaged, no image of FORMATS, larger than Pillow's safe size or of
            pixels without a range, or what the block does with it fails. One line, that begins with `name`.
    """
    try:
        with warnings.catch_warnings():
            # About odd metadata and large sizes; what is too odd or too large is an error anyway.
            warnings.simplefilter("ignore")
            # A file, never a path: Pillow would map an uncompressed TIFF into memory, and scramble one that is turned.
            with (
                Path(source).open("rb") if isinstance(source, (Path, str)) else nullcontext(source) as file,
                Image.open(file, formats=FORMATS) as picture,
            ):
                if picture.mode in WITHOUT_LEVELS:
                    raise ValueError(f"its pixels are of mode {picture.mode}; wanted 8 or 16 bits a channel")
                yield picture
    except FileNotFoundError:
        raise ValueError(f"{name}: no such file") from None
    except Image.UnidentifiedImageError:
        raise ValueError(f"{name}: not a readable image (none of {', '.join(FORMATS)}, or damaged)") from None
    except Exception as error:  # damaged files make Pillow raise a dozen types: OSError, SyntaxError, struct.error, …
        raise ValueError(f"{name}: not a readable image ({first_line(error)})") from error


def image_size(path: Path | str) -> tuple[int, int]:
    """Height and width, in pixels, of what `read_image` will give, from the file's header alone.

    Raises:
        ValueError: the file is missing, no image, or larger than Pillow's safe size. Damage further in goes unseen.
    """
    with opened(path, str(path)) as picture:
        turned = Image.Image.getexif(picture).get(ORIENTATION) in SIDEWAYS  # PNG's own getexif decodes the pixels
        swapped = getattr(picture, "tag_v2", {}).get(ORIENTATION) in SIDEWAYS  # of a TIFF, by Pillow at opening
        return (picture.height, picture.width) if turned == swapped else (picture.width, picture.height)


def kind_of(path: Path | str) -> str:
    """Pillow's name of the format that a path's suffix names.

    Raises:
        ValueError: it names none of SUFFIXES.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: no image format {suffix!r}; wanted one of {', '.join(SUFFIXES)}")
    return Image.registered_extensions()[suffix]
