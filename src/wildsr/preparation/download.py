"""Downloads that survive what networks do: they break off, state wrong lengths, change the file meanwhile.

Bytes arrive in NAME.part, and NAME.part.json says of which version of which file they are; NAME itself
appears when the file is whole and its digest right.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

import wildsr
from wildsr.images import first_line, write_whole
from wildsr.preparation.space import require_space

CHUNK = 1 << 18  # bytes a read: a broken connection loses at most what was under way
BUSY = (408, 425, 429)  # answers below 500 that ask to come back later (RFC 9110, 8470, 6585)
ADVANCE = 100  # a hundredth of the file more than ever before counts as progress and renews the patience

Report = Callable[[int, int | None], object]


class RefusedError(ValueError):
    """The server does not send the file, however often it is asked."""


@dataclass(frozen=True)
class Version:
    """Which version of a file a server sends: its validators (RFC 9110) and its announced length in bytes."""

    url: str
    etag: str | None
    modified: str | None
    total: int | None

    @classmethod
    def of(cls, url: str, response: HTTPResponse) -> Version:
        """Read from the headers of an answer, to a whole request (200) or a ranged one (206)."""
        if response.status == 206:
            total = _whole(response.headers.get("Content-Range", "").rpartition("/")[2])
        else:
            total = _whole(response.headers.get("Content-Length", ""))
        return cls(url, response.headers.get("ETag"), response.headers.get("Last-Modified"), total)

    def agrees(self, other: Version, published: bool) -> bool:
        """Whether two answers may be parts of one file: what both of them state is equal.

        A published length makes the announced ones idle: servers that state them wrong do send the file.
        """
        stated = [(self.etag, other.etag), (self.modified, other.modified)]
        if not published:
            stated.append((str(self.total or ""), str(other.total or "")))
        return all(mine == theirs for mine, theirs in stated if mine and theirs)

    def condition(self) -> str | None:
        """The value of If-Range: weak tags are not allowed there."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.modified


@dataclass(frozen=True)
class Patience:
    """When to give up on a server.

    Args:
        attempts: how often in a row a transfer may break off without progress.
        pause: seconds before the second attempt, doubled for each further one.
        timeout: seconds without a byte until a connection counts as broken.
    """

    attempts: int = 6
    pause: float = 1.0
    timeout: float = 60.0


PATIENCE = Patience()


def fetch(
    url: str,
    target: Path,
    size: int | None = None,
    digest: str | None = None,
    report: Report = lambda have, total: None,
    patience: Patience = PATIENCE,
) -> Path:
    """Bring a file over HTTP, continuing where an earlier call was cut off.

    Args:
        url: its address.
        target: where it goes; a file that is there already is taken as it is.
        size: its length in bytes; None trusts the length that the server announces.
        digest: "sha256:…" or "md5:…", as hexadecimal digits.
        report: called with the bytes that are there and the bytes wanted (None: unknown).
        patience: with a server that breaks off.

    Raises:
        RefusedError: the server refuses, or breaks off too often.
        ValueError: the digest differs, or the disk is too small.
        OSError: the disk cannot be written.
    """
    if target.exists():
        return target
    transfer = _Transfer(url, target, size, report, patience.timeout)
    _insist(transfer, patience)
    _check(transfer.part, url, digest)
    transfer.part.replace(target)
    transfer.note.unlink(missing_ok=True)
    return target


