"""Formats of image files, in Pillow's words: which are read, which are written, and by which suffix of a name."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import features

from wildsr.io import UserError, choose_from

# Read by what is in a file, whatever its name. Left out on purpose: what Pillow hands to other programs (EPS, WMF),
# what holds no image of levels (FITS, PFM), and what nobody keeps photographs in.
READ = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "AVIF": (".avif", ".avifs"),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga", ".vda", ".icb", ".vst"),
    "DDS": (".dds",),
    "ICO": (".ico",),
    "PCX": (".pcx",),
    "QOI": (".qoi",),
    "SGI": (".sgi",),
    "HEIF": (".heic", ".heif", ".hif"),  # this and the next by one of PLUGINS
    "JXL": (".jxl",),
}
WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif")
OPTIONAL = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}  # of how Pillow was built
LOSSY = ("JPEG", "AVIF")  # Pillow's AVIF converts to YCbCr: up to 3 levels off at quality 100 and 4:4:4
WITH_QUALITY = ("JPEG", "WEBP", "AVIF")
UNSIGNED = ("TGA",)  # begins with no signature: any bytes may pass for it, so the name has to say it


class Plugin(NamedTuple):
    """A package that teaches Pillow a format: its module, and its function that does so; "" where importing does."""

    package: str
    module: str
    register: str = ""


# Of HEIC there are two packages of one author: pi-heif's wheels only decode and are LGPL, pillow-heif's hold x265 and
# are GPL. pillow-jxl-plugin is GPL-3.0-or-later.
PLUGINS = {
    "HEIF": Plugin("pi-heif", "pi_heif", "register_heif_opener"),
    "JXL": Plugin("pillow-jxl-plugin", "pillow_jxl"),
}


def _is_installed(kind: str) -> bool:
    if kind in PLUGINS:
        return importlib.util.find_spec(PLUGINS[kind].module) is not None
    return kind not in OPTIONAL or bool(features.check(OPTIONAL[kind]))


# Of files that are read, and of those that are written
SUFFIXES = tuple(suffix for kind, suffixes in READ.items() if _is_installed(kind) for suffix in suffixes)
OUTPUT_SUFFIXES = tuple(suffix for suffix in WRITTEN if suffix in SUFFIXES)


@cache
def readable_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are read here; what plugins bring is registered on the way."""
    readable = tuple(kind for kind in READ if _is_installed(kind))
    for plugin in (PLUGINS[kind] for kind in readable if kind in PLUGINS):
        module = importlib.import_module(plugin.module)
        if plugin.register:
            getattr(module, plugin.register)()
    return readable


def missing_package(name: str) -> str:
    """Return the package that would read a file of this name; "" where none is missing."""
    suffix = Path(name).suffix.lower()
    return next((p.package for kind, p in PLUGINS.items() if suffix in READ[kind] and not _is_installed(kind)), "")


def kind_of(path: Path | str) -> str:
    """Return Pillow's name of the format that is written to a file of this name.

    Raises:
        UserError: its suffix names none of OUTPUT_SUFFIXES.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in OUTPUT_SUFFIXES:
        raise UserError(f"{path}: no image format {suffix!r}; {choose_from(OUTPUT_SUFFIXES)}")
    return next(kind for kind, suffixes in READ.items() if suffix in suffixes)
