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
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import wildsr
from wildsr.apps.prepare.disk import require_space
from wildsr.io import UserError, first_line, write_whole

CHUNK = 1 << 18  # bytes a read: a broken connection loses at most what was under way
BUSY = (408, 425, 429)  # answers below 500 that ask to come back later (RFC 9110, 8470, 6585)
ADVANCE = 100  # a hundredth of the file more than ever before counts as progress and renews the patience
VALIDATORS = ("ETag", "Last-Modified")  # what tells one version of a file from another (RFC 9110)


class RefusedError(UserError):
    """The server does not send the file, however often it is asked."""


def fetch(
    url: str,
    target: Path,
    size: int | None = None,
    digest: str | None = None,
    report: Callable[[int, int | None], object] = lambda have, total: None,
    attempts: int = 6,
    pause: float = 1.0,
    timeout: float = 60.0,
) -> Path:
    """Bring a file over HTTP, continuing where an earlier call was cut off.

    Args:
        url: its address.
        target: where it goes; a file that is there already is taken as it is.
        size: its length in bytes; None trusts the length that the server announces.
        digest: "sha256:…" or "md5:…", as hexadecimal digits.
        report: called with the bytes that are there and the bytes wanted (None: unknown).
        attempts: how often in a row a transfer may break off without progress.
        pause: seconds before the second attempt, doubled for each further one.
        timeout: seconds without a byte until a connection counts as broken.

    Raises:
        RefusedError: the server refuses, or breaks off too often.
        UserError: the digest differs, or the disk is too small.
        OSError: the disk cannot be written.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    transfer = _Transfer(url, target, size, report, timeout)
    failures, furthest = 0, transfer.have
    while not transfer.is_complete:
        trouble = transfer.attempt()
        if transfer.have >= furthest + max((transfer.total or 0) // ADVANCE, 1):
            failures, furthest = 0, transfer.have
        elif trouble and (failures := failures + 1) >= attempts:
            wanted = "unknown" if transfer.total is None else transfer.total
            raise RefusedError(
                f"{url}: {trouble}, {failures} times in a row, at byte {transfer.have} of {wanted}; "
                "the same command continues there"
            )
        if trouble:
            time.sleep(pause * 2 ** max(failures - 1, 0))
    _check(transfer.part, url, digest)
    transfer.part.replace(target)
    transfer.note.unlink(missing_ok=True)
    return target


class _Transfer:
    """The state of one download: `have` bytes in NAME.part, of the version that `known` describes.

    `known` holds the address, the validators and the announced length; nothing, where nothing is there.
    """

    def __init__(
        self, url: str, target: Path, size: int | None, report: Callable[[int, int | None], object], timeout: float
    ) -> None:
        self.url, self.size, self.report, self.timeout = url, size, report, timeout
        self.part = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        self.ended = False  # the server ended a file of unknown length
        self.known: dict[str, Any] = {}
        self.have = 0
        try:
            self.known, self.have = json.loads(self.note.read_text(encoding="utf-8")), self.part.stat().st_size
            fits = self.known["url"] == url and (self.total is None or self.have <= self.total)
        except (OSError, ValueError, TypeError, KeyError):
            fits = False
        if not fits:
            self._begin_anew()  # bytes of a file one knows nothing about continue nothing

    @property
    def total(self) -> int | None:
        """Return the bytes wanted: the published length goes before the announced one."""
        return self.size if self.size is not None else self.known.get("total")

    @property
    def is_complete(self) -> bool:
        return self.ended or (self.total is not None and self.have == self.total)

    def attempt(self) -> str:
        """Make one request. Returns what went wrong; "" where it brought bytes up to the announced end.

        Raises:
            RefusedError: the server refuses for good.
            UserError: the disk is too small.
        """
        headers = {"User-Agent": f"wildsr/{wildsr.__version__}", "Accept-Encoding": "identity"}
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
            conditions = [value for name in VALIDATORS if (value := self.known.get(name)) and value[:2] != "W/"]
            if conditions:  # weak tags are not allowed there
                headers["If-Range"] = conditions[0]
        try:
            response = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=self.timeout)
        except HTTPError as error:
            return self._refused(error)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)  # urllib wraps what happened
            return first_line(reason if isinstance(reason, Exception) else error)
        with response:
            if not self._accept(response):
                return "the server's ranges do not fit together"
            trouble = self._receive(response)
        return "" if self.is_complete else trouble or "the server broke off"

    def _accept(self, response: HTTPResponse) -> bool:
        """Find out whether the answer continues what is there; otherwise begin anew."""
        sent: dict[str, Any] = {name: response.headers.get(name) for name in VALIDATORS}
        if response.status == 206:
            span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            # A published length makes the announced ones idle: servers that state them wrong do send the file.
            sent["total"] = _whole(total) if self.size is None else None
            fits = all(self.known.get(name) in (None, value) for name, value in sent.items() if value)
            if not (self.known and fits and _whole(span.partition("-")[0]) == self.have):
                self._begin_anew()
                return False
        else:
            self._begin_anew()
            self._keep({"url": self.url, "total": _whole(response.headers.get("Content-Length", "")), **sent})
        if self.total is not None:
            require_space(self.part.parent, self.total - self.have, f"downloading {self.part.stem}")
        return True

    def _receive(self, response: HTTPResponse) -> str:
        """Write what comes, up to the length wanted. Returns what broke it off; "" for an orderly end."""
        announced, trouble = response.length is not None, ""
        with self.part.open("ab") as file:
            while not self.is_complete:
                try:
                    chunk = response.read1(CHUNK)
                except (OSError, HTTPException) as error:
                    trouble = first_line(error)
                    break
                if not chunk:
                    break
                self.have += file.write(chunk if self.total is None else chunk[: self.total - self.have])
                self.report(self.have, self.total)
            file.flush()
            os.fsync(file.fileno())
        self.ended = not (announced or trouble) and self.total is None
        return trouble

    def _refused(self, error: HTTPError) -> str:
        """Answer an error status: what to say before another attempt.

        Raises:
            RefusedError: another attempt cannot help.
        """
        if error.code == 416:
            # Nothing comes after our last byte: the announced length was wrong, or the file is another now.
            real = _whole(error.headers.get("Content-Range", "").rpartition("/")[2])
            if self.known and self.size is None and real == self.have:
                self._keep({**self.known, "total": real})
                return ""
            self._begin_anew()
        elif error.code < 500 and error.code not in BUSY:
            raise RefusedError(f"{self.url}: the server answers {error.code} {error.reason}") from None
        return f"the server answers {error.code} {error.reason}"

    def _begin_anew(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.have, self.known = 0, {}

    def _keep(self, known: dict[str, Any]) -> None:
        self.known = known
        write_whole(self.note, lambda file: file.write(json.dumps(known).encode()))


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
        raise UserError(
            f"{url}: damaged: {kind} is {found}, wanted {wanted}; it is set aside as {aside}, and the same "
            f"command downloads it anew; where you know better, rename it to {part.stem}"
        )
