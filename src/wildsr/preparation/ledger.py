"""What has been prepared in a folder, written down as it happens: a run that was cut off continues there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from wildsr.preparation.cutting import Outcome, Plan, outputs

NAME = "prepared.jsonl"


@dataclass(frozen=True)
class Entry:
    """A picture that was dealt with: which version of it (`stamp`), and what became of it."""

    stamp: str
    outcome: Outcome


class Ledger:
    """The record of one prepared folder: a file of JSON lines, held open and locked.

    Args:
        folder: where the prepared pictures go.
        options: what decides how they look; a folder holds pictures of one set of options.

    Raises:
        ValueError: the folder holds pictures of other options or of unknown origin, or another process is at
            work in it.
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.folder, self.options = folder, options
        self.pictures: dict[str, Entry] = {}
        self.complete: dict[str, str] = {}  # archive's stem -> fingerprint of what was placed of it
        self.downloaded: set[str] = set()
        path = folder / NAME
        self._empty = not any((folder / split).exists() for split in ("train", "val"))
        if not (path.exists() or self._empty):
            raise ValueError(f"{folder}: holds pictures that wildsr prepare did not put there; choose another --output")
        folder.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            _lock(self._file.fileno(), folder)
            self._read(path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add_picture(self, key: str, stamp: str, outcome: Outcome) -> None:
        self._append({"picture": key, "stamp": stamp, "outcome": asdict(outcome)})

    def add_download(self, name: str) -> None:
        """An archive that is ours to remove."""
        self._append({"downloaded": name})

    def add_removal(self, name: str) -> None:
        """The archive is gone; one of its name that turns up later is not ours."""
        self._append({"removed": name})

    def add_complete(self, stem: str, fingerprint: str) -> None:
        """Every picture of an archive has been dealt with."""
        self._append({"complete": stem, "placed": fingerprint})

    def is_done(self, key: str, plan: Plan | None, stamp: str | None = None) -> bool:
        """Whether the picture, in this version where a stamp is given, was dealt with and is all there."""
        entry = self.pictures.get(key)
        if entry is None or stamp not in (None, entry.stamp):
            return False
        return bool(entry.outcome.damaged) or self._all_there(
            outputs(key, entry.outcome.width, entry.outcome.height, plan)
        )

    def remove_old(self, key: str, plan: Plan | None) -> None:
        """Remove what an earlier version of the picture became: it may have had more sub-images."""
        entry = self.pictures.get(key)
        if entry is not None and not entry.outcome.damaged:
            for name in outputs(key, entry.outcome.width, entry.outcome.height, plan):
                (self.folder / name).unlink(missing_ok=True)

    def damaged(self, keys: Iterable[str]) -> list[str]:
        """Why pictures among `keys` could not be read."""
        entries = (self.pictures.get(key) for key in keys)
        return [entry.outcome.damaged for entry in entries if entry is not None and entry.outcome.damaged]

    def _all_there(self, names: list[str]) -> bool:
        # One listing instead of a hundred questions: a set has hundreds of thousands of sub-images.
        if len(names) == 1:
            return (self.folder / names[0]).is_file()
        folder = self.folder / PurePosixPath(names[0]).parent
        try:
            present = {entry.name for entry in os.scandir(folder)}
        except OSError:
            return False
        return all(PurePosixPath(name).name in present for name in names)

    def _append(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        self._take(event)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)  # a line cut short by a crash; its picture is done again
        options = None
        for line in content[:whole].splitlines():
            try:
                event = json.loads(line)
                options = event.get("options", options)
                self._take(event)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # what cannot be read has not been done
        if options is None or self._empty:
            self._append({"options": self.options})
        elif options != self.options:
            changed = ", ".join(f"{key}={value}" for key, value in options.items() if self.options.get(key) != value)
            raise ValueError(
                f"{self.folder}: prepared with {changed}; choose another --output, or remove it to begin anew"
            )

    def _take(self, event: dict[str, Any]) -> None:
        if "picture" in event:
            width, height, damaged = (event["outcome"][name] for name in ("width", "height", "damaged"))
            self.pictures[event["picture"]] = Entry(event["stamp"], Outcome(int(width), int(height), str(damaged)))
        elif "complete" in event:
            self.complete[event["complete"]] = event["placed"]
        elif "downloaded" in event:
            self.downloaded.add(event["downloaded"])
        elif "removed" in event:
            self.downloaded.discard(event["removed"])


def _lock(file: int, folder: Path) -> None:
    """Keep a second process out until this one ends; without effect where the system has no such locks."""
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{folder}: another wildsr prepare is at work there") from None
    except OSError:
        return  # a file system without locks
