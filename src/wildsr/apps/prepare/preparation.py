"""Images to a training set, in one folder: what is left to do of them is done, written down and counted.

On disk: `train/` or `train.store`, `val/`, and the manifest, which says what has been done.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.filesize import decimal
from rich.progress import Progress

from wildsr.apps.prepare.cutting import Task, decode, levels, prepare, space_needed, tally
from wildsr.apps.prepare.disk import require_space
from wildsr.apps.prepare.manifest import STORE, Manifest
from wildsr.apps.prepare.packing import Packing
from wildsr.apps.prepare.plan import Plan
from wildsr.apps.prepare.workers import run_tasks
from wildsr.data.photographs import check_corrupt_share
from wildsr.images import file_state, find_images
from wildsr.io import UserError, expanded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Images that are dealt with alike."""

    label: str
    folder: str  # they go to: the beginning of their keys
    plan: Plan | None  # how they are cut; None: they stay whole
    packing: Packing | None = None  # the store they go into; None: they become files


class Preparation:
    """Prepares images in one folder: every step looks first at what has been done.

    Args:
        root: where the prepared images go.
        manifest: of that folder.
        plan: how images are cut; None leaves them whole.
        workers: processes that cut.
        progress: where bars are shown; its tasks have a field `amount`, in words.
        store: whether training images go into a store; else into files.

    `report` holds a line of counts for each part at last, and `has_changed` says whether anything was to do.

    Raises:
        UserError: what is there is no sound store.
    """

    def __init__(
        self, root: Path, manifest: Manifest, plan: Plan | None, workers: int, progress: Progress, store: bool
    ) -> None:
        self.root, self.manifest, self.plan, self.workers, self.progress = root, manifest, plan, workers, progress
        self.packing = Packing(root / STORE) if store else None
        if self.packing and not self.packing.length:
            manifest.add(begun=STORE)
        self.report: list[str] = []
        self.has_changed = False

    def bar(self, description: str) -> Callable[[int, int | None, str], None]:
        """Show a new bar; it is moved with (done, of how many or None, both in words)."""
        self.progress.start()
        bar = self.progress.add_task(description, total=None, amount="")
        return lambda done, total, amount: self.progress.update(bar, completed=done, total=total, amount=amount)

    def prepare_folder(self, folder: Path, held_out: int) -> None:
        """Prepare a folder of images, `held_out` of them whole for validation.

        Raises:
            UserError: no images, too few of them, too many damaged ones, or too little room.
            OSError: a file cannot be written.
        """
        folder = expanded(folder)
        images = {path.relative_to(folder).as_posix(): path for path in find_images(folder)}
        gone = {key.partition("/")[2] for key in self.manifest.images} - set(images)
        if gone:
            log.info("%d images are no longer in %s; what they became stays in %s", len(gone), folder, self.root)
        held = self._hold_out(images, held_out) if held_out else set()
        val, train = Part("val", "val", None), Part("train", "train", self.plan, self.packing)
        for part, names in ((val, held), (train, set(images) - held)):
            found = {f"{part.folder}/{name}": path for name, path in images.items() if name in names}
            if found:
                self.prepare(part, found)
                self.count(part, found)
        self.pack([train])

    def _hold_out(self, images: dict[str, Path], count: int) -> set[str]:
        """Choose readable images for validation by a digest of their names: the same ones on every machine.

        What was held out before stays so, whatever was added since; what is held out now leaves `train`.
        """
        held = {name for name in images if f"val/{name}" in self.manifest.images}
        for name in sorted(images, key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest()):
            if len(held) >= count:
                break
            if name not in held and not isinstance(decode(images[name]), str):
                if self.manifest.known(f"train/{name}"):
                    self.manifest.remove_old(f"train/{name}", self.plan)
                    self.manifest.add(forgotten=f"train/{name}")
                held.add(name)
        if len(held) < count or len(held) >= len(images):
            raise UserError(f"{count} of {len(images)} images cannot be held out; wanted some readable ones left")
        return held

    def keys(self, part: Part) -> list[str]:
        """Return the images of a part that were dealt with before."""
        return [key for key in self.manifest.images if key.startswith(f"{part.folder}/")]

    def is_done(self, part: Part, key: str, stamp: str | None = None) -> bool:
        """Return whether an image, in this version where a stamp is given, was dealt with and is all there."""
        if part.packing is None:
            return self.manifest.is_done(key, part.plan, stamp)
        outcome = self.manifest.known(key, stamp)
        return outcome is not None and (bool(outcome.damaged) or part.packing.holds(outcome, part.plan))

    def prepare(self, part: Part, found: dict[str, Path]) -> None:
        """Prepare what has not been prepared of `found`, source files by the keys of the manifest.

        Raises: as `prepare_folder`.
        """
        stamps = {key: stamp(path) for key, path in found.items()}
        tasks = [
            Task(key, path, self.root, part.plan)
            for key, path in found.items()
            if not self.is_done(part, key, stamps[key])
        ]
        done = len(found) - len(tasks)
        damaged = self._damaged(set(found) - {task.key for task in tasks}, len(found))
        log.debug("%s: %d of %d images are to be prepared", part.label, len(tasks), len(found))
        if not tasks:
            return
        self.has_changed = True
        if part.packing is None:
            for task in tasks:
                self.manifest.remove_old(task.key, part.plan)
        require_space(self.root, space_needed(tasks, part.packing is not None), f"preparing {len(tasks)} images")
        move = self.bar(part.label)
        function: Callable[[Task], Any] = levels if part.packing else prepare
        with closing(run_tasks(function, tasks, self.workers)) as results:
            for task, result in results:
                outcome = part.packing.add(*result) if part.packing else result
                self.manifest.add_image(task.key, stamps[task.key], outcome)
                done += 1
                move(done, len(found), f"{done} of {len(found)} images")
                if outcome.damaged:
                    damaged += self._damaged([task.key], len(found), damaged)

    def _damaged(self, keys: Iterable[str], total: int, before: int = 0) -> int:
        """Name the damaged images among `keys`; returns how many they are. Raises: UserError if too many."""
        reasons = [reason for key in keys if (reason := self.manifest.images[key].outcome.damaged)]
        for reason in reasons:
            log.warning("left out: %s", reason)
        if reasons:
            check_corrupt_share(before + len(reasons), total, reasons[-1])
        return len(reasons)

    def count(self, part: Part, keys: Iterable[str]) -> None:
        """Report how many images went in and what came out."""
        outcomes = [self.manifest.images[key].outcome for key in keys]
        good = [outcome for outcome in outcomes if not outcome.damaged]
        lost = f"{len(outcomes) - len(good)} damaged and left out"
        if part.plan is None:
            self.report.append(f"{part.label}: {len(outcomes)} images in; {len(good)} out, whole; {lost}")
            return
        tallies = [tally(outcome.width, outcome.height, part.plan) for outcome in good]
        smaller, cut, whole = (sum(column) for column in zip(*tallies, strict=True)) if tallies else (0, 0, 0)
        self.report.append(
            f"{part.label}: {len(outcomes)} images and {smaller} smaller copies of them in; {cut} sub-images of "
            f"{part.plan.size} x {part.plan.size} and {whole} kept whole out; {lost}"
        )

    def pack(self, parts: Iterable[Part]) -> None:
        """Give the store its index, where images were added to it or left it."""
        if self.packing is None or (self.packing.is_complete and not self.has_changed):
            return
        self.has_changed = True
        outcomes = [(key, self.manifest.images[key].outcome, part.plan) for part in parts for key in self.keys(part)]
        count = self.packing.finish(image for image in outcomes if not image[1].damaged)
        size = decimal(self.packing.target.stat().st_size)
        self.report.append(f"{self.packing.target}: {count} images to train on, {size}")


def stamp(path: Path) -> str:
    """Return what tells one version of a file from another: its length and its date."""
    state = file_state(path)
    return f"{state.st_size}-{state.st_mtime_ns}"
