"""One process at a time in a folder: a run's, a prepared data set's, an evaluation's, a video's segments."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from wildsr.io import UserError

log = logging.getLogger(__name__)

LOCK, HOLDER = ".lock", ".lock.holder"
# A file system that has no locks: NFS without its lock service, Lustre mounted without `flock`.
WITHOUT_LOCKS = {getattr(errno, name) for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP") if hasattr(errno, name)}


@contextmanager
def lock_folder(folder: Path, program: str, wait: float = 0.0) -> Iterator[None]:
    """Hold a folder's lock for the time of the block; the folder is made, and goes again if nothing came into it.

    The lock is the kernel's (`flock`), so a process that is killed leaves none behind, on NFS and other shared file
    systems it holds across nodes, and forked workers do not inherit it. Soft locks, files whose presence is the lock,
    are not used: one from a killed process on another node would stay for ever. Where the file system has no locks
    a warning says so.

    Args:
        folder: what is locked, by `.lock` in it; `.lock.holder` tells who holds it.
        program: what the message calls the holder, such as "wildsr prepare".
        wait: seconds to wait for the holder to end.

    Raises:
        UserError: another process, or another part of this one, holds it; one line with host, process and time.
        OSError: the folder cannot be written to.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    file, holder = folder / LOCK, folder / HOLDER
    lock = FileLock(file, timeout=wait, fallback_to_soft=False)
    try:
        lock.acquire()
        now = datetime.now().astimezone()
        holder.write_text(
            f"process {os.getpid()} on {socket.gethostname()}, since {now:%Y-%m-%d %H:%M:%S %z}", encoding="utf-8"
        )
    except Timeout:
        raise UserError(f"{folder}: another {program} is at work there ({read_holder(folder)})") from None
    except OSError as error:
        lock.release()
        if error.errno not in WITHOUT_LOCKS:
            raise
        log.warning(
            "%s: its file system has no locks (%s); take care that no other %s is at work there",
            folder, error.strerror, program,
        )  # fmt: skip
    log.debug("%s: locked for %s", folder, program)
    try:
        yield
    finally:
        # Still held: who waits for this very file finds it gone, and asks for the new one.
        with suppress(OSError):
            holder.unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
        lock.release()


def read_holder(folder: Path) -> str:
    """Return who holds a folder's lock, in the words that the holder left there."""
    with suppress(OSError, ValueError):
        return (folder / HOLDER).read_text(encoding="utf-8") or "it has not said who it is"
    return "it has not said who it is"
