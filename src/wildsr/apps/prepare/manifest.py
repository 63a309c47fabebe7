"""Record of what was prepared in a folder, written down as it happens: a run that was cut off continues there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NamedTuple

from wildsr.apps.prepare.cutting import Outcome, outputs
from wildsr.apps.prepare.plan import Plan
from wildsr.io import UserError
from wildsr.locking import lock_folder

NAME = "prepared.jsonl"
STORE = "train.store"
MADE = ("train", "val", STORE, f"{STORE}.part")  # what stands beside it


class Entry(NamedTuple):
    """An image that was dealt with: which version of it (`stamp`), and what became of it."""

    stamp: str
    outcome: Outcome


@contextmanager
def open_manifest(folder: Path, options: dict[str, Any]) -> Iterator[Manifest]:
    """Open the record of a folder, new or as it is, and hold the folder for the time of the block.

    Args:
        folder: where the prepared images go.
        options: what decides how they look; a folder holds images of one set of options.

    Raises:
        UserError: the folder holds images of other options or of unknown origin, or another process is at
            work in it.
    """
    path = folder / NAME
    is_empty = not any((folder / name).exists() for name in MADE)
    if not (path.exists() or is_empty):
        raise UserError(f"{folder}: holds images that wildsr prepare did not put there; choose another --output")
    with lock_folder(folder, "wildsr prepare"), path.open("a+b") as file:
        manifest = Manifest(folder, file)
        before = manifest.options
        if is_empty or before is None:
            manifest.add(options=options)
        elif options != before:
            changed = sorted(key for key in options | before if options.get(key) != before.get(key))
            known = [f"{key}={before[key]}" if key in before else f"no {key}" for key in changed]
            raise UserError(
                f"{folder}: prepared with {', '.join(known)}; choose another --output, or remove it to begin anew"
            )
        yield manifest


class Manifest:
    """The record of one prepared folder, held open and locked by `open_manifest`.

    Args:
        folder: where the prepared images go.
        file: the record, of JSON lines, open for reading and appending.
    """

    def __init__(self, folder: Path, file: IO[bytes]) -> None:
        self.folder, self._file = folder, file
        self.images: dict[str, Entry] = {}
        self.complete: dict[str, str] = {}  # archive's stem -> fingerprint of what was placed of it
        self.downloaded: set[str] = set()  # archives that are ours to remove
        self.options: dict[str, Any] | None = None
        self._read()

    def add(self, **event: Any) -> None:
        """Write an event down: one of those that `_take` knows."""
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        self._take(event)

    def add_image(self, key: str, stamp: str, outcome: Outcome) -> None:
        """Write down what became of an image."""
        self.add(picture=key, stamp=stamp, outcome=asdict(outcome))

    def is_done(self, key: str, plan: Plan | None, stamp: str | None = None) -> bool:
        """Return whether the image, in this version where a stamp is given, was dealt with and is all there."""
        outcome = self.known(key, stamp)
        if outcome is None or outcome.damaged:
            return outcome is not None
        # One listing instead of a hundred questions: a set has hundreds of thousands of sub-images.
        paths = [self.folder / name for name in outputs(key, outcome.width, outcome.height, plan)]
        if len(paths) == 1 or not paths[0].parent.is_dir():
            return paths[0].is_file()
        return set(paths) <= set(paths[0].parent.iterdir())

    def known(self, key: str, stamp: str | None = None) -> Outcome | None:
        """Return what became of the image, in this version where a stamp is given; None: nothing yet."""
        entry = self.images.get(key)
        return None if entry is None or stamp not in (None, entry.stamp) else entry.outcome

    def remove_old(self, key: str, plan: Plan | None) -> None:
        """Remove what an earlier version of the image became: it may have had more sub-images."""
        outcome = self.known(key)
        if outcome is not None and not outcome.damaged:
            for name in outputs(key, outcome.width, outcome.height, plan):
                (self.folder / name).unlink(missing_ok=True)

    def _read(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            self._file.truncate(end)  # a line cut short by a crash; its image is done again
        for line in content[:end].splitlines():
            with suppress(ValueError, TypeError, KeyError, AttributeError):  # what cannot be read has not been done
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        if "picture" in event:
            self.images[event["picture"]] = Entry(event["stamp"], Outcome(**event["outcome"]))
        elif "forgotten" in event:
            self.images.pop(event["forgotten"], None)
        elif "begun" in event:  # a store, anew: places in an earlier one mean nothing
            self.complete.clear()
            self.images = {key: entry for key, entry in self.images.items() if not key.startswith("train/")}
        elif "complete" in event:
            self.complete[event["complete"]] = event["placed"]
        elif "downloaded" in event:
            self.downloaded.add(event["downloaded"])
        elif "removed" in event:  # an archive of its name that turns up later is not ours
            self.downloaded.discard(event["removed"])
        elif "options" in event:
            self.options = event["options"]
