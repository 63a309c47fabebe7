"""Pictures out of archives that may be damaged or hostile: nothing is written outside the folder given.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from wildsr.images import SUFFIXES, first_line, write_whole
from wildsr.preparation.space import readable, require_space

# Photographs hardly compress: what grows a hundredfold is made to fill disks. A small one may grow to 100 MB.
GROWTH, HARMLESS = 100, 100_000_000
ARCHIVES = (".zip", ".tar")
# What the standard library raises on damaged archives; RuntimeError: encrypted, or an unknown compression.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    UnicodeError,
    OverflowError,
)


class BadArchiveError(ValueError):
    """What is wrong lies in the archive itself, not in the machine that unpacks it."""


@dataclass(frozen=True)
class Member:
    """A file in an archive: its path there, bytes, date in seconds since 1970, and how to read it."""

    name: str
    size: int
    date: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folder: Path,
    takes: Callable[[Sequence[str]], bool] = lambda parts: True,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Write an archive's pictures under `folder`, without the folders that all of them share.

    Pictures keep the date they have in the archive. Those that are there already are not written again.

    Args:
        archive: a .zip or .tar file.
        folder: where the pictures go.
        takes: whether a member whose path has these parts is wanted.
        advance: called with the number of pictures done and of all.

    Returns:
        How many pictures of the archive are in `folder` now.

    Raises:
        BadArchiveError: it is no archive, damaged, holds no picture, an unsafe path, a link or a device, or
            unpacks to far more than photographs would.
        ValueError: the pictures do not fit on the disk.
    """
    with _opened(archive) as members:
        taken = _chosen(archive, list(_checked(archive, members)), takes)
        shared = _shared(taken)
        jobs = [(member, folder.joinpath(*_parts(member)[shared:])) for member in taken]
        missing = [(member, path) for member, path in jobs if not _there(member, path)]
        require_space(folder, sum(member.size for member, _ in missing), f"unpacking {archive.name}")
        for done, (member, path) in enumerate(missing, len(jobs) - len(missing)):
            advance(done, len(jobs))
            _write(archive, member, path)
        advance(len(jobs), len(jobs))
    return len(jobs)


def _chosen(archive: Path, content: Sequence[Member], takes: Callable[[Sequence[str]], bool]) -> list[Member]:
    """The wanted pictures among the members of an archive; none is an error."""
    taken = [member for member in content if _is_picture(member) and takes(_parts(member))]
    if not taken:
        inner = any(member.name.lower().endswith(ARCHIVES) for member in content)
        hint = "; there are archives in it: put those in its place" if inner else ""
        raise BadArchiveError(f"{archive}: no picture in it, no *{', *'.join(SUFFIXES)}{hint}")
    return taken


@contextmanager
def _opened(archive: Path) -> Iterator[Iterable[Member]]:
    """The files in an archive. Its errors, here and in the body, become BadArchiveErrors that name it."""
    try:
        # tar first: a tar whose last file is a zip would pass for a zip.
        try:
            tar = tarfile.TarFile.open(archive, "r:")
        except tarfile.ReadError:
            if not zipfile.is_zipfile(archive):
                raise BadArchiveError(f"{archive}: neither a zip nor a plain tar archive") from None
            with zipfile.ZipFile(archive) as zipped:
                yield _zip_members(archive, zipped)
        else:
            with tar:
                yield _tar_members(archive, tar)
    except DAMAGE as error:
        raise BadArchiveError(f"{archive}: damaged archive ({first_line(error)})") from error


def _zip_members(archive: Path, zipped: zipfile.ZipFile) -> Iterator[Member]:
    for info in zipped.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadArchiveError(f"{archive}: holds {info.filename!a}, a link or a device; only plain files are taken")
        if not info.is_dir():
            yield Member(info.filename, info.file_size, _date(info.date_time), partial(zipped.open, info))


def _tar_members(archive: Path, tar: tarfile.TarFile) -> Iterator[Member]:
    for info in tar:
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            raise BadArchiveError(f"{archive}: holds {info.name!a}, a link or a device; only plain files are taken")
        if info.isreg():
            date = min(max(int(info.mtime), 0), 2**32)
            yield Member(info.name, info.size, date, partial(_content, tar, info))
    # tarfile takes an unreadable header for the end, and pictures would be lost without a word.
    with archive.open("rb") as file:
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise BadArchiveError(f"{archive}: damaged archive (cut off or unreadable at byte {tar.offset})")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None  # only links and folders have none
    return content


def _date(fields: tuple[int, int, int, int, int, int]) -> int:
    """A zip's date, which has no time zone, taken as UTC; 0 where it is none."""
    try:
        return calendar.timegm((*fields, 0, 0, 0))
    except ValueError:
        return 0


def _checked(archive: Path, members: Iterable[Member]) -> Iterator[Member]:
    """The members as they are, checked one by one before any is written.

    Raises:
        BadArchiveError: a path that leads outside or cannot be shown, a path given twice, or too much in all.
    """
    limit = max(GROWTH * archive.stat().st_size, HARMLESS)
    total, seen = 0, set()
    for member in members:
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
            raise BadArchiveError(f"{archive}: unpacks to more than {readable(limit)}, so it holds no photographs")
        yield member


def _parts(member: Member) -> tuple[str, ...]:
    return PurePosixPath(member.name).parts


def _is_picture(member: Member) -> bool:
    """By its name, as `images.find_images` has it; what macOS adds to archives is hidden or in __MACOSX."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in _parts(member))
    return not hidden and PurePosixPath(member.name).suffix.lower() in SUFFIXES


def _shared(members: Sequence[Member]) -> int:
    """How many leading folders all members have in common."""
    folders = [str(PurePosixPath(member.name).parent) for member in members]
    return len(PurePosixPath(posixpath.commonpath(folders)).parts)


def _there(member: Member, path: Path) -> bool:
    if not path.is_file():
        return False
    state = path.stat()
    return state.st_size == member.size and int(state.st_mtime) == member.date


def _write(archive: Path, member: Member, path: Path) -> None:
    def copy(file: IO[bytes]) -> None:
        with member.open() as content:
            shutil.copyfileobj(content, file)
        if file.tell() != member.size:
            raise BadArchiveError(
                f"{archive}: damaged archive ({member.name!a} has {file.tell()} of {member.size} bytes)"
            )

    write_whole(path, copy)
    os.utime(path, (member.date, member.date))
