"""A data set from its archives, or from a folder, to what a run trains on.

On disk, under one folder: `train/` or `train.store`, and `val/`, what this is for; `archives/` and `unpacked/`,
which go when they are used up; the ledger, which says what has been done.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from rich.filesize import decimal
from rich.progress import Progress

from wildsr.data.photographs import CORRUPT_SHARE
from wildsr.images import SUFFIXES, find_images
from wildsr.preparation.archives import ARCHIVES, BadArchiveError, unpack
from wildsr.preparation.cutting import Job, Outcome, Plan, decode, levels, prepare, tally
from wildsr.preparation.download import RefusedError, fetch
from wildsr.preparation.ledger import STORE, Ledger
from wildsr.preparation.packing import Packing
from wildsr.preparation.sources import Source, fingerprint
from wildsr.preparation.space import require_space
from wildsr.preparation.workers import run, space_needed


@dataclass(frozen=True)
class Part:
    """Pictures that are dealt with alike: the folder they go to, and how they are cut (None: they stay whole)."""

    label: str
    folder: str
    plan: Plan | None

    @property
    def trains(self) -> bool:
        return self.folder.startswith("train")


class Preparation:
    """The work in one folder: every step looks first at what has been done.

    Args:
        root: where the prepared pictures go.
        ledger: of that folder.
        plan: how pictures are cut; None leaves them whole.
        workers: processes that cut.
        progress: where bars are shown, and damaged pictures named; its tasks have a field `amount`, in words.
        store: whether training pictures go into a store; else into files.

    After work, `report` holds a line of counts for each part, and `worked` says whether anything was to do.

    Raises:
        ValueError: what is there is no sound store.
    """

    def __init__(
        self, root: Path, ledger: Ledger, plan: Plan | None, workers: int, progress: Progress, store: bool = False
    ) -> None:
        self.root, self.ledger, self.plan, self.workers, self.progress = root, ledger, plan, workers, progress
        self.packing = Packing(root / STORE) if store else None
        if self.packing and not self.packing.length:
            ledger.add(begun=STORE)
        self.report: list[str] = []
        self.worked = False

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def bar(self, description: str) -> Callable[[int, int | None, str], None]:
        """A new bar; it is moved with (done, of how many or None, both in words)."""
        self.progress.start()
        task = self.progress.add_task(description, total=None, amount="")
        return lambda done, total, amount: self.progress.update(task, completed=done, total=total, amount=amount)

    def own(self, folder: Path, held_out: int) -> None:
        """Prepare a folder of pictures, `held_out` of them whole for validation.

        Raises:
            ValueError: no pictures, too few of them, too many damaged ones, or too little room.
            OSError: a file cannot be written.
        """
        folder = folder.expanduser()
        pictures = {path.relative_to(folder).as_posix(): path for path in find_images(folder)}
        gone = {key.partition("/")[2] for key in self.ledger.pictures} - set(pictures)
        if gone:
            self.say(f"{len(gone)} pictures are no longer in {folder}; what they became stays in {self.root}")
        held = self._hold_out(pictures, held_out) if held_out else set()
        parts = Part("val", "val", None), Part("train", "train", self.plan)
        for part in parts:
            found = {f"{part.folder}/{name}": path for name, path in pictures.items() if (name in held) != part.trains}
            if found:
                self._prepare(part, found)
                self._count(part, found)
        self._pack(parts)

    def published(self, sources: Sequence[Source], keep_archives: bool) -> None:
        """Prepare published archives, one after the other.

        Raises:
            ValueError: an archive is not to be had or damaged, too many damaged pictures, or too little room.
            OSError: a file cannot be written.
        """
        several = len({source.name for source in sources}) > 1
        parts = []
        for source in sources:
            train = source.split == "train"
            plan = self.plan if train else None
            if plan is not None and not source.scales:
                plan = replace(plan, scales=())
            folder = f"train/{source.name}" if several and train else source.split
            parts.append(Part(f"{source.name} {source.split}", folder, plan))
            self._source(source, parts[-1], keep_archives)
        self._pack(parts)

    def _source(self, source: Source, part: Part, keep: bool) -> None:
        placed = source.placed(self.root / "archives")
        keys = self._keys(part)
        known = self.ledger.complete.get(source.stem)
        unchanged = known is not None and (not placed or fingerprint(placed) == known)
        if not (unchanged and all(self._is_done(part, key) for key in keys)):
            self.worked = True
            placed = placed or [self._download(source)]
            found = {f"{part.folder}/{name}": path for name, path in self._pictures(source, placed).items()}
            keys = list(found)
            if len(found) != source.pictures:
                self.say(f"{part.label}: {len(found)} pictures, where {source.pictures} are published")
            self._prepare(part, found)
            mark = fingerprint(placed)
            self._tidy(source, [] if keep else placed)
            self.ledger.add(complete=source.stem, placed=mark)
        self._count(part, keys)

    def _download(self, source: Source) -> Path:
        archives = self.root / "archives"
        if source.url is None:
            raise ValueError(
                f"{source.name} cannot be fetched by a program: {source.by_hand}, and put what is in it, zip "
                f"files or pictures, into {archives / source.stem}; then run this again"
            )
        target = archives / PurePosixPath(source.url).name
        move = self.bar(target.name)

        def show(have: int, total: int | None) -> None:
            move(have, total, decimal(have) + ("" if total is None else f" of {decimal(total)}"))

        try:
            fetch(source.url, target, source.size, source.digest, show)
        except RefusedError as error:
            elsewhere = f"{source.stem}.zip, {source.stem}.tar or a folder {source.stem} goes into {archives}"
            raise ValueError(f"{error}; if you get it elsewhere: {elsewhere}") from error
        self.ledger.add(downloaded=target.name)
        return target

    def _pictures(self, source: Source, placed: Sequence[Path]) -> dict[str, Path]:
        """The pictures of what was placed, by the names they get."""
        unpacked = self.root / "unpacked" / source.stem
        found: dict[str, Path] = {}
        for path in placed:
            inside = Path() if len(placed) == 1 else Path(path.stem)
            if not path.is_dir():
                self._unpack(source, path, unpacked / inside)
                continue
            for file in sorted(path.rglob("*")):
                name = file.relative_to(path)
                if file.suffix.lower() in ARCHIVES and file.is_file() and source.takes(name.parts):
                    self._unpack(source, file, unpacked / inside / name.with_suffix(""))
            found |= named(path, inside, source)
        if unpacked.is_dir():
            found |= named(unpacked, Path(), source)
        if not found:
            raise ValueError(f"{placed[0]}: no picture; wanted files named *{', *'.join(SUFFIXES)}")
        return found

    def _unpack(self, source: Source, archive: Path, folder: Path) -> None:
        move = self.bar(f"unpacking {archive.name}")
        try:
            unpack(archive, folder, source.takes, lambda done, total: move(done, total, f"{done} of {total} pictures"))
        except BadArchiveError as error:
            if archive.name not in self.ledger.downloaded:
                raise
            aside = archive.with_name(f"{archive.name}.damaged")
            archive.replace(aside)
            self.ledger.add(removed=archive.name)
            raise ValueError(f"{error}; it is set aside as {aside}, and the same command downloads it anew") from error

    def _tidy(self, source: Source, archives: Sequence[Path]) -> None:
        """Remove what is used up: unpacked pictures, and archives that were downloaded here."""
        shutil.rmtree(self.root / "unpacked" / source.stem, ignore_errors=True)
        for archive in archives:
            if archive.name in self.ledger.downloaded:
                archive.unlink()
                self.ledger.add(removed=archive.name)
        for folder in ("unpacked", "archives"):
            with suppress(OSError):  # there is no such folder, or something of yours is in it
                (self.root / folder).rmdir()

    def _hold_out(self, pictures: dict[str, Path], count: int) -> set[str]:
        """Choose readable pictures for validation by a digest of their names: the same ones on every machine.

        What was held out before stays so, whatever was added since; what is held out now leaves `train`.
        """
        held = {name for name in pictures if f"val/{name}" in self.ledger.pictures}
        for name in sorted(pictures, key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest()):
            if len(held) >= count:
                break
            if name not in held and not isinstance(decode(pictures[name]), str):
                self.ledger.remove_old(f"train/{name}", self.plan)
                self.ledger.add(forgotten=f"train/{name}")
                held.add(name)
        if len(held) < count or len(held) >= len(pictures):
            raise ValueError(f"{count} of {len(pictures)} pictures cannot be held out; wanted some readable ones left")
        return held

    def _keys(self, part: Part) -> list[str]:
        return [key for key in self.ledger.pictures if key.startswith(f"{part.folder}/")]

    def _is_done(self, part: Part, key: str, stamp: str | None = None) -> bool:
        if not (self.packing and part.trains):
            return self.ledger.is_done(key, part.plan, stamp)
        outcome = self.ledger.known(key, stamp)
        return outcome is not None and (bool(outcome.damaged) or self.packing.holds(key, outcome, part.plan))

    def _prepare(self, part: Part, found: dict[str, Path]) -> None:
        """Do what has not been done of `found`, which are source files by the keys of the ledger."""
        stamps = {key: stamp(path) for key, path in found.items()}
        todo = {key: path for key, path in found.items() if not self._is_done(part, key, stamps[key])}
        jobs = [Job(key, path, self.root, part.plan) for key, path in todo.items()]
        outcomes = (self.ledger.pictures[key].outcome for key in found if key not in todo)
        damaged = [outcome.damaged for outcome in outcomes if outcome.damaged]
        for known in damaged:
            self.say(f"left out: {known}")
        if damaged:
            check_share(len(damaged), len(found), damaged[-1])
        if not jobs:
            return
        self.worked = True
        for key in todo:
            self.ledger.remove_old(key, part.plan)
        packing = self.packing if part.trains else None
        require_space(self.root, space_needed(jobs, packing is not None), f"preparing {len(jobs)} pictures")
        move = self.bar(part.label)
        task: Callable[[Job], Any] = levels if packing else prepare
        with closing(run(task, jobs, self.workers)) as results:
            for done, (job, result) in enumerate(results, len(found) - len(jobs) + 1):
                outcome = packing.add(*result) if packing else result
                self.ledger.add_picture(job.key, stamps[job.key], outcome)
                move(done, len(found), f"{done} of {len(found)} pictures")
                if outcome.damaged:
                    damaged.append(outcome.damaged)
                    self.say(f"left out: {outcome.damaged}")
                    check_share(len(damaged), len(found), outcome.damaged)

    def _count(self, part: Part, keys: Iterable[str]) -> None:
        """Report how many pictures went in and what came out."""
        outcomes = [self.ledger.pictures[key].outcome for key in keys]
        good = [outcome for outcome in outcomes if not outcome.damaged]
        lost = f"{len(outcomes) - len(good)} damaged and left out"
        if part.plan is None:
            self.report.append(f"{part.label}: {len(outcomes)} pictures in; {len(good)} out, whole; {lost}")
            return
        tallies = [tally(outcome.width, outcome.height, part.plan) for outcome in good]
        smaller, cut, whole = (sum(column) for column in zip(*tallies, strict=True)) if tallies else (0, 0, 0)
        self.report.append(
            f"{part.label}: {len(outcomes)} pictures and {smaller} smaller copies of them in; {cut} sub-images of "
            f"{part.plan.size} x {part.plan.size} and {whole} kept whole out; {lost}"
        )

    def _pack(self, parts: Iterable[Part]) -> None:
        """Give the store its index, where pictures were added to it or left it."""
        if self.packing is None or (self.packing.whole and not self.worked):
            return
        pictures = (
            (key, self.ledger.pictures[key].outcome, part.plan)
            for part in parts
            if part.trains
            for key in self._keys(part)
        )
        count = self.packing.finish(picture for picture in pictures if not picture[1].damaged)
        size = decimal(self.packing.target.stat().st_size)
        self.report.append(f"{self.packing.target}: {count} pictures to train on, {size}")


def named(folder: Path, inside: Path, source: Source) -> dict[str, Path]:
    """The pictures of a folder that are wanted, by the names they get; none is no error."""
    names: dict[str, Path] = {}
    with suppress(ValueError):
        names = {(inside / path.relative_to(folder)).as_posix(): path for path in find_images(folder)}
    return {name: path for name, path in names.items() if source.takes(path.relative_to(folder).parts)}


def check_share(damaged: int, total: int, last: str) -> None:
    """Stop where more pictures are damaged than a sound set has, as `Photographs` does.

    Raises:
        ValueError: they are more than 1 %.
    """
    if damaged > CORRUPT_SHARE * total:
        raise ValueError(
            f"{damaged} of {total} pictures not readable, more than {CORRUPT_SHARE:.0%}; the last one: {last}"
        )


def stamp(path: Path) -> str:
    """What tells one version of a file from another: its length and its date."""
    state = path.stat()
    return f"{state.st_size}-{state.st_mtime_ns}"