def _insist(transfer: _Transfer, patience: Patience) -> None:
    """Ask until the file is whole. Raises as `fetch`."""
    failures, furthest = 0, transfer.have
    while not transfer.whole:
        trouble = transfer.attempt()
        if transfer.have >= furthest + max((transfer.total or 0) // ADVANCE, 1):
            failures, furthest = 0, transfer.have
        elif trouble and (failures := failures + 1) >= patience.attempts:
            wanted = "unknown" if transfer.total is None else transfer.total
            raise RefusedError(
                f"{transfer.url}: {trouble}, {failures} times in a row, at byte {transfer.have} of {wanted}; "
                "the same command continues there"
            )
        if trouble:
            time.sleep(patience.pause * 2 ** max(failures - 1, 0))


class _Transfer:
    """The state of one download: the bytes in NAME.part, and of which version they are."""

    def __init__(self, url: str, target: Path, size: int | None, report: Report, timeout: float) -> None:
        self.url, self.size, self.report, self.timeout = url, size, report, timeout
        self.part = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        self.part.parent.mkdir(parents=True, exist_ok=True)
        self.ended = False  # the server ended a file of unknown length
        self.version = self._noted()
        self.have = self.part.stat().st_size if self.part.exists() else 0
        if self.version is None or (self.total is not None and self.have > self.total):
            self._begin_anew()  # bytes of a file one knows nothing about continue nothing

    @property
    def total(self) -> int | None:
        """The bytes wanted: the published length goes before the announced one."""
        return self.size if self.size is not None or self.version is None else self.version.total

    @property
    def whole(self) -> bool:
        return self.ended or (self.total is not None and self.have == self.total)

    def attempt(self) -> str:
        """One request. Returns what went wrong; "" where it brought bytes up to the announced end.

        Raises:
            RefusedError: the server refuses for good.
            ValueError: the disk is too small.
        """
        try:
            response = urllib.request.urlopen(self._request(), timeout=self.timeout)
        except HTTPError as error:
            return self._refused(error)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)  # urllib wraps what happened
            return first_line(reason if isinstance(reason, Exception) else error)
        with response:
            if not self._accept(response):
                return "the server's ranges do not fit together"
            trouble = self._receive(response)
        return "" if self.whole else trouble or "the server broke off"

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": f"wildsr/{wildsr.__version__}", "Accept-Encoding": "identity"}
        if self.have and self.version is not None:
            headers["Range"] = f"bytes={self.have}-"
            if condition := self.version.condition():
                headers["If-Range"] = condition
        return urllib.request.Request(self.url, headers=headers)

    def _accept(self, response: HTTPResponse) -> bool:
        """Find out whether the answer continues what is there; otherwise begin anew."""
        version = Version.of(self.url, response)
        if response.status == 206:
            begins = _whole(response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0])
            known = self.version is not None and self.version.agrees(version, self.size is not None)
            if begins != self.have or not known:
                self._begin_anew()
                return False
        else:
            self._begin_anew()
            self.version = version
            self._keep_note(version)
        if self.total is not None:
            require_space(self.part.parent, self.total - self.have, f"downloading {self.part.stem}")
        return True

    def _receive(self, response: HTTPResponse) -> str:
        """Write what comes, up to the length wanted. Returns what broke it off; "" for an orderly end."""
        announced = response.length is not None
        trouble = ""
        with self.part.open("ab") as file:
            try:
                for chunk in _chunks(response):
                    room = len(chunk) if self.total is None else self.total - self.have
                    self.have += file.write(chunk[:room])
                    self.report(self.have, self.total)
                    if self.whole:
                        break
            except _BrokenOffError as error:
                trouble = str(error)
            file.flush()
            os.fsync(file.fileno())
        self.ended = not (announced or trouble) and self.total is None
        return trouble

    def _refused(self, error: HTTPError) -> str:
        """Answer an error status: what to say before another attempt.

        Raises:
            RefusedError: another attempt cannot help.
        """
        if error.code == 416 and self.version is not None:
            # Nothing comes after our last byte: the announced length was wrong, or the file is another now.
            real = _whole(error.headers.get("Content-Range", "").rpartition("/")[2])
            if self.size is None and real == self.have:
                self.version = replace(self.version, total=real)
                self._keep_note(self.version)
                return ""
            self._begin_anew()
        elif error.code < 500 and error.code not in BUSY:
            raise RefusedError(f"{self.url}: the server answers {error.code} {error.reason}") from None
        return f"the server answers {error.code} {error.reason}"

    def _begin_anew(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.have, self.version = 0, None

    def _noted(self) -> Version | None:
        try:
            noted = Version(**json.loads(self.note.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return noted if noted.url == self.url else None

    def _keep_note(self, version: Version) -> None:
        write_whole(self.note, lambda file: file.write(json.dumps(asdict(version)).encode()))


class _BrokenOffError(Exception):
    """The network failed while bytes came; unlike an error of the disk it is worth another attempt."""


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _BrokenOffError(first_line(error)) from error


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _check(part: Path, url: str, digest: str | None) -> None:
    """Compare the digest of a whole download; a wrong one is set aside as NAME.damaged."""
    if digest is None:
        return
    kind, _, wanted = digest.partition(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != wanted:
        aside = part.with_name(f"{part.stem}.damaged")
        part.replace(aside)
        raise ValueError(
            f"{url}: damaged: {kind} is {found}, wanted {wanted}; it is set aside as {aside}, and the same "
            f"command downloads it anew; where you know better, rename it to {part.stem}"
        )
