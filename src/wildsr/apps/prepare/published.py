"""Published sets from their archives: downloaded or placed by hand, unpacked, prepared, removed.

On disk, under the folder that is prepared: `archives/` and `unpacked/`, which go when they are used up.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from rich.filesize import decimal

from wildsr.apps.prepare.archives import ARCHIVES, BadArchiveError, unpack
from wildsr.apps.prepare.download import RefusedError, fetch
from wildsr.apps.prepare.preparation import Part, Preparation
from wildsr.apps.prepare.sources import Source, fingerprint
from wildsr.images import SUFFIXES, find_images, walk
from wildsr.io import UserError

log = logging.getLogger(__name__)


def prepare_published(preparation: Preparation, sources: Sequence[Source], keep_archives: bool) -> None:
    """Prepare published archives, one after the other.

    Raises:
        UserError: an archive is not to be had or damaged, too many damaged images, or too little room.
        OSError: a file cannot be written.
    """
    several = len({source.name for source in sources}) > 1
    parts = []
    for source in sources:
        if source.split == "val":
            part = Part(f"{source.name} val", "val", None)
        else:
            plan = preparation.plan
            if plan is not None and not source.scales:
                plan = replace(plan, scales=())
            folder = f"train/{source.name}" if several else "train"
            part = Part(f"{source.name} train", folder, plan, preparation.packing)
            parts.append(part)
        _prepare_source(preparation, source, part, keep_archives)
    preparation.pack(parts)


def _prepare_source(preparation: Preparation, source: Source, part: Part, keep: bool) -> None:
    placed = source.placed(preparation.root / "archives")
    keys = preparation.keys(part)
    known = preparation.manifest.complete.get(source.stem)
    unchanged = known is not None and (not placed or fingerprint(placed) == known)
    if not (unchanged and all(preparation.is_done(part, key) for key in keys)):
        preparation.has_changed = True
        placed = placed or [_download(preparation, source)]
        found = {f"{part.folder}/{name}": path for name, path in _images(preparation, source, placed).items()}
        keys = list(found)
        if len(found) != source.images:
            log.warning("%s: %d images, where %d are published", part.label, len(found), source.images)
        preparation.prepare(part, found)
        mark = fingerprint(placed)
        _tidy(preparation, source, [] if keep else placed)
        preparation.manifest.add(complete=source.stem, placed=mark)
    preparation.count(part, keys)


def _download(preparation: Preparation, source: Source) -> Path:
    archives = preparation.root / "archives"
    if source.url is None:
        raise UserError(
            f"{source.name} cannot be fetched by a program: {source.by_hand}, and put what is in it, zip "
            f"files or images, into {archives / source.stem}; then run this again"
        )
    target = archives / PurePosixPath(source.url).name
    move = preparation.bar(target.name)

    def show(have: int, total: int | None) -> None:
        move(have, total, decimal(have) + ("" if total is None else f" of {decimal(total)}"))

    try:
        fetch(source.url, target, source.size, source.digest, show)
    except RefusedError as error:
        elsewhere = f"{source.stem}.zip, {source.stem}.tar or a folder {source.stem} goes into {archives}"
        raise UserError(f"{error}; if you get it elsewhere: {elsewhere}") from error
    preparation.manifest.add(downloaded=target.name)
    return target


def _images(preparation: Preparation, source: Source, placed: Sequence[Path]) -> dict[str, Path]:
    """Find the images of what was placed, by the names they get."""
    unpacked = preparation.root / "unpacked" / source.stem
    found: dict[str, Path] = {}
    for path in placed:
        inside = Path() if len(placed) == 1 else Path(path.stem)
        if not path.is_dir():
            _unpack(preparation, source, path, unpacked / inside)
            continue
        for file in sorted(walk(path)):
            name = file.relative_to(path)
            if file.suffix.lower() in ARCHIVES and file.is_file() and source.takes(name.parts):
                _unpack(preparation, source, file, unpacked / inside / name.with_suffix(""))
        found |= _named(path, inside, source)
    found |= _named(unpacked, Path(), source)
    if not found:
        raise UserError(f"{placed[0]}: no image; wanted files named *{', *'.join(SUFFIXES)}")
    return found


def _named(folder: Path, inside: Path, source: Source) -> dict[str, Path]:
    """Find the wanted images of a folder, by the names they get; none is no error."""
    files: list[Path] = []
    with suppress(UserError):
        files = [file for file in find_images(folder) if source.takes(file.relative_to(folder).parts)]
    return {(inside / file.relative_to(folder)).as_posix(): file for file in files}


def _unpack(preparation: Preparation, source: Source, archive: Path, folder: Path) -> None:
    move = preparation.bar(f"unpacking {archive.name}")
    try:
        unpack(archive, folder, source.takes, lambda done, total: move(done, total, f"{done} of {total} images"))
    except BadArchiveError as error:
        if archive.name not in preparation.manifest.downloaded:
            raise
        aside = archive.with_name(f"{archive.name}.damaged")
        archive.replace(aside)
        preparation.manifest.add(removed=archive.name)
        raise UserError(f"{error}; it is set aside as {aside}, and the same command downloads it anew") from error


def _tidy(preparation: Preparation, source: Source, archives: Sequence[Path]) -> None:
    """Remove what is used up: unpacked images, and archives that were downloaded here."""
    shutil.rmtree(preparation.root / "unpacked" / source.stem, ignore_errors=True)
    for archive in archives:
        if archive.name in preparation.manifest.downloaded:
            archive.unlink()
            preparation.manifest.add(removed=archive.name)
    for folder in ("unpacked", "archives"):
        with suppress(OSError):  # there is no such folder, or something of yours is in it
            (preparation.root / folder).rmdir()
