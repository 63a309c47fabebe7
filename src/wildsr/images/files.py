"""Image files: which there are, and opening one safely."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PLANAR_CONFIGURATION

from wildsr.images.formats import READ, SUFFIXES, UNSIGNED, missing_package, readable_formats
from wildsr.images.limits import TooManyPixelsError, open_limited, own_limits
from wildsr.io import UserError, expanded, first_line, printable

ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)  # EXIF, and those of its values that swap the sides
WITHOUT_LEVELS = ("I", "F", "LAB", "HSV")  # 32-bit numbers without a range, and colours that Pillow does not convert


def find_images(folder: Path | str) -> list[Path]:
    """List the image files of a folder and its sub-folders, sorted by path; hidden files are left out.

    Links are followed, wherever they lead. A folder that is linked into itself is entered once; a link to nothing is
    listed, and is not readable when it is its turn.

    Raises:
        UserError: the folder does not exist, or holds no file with one of SUFFIXES.
    """
    root = expanded(folder)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    named = (path for path in walk(root) if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    found = sorted(path for path in named if path.is_file() or (path.is_symlink() and not path.exists()))
    if not found:
        content = "nothing" if not any(root.iterdir()) else "no image"
        raise UserError(f"{root}: {content} in this folder; wanted files named *{', *'.join(SUFFIXES)}")
    return found


def walk(
    folder: Path, above: frozenset[str] = frozenset(), denied: Callable[[Path], object] = lambda folder: None
) -> Iterator[Path]:
    """Yield everything in a folder and its sub-folders that is no folder; links are followed, loops passed over.

    Args:
        above: the real places of the folders on the way here.
        denied: called with each folder that may not be read, which is passed over.
    """
    way = above | {os.path.realpath(folder)}
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except PermissionError:
        denied(folder)
        return
    for entry in entries:
        path = folder / entry.name
        if not (path.is_dir() if entry.is_symlink() else entry.is_dir()):  # of an entry it costs no call to the disk
            yield path
        elif os.path.realpath(path) not in way:
            yield from walk(path, way, denied)


def file_state(path: Path) -> os.stat_result:
    """Return size and dates of a file; those of the link itself where it leads nowhere."""
    return path.stat() if path.exists() else path.lstat()


@contextmanager
def opened(source: Path | str | IO[bytes], name: str, max_pixels: int | None = None) -> Iterator[ImageFile.ImageFile]:
    """Open an image by Pillow, for use and decoding within the block.

    Args:
        source: a file, or an open one that can be rewound.
        name: what messages call it.
        max_pixels: as for `limits.require_fitting`.

    Raises:
        UserError: the file is missing, damaged, no image of `readable_formats`, of too many pixels or of
            pixels without a range, or what the block does with it fails. One line, that begins with `name`.
    """
    suffix = Path(source if isinstance(source, (Path, str)) else name).suffix.lower()
    formats = [kind for kind in readable_formats() if kind not in UNSIGNED or suffix in READ[kind]]
    try:
        with warnings.catch_warnings(), own_limits():
            # About odd metadata and large sizes; what is too odd or too large is an error anyway.
            warnings.simplefilter("ignore")
            # A file, never a path: Pillow would map an uncompressed TIFF into memory, and scramble one that is turned.
            with (
                Path(source).open("rb") if isinstance(source, (Path, str)) else nullcontext(source) as file,
                open_limited(file, formats, max_pixels) as image,
            ):
                require_levels(image)
                yield image
    except FileNotFoundError:
        what = "no such file"
        if isinstance(source, (Path, str)) and (link := Path(source)).is_symlink():
            what = f"a link to {printable(link.readlink())}, which is not there"
        raise UserError(f"{name}: {what}") from None
    except TooManyPixelsError as error:
        raise TooManyPixelsError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        package = missing_package(name)
        what = f"wanted one more package: pip install {package}" if package else "or damaged"
        raise UserError(f"{name}: not a readable image (none of {', '.join(formats)}; {what})") from None
    except Exception as error:  # damaged files make Pillow raise a dozen types: OSError, SyntaxError, struct.error, …
        raise UserError(f"{name}: not a readable image ({first_line(error)})") from error


def require_levels(image: ImageFile.ImageFile) -> None:
    """Refuse pixels that are no levels of 8 or 16 bits, or that Pillow does not decode as such.

    Raises:
        UserError: it says what they are.
    """
    if image.mode in WITHOUT_LEVELS and (image.format, image.mode) != ("PPM", "I"):
        raise UserError(f"its pixels are of mode {image.mode}; wanted 8 or 16 bits a channel")
    tags = getattr(image, "tag_v2", {})
    is_planar = tags.get(PLANAR_CONFIGURATION) == 2 and max(tags.get(BITSPERSAMPLE, (8,))) > 8
    if is_planar or ";12" in layout_of(image):
        raise UserError("a TIFF with 12 bits a channel or 16 in separate planes; wanted 8, or 16 side by side")


def layout_of(image: ImageFile.ImageFile) -> str:
    """Return how the pixels lie in the file, in Pillow's words, such as RGB;16B; "" where it does not say."""
    arguments = (image.tile[0].args if image.tile else "") or ""
    return str(arguments if isinstance(arguments, str) else arguments[0])


def image_size(path: Path | str) -> tuple[int, int]:
    """Return height and width, in pixels, of what `read_image` will give, from the file's header alone.

    Raises:
        UserError: the file is missing, no image, or of too many pixels. Damage further in goes unseen.
    """
    with opened(path, str(path)) as picture:
        turned = Image.Image.getexif(picture).get(ORIENTATION) in SIDEWAYS  # PNG's own getexif decodes the pixels
        swapped = getattr(picture, "tag_v2", {}).get(ORIENTATION) in SIDEWAYS  # of a TIFF, by Pillow at opening
        return (picture.height, picture.width) if turned == swapped else (picture.width, picture.height)
