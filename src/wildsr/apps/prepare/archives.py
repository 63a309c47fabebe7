"""Images out of archives that may be damaged or hostile: nothing is written outside the folder given.

Archives are .zip and plain .tar. Only image files are taken, each written whole or not at all.
"""

from __future__ import annotations

import calendar
import lzma
import os
import posixpath
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from rich.filesize import decimal

from wildsr.apps.prepare.disk import require_space
from wildsr.images import SUFFIXES
from wildsr.io import UserError, first_line, write_whole

# Photographs hardly compress: what grows a hundredfold is made to fill disks. A small one may grow to 100 MB.
GROWTH, HARMLESS = 100, 100_000_000
ARCHIVES = (".zip", ".tar")
# What the standard library raises on damaged archives; RuntimeError: encrypted, or an unknown compression.
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error,
    EOFError, RuntimeError, UnicodeError, OverflowError,
)  # fmt: skip


class BadArchiveError(UserError):
    """A fault of the archive itself, not of the machine that unpacks it."""


@dataclass(frozen=True)
class Member:
    """A member of an archive that is no folder: its path there, bytes, date in seconds since 1970, how to read it."""

    name: str
    size: int
    date: int
    is_plain: bool  # neither a link nor a device
    open: Callable[[], IO[bytes] | None]

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.name).parts

    @property
    def is_image(self) -> bool:
        """Return whether it is one by its name, as for `images.find_images`; macOS adds hidden ones, and __MACOSX."""
        hidden = any(part.startswith((".", "__MACOSX")) for part in self.parts)
        return not hidden and PurePosixPath(self.name).suffix.lower() in SUFFIXES


def unpack(
    archive: Path,
    folder: Path,
    takes: Callable[[Sequence[str]], bool] = lambda parts: True,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Write an archive's images under `folder`, without the folders that all of them share.

    Images keep the date they have in the archive. Those that are there already are not written again.

    Args:
        archive: a .zip or .tar file.
        folder: where the images go.
        takes: whether a member whose path has these parts is wanted.
        advance: called with the number of images done and of all.

    Returns:
        How many images of the archive are in `folder` now.

    Raises:
        BadArchiveError: it is no archive, damaged, holds no image, an unsafe path, a link or a device, or
            unpacks to far more than photographs would.
        UserError: the images do not fit on the disk.
    """
    try:
        opened: tarfile.TarFile | zipfile.ZipFile
        # tar first: a tar whose last file is a zip would pass for a zip.
        try:
            opened = tarfile.TarFile.open(archive, "r:")
        except tarfile.ReadError:
            if not zipfile.is_zipfile(archive):
                raise BadArchiveError(f"{archive}: neither a zip nor a plain tar archive") from None
            opened = zipfile.ZipFile(archive)
        with opened:
            members = _tar_members(opened) if isinstance(opened, tarfile.TarFile) else _zip_members(opened)
            return _write_all(archive, members, folder, takes, advance)
    except DAMAGE as error:
        raise BadArchiveError(f"{archive}: damaged archive ({first_line(error)})") from error


def _zip_members(zipped: zipfile.ZipFile) -> Iterator[Member]:
    for info in zipped.infolist():
        if info.is_dir():
            continue
        is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)  # 0: made where files have no kinds
        try:
            date = calendar.timegm((*info.date_time, 0, 0, 0))  # it has no time zone, and may be no date at all
        except ValueError:
            date = 0
        yield Member(info.filename, info.file_size, date, is_plain, partial(zipped.open, info))


def _tar_members(tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        if info.isdir():
            continue
        is_plain = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
        date = min(max(int(info.mtime), 0), 2**32)
        yield Member(info.name, info.size, date, is_plain, partial(tar.extractfile, info))
    # tarfile takes an unreadable header for the end, and images would be lost without a word.
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"cut off or unreadable at byte {tar.offset}")


def _write_all(
    archive: Path,
    members: Iterator[Member],
    folder: Path,
    takes: Callable[[Sequence[str]], bool],
    advance: Callable[[int, int], object],
) -> int:
    """Check all members, then write the images among them that are wanted. Raises as `unpack`."""
    content = list(_checked(archive, members))
    taken = [member for member in content if member.is_image and takes(member.parts)]
    if not taken:
        inner = any(member.name.lower().endswith(ARCHIVES) for member in content)
        hint = "; there are archives in it: put those in its place" if inner else ""
        raise BadArchiveError(f"{archive}: no image in it, no *{', *'.join(SUFFIXES)}{hint}")
    shared = len(PurePosixPath(posixpath.commonpath([posixpath.dirname(member.name) for member in taken])).parts)
    targets = [(member, folder.joinpath(*member.parts[shared:])) for member in taken]
    missing = [(member, path) for member, path in targets if not _is_there(member, path)]
    require_space(folder, sum(member.size for member, _ in missing), f"unpacking {archive.name}")
    for done, (member, path) in enumerate(missing, len(targets) - len(missing)):
        advance(done, len(targets))
        write_whole(path, partial(_copy, archive, member))
        os.utime(path, (member.date, member.date))
    advance(len(targets), len(targets))
    return len(targets)


def _checked(archive: Path, members: Iterator[Member]) -> Iterator[Member]:
    """Yield the members, each checked before any is written.

    Raises:
        BadArchiveError: a link or a device, a path that leads outside or cannot be shown, one given twice, or too
            much in all.
    """
    limit = max(GROWTH * archive.stat().st_size, HARMLESS)
    total, seen = 0, set()
    for member in members:
        if not member.is_plain:
            raise BadArchiveError(f"{archive}: holds {member.name!a}, a link or a device; only plain files are taken")
        path = PurePosixPath(member.name)
        if (
            path.is_absolute() or ".." in path.parts or "\\" in member.name
            or PureWindowsPath(member.name).drive or not member.name.isprintable()
        ):  # fmt: skip
            raise BadArchiveError(f"{archive}: unsafe path {member.name!a} in this archive; nothing of it is taken")
        if path in seen:
            raise BadArchiveError(f"{archive}: holds {member.name!a} twice")
        seen.add(path)
        total += member.size
        if total > limit:
            raise BadArchiveError(f"{archive}: unpacks to more than {decimal(limit)}, so it holds no photographs")
        yield member


def _is_there(member: Member, path: Path) -> bool:
    return path.is_file() and (path.stat().st_size, int(path.stat().st_mtime)) == (member.size, member.date)


def _copy(archive: Path, member: Member, file: IO[bytes]) -> None:
    content = member.open()
    assert content is not None  # only links and folders have none
    with content:
        shutil.copyfileobj(content, file)
    if file.tell() != member.size:
        raise BadArchiveError(f"{archive}: damaged archive ({member.name!a} has {file.tell()} of {member.size} bytes)")
