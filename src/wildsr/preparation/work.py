"""A data set from its archives, or from a folder, to the sub-images that a run trains on.

On disk, under one folder: `train/` and `val/`, what this is for; `archives/` and `unpacked/`, which go when
they are used up; the ledger, which says what has been done.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from wildsr.data.photographs import CORRUPT_SHARE
from wildsr.images import SUFFIXES, find_images
from wildsr.preparation.archives import ARCHIVES, BadArchiveError, unpack
from wildsr.preparation.cutting import Job, Plan, decode, tally
from wildsr.preparation.download import RefusedError, fetch
from wildsr.preparation.ledger import Ledger
from wildsr.preparation.sources import Source, fingerprint
from wildsr.preparation.space import readable, require_space
from wildsr.preparation.workers import run, space_needed

Bar = Callable[[float, float | None, str], None]  # (done, of how many or None, both in words)


class Screen(Protocol):
    """Where work shows itself while it goes on."""

    def say(self, line: str) -> None: ...

    def bar(self, description: str) -> Bar: ...


class Preparation:
    """The work in one folder: every step looks first at what has been done.

    Args:
        root: where the prepared pictures go.
        ledger: of that folder.
        plan: how pictures are cut.
        workers: processes that cut.
        screen: where progress is shown and damaged pictures are named.

    After work, `report` holds a line of counts for each part, and `worked` says whether anything was to do.
    """

    def __init__(self, root: Path, ledger: Ledger, plan: Plan, workers: int, screen: Screen) -> None:
        self.root, self.ledger, self.plan, self.workers, self.screen = root, ledger, plan, workers, screen
        self.report: list[str] = []
        self.worked = False

    def own(self, folder: Path, held_out: int) -> None:
        """Prepare a folder of pictures, `held_out` of them whole for validation.

        Raises:
            ValueError: no pictures, too few of them, too many damaged ones, or too little room.
            OSError: a file cannot be written.
        """
        folder = folder.expanduser()
        pictures = {path.relative_to(folder).as_posix(): path for path in find_images(folder)}
        held = self._hold_out(pictures, held_out) if held_out else set()
        parts: dict[str, dict[str, Path]] = {"val": {}, "train": {}}
        for name, path in pictures.items():
            split = "val" if name in held else "train"
            parts[split][f"{split}/{name}"] = path
        gone = {key.partition("/")[2] for key in self.ledger.pictures} - set(pictures)
        if gone:
            self.screen.say(f"{len(gone)} pictures are no longer in {folder}; what they became stays in {self.root}")
        for split, found in parts.items():
            plan = self.plan if split == "train" else None
            if found:
                self._prepare(split, found, plan)
                self._count(split, list(found), plan)

    def published(self, sources: Sequence[Source], keep_archives: bool) -> None:
        """Prepare published archives, one after the other.

        Raises:
            ValueError: an archive is not to be had or damaged, too many damaged pictures, or too little room.
            OSError: a file cannot be written.
        """
        several = len({source.name for source in sources}) > 1
        for source in sources:
            folder = f"train/{source.name}" if several and source.split == "train" else source.split
            plan = replace(self.plan, scales=self.plan.scales if source.scales else ())
            self._source(source, folder, plan if source.split == "train" else None, keep_archives)

    def _source(self, source: Source, folder: str, plan: Plan | None, keep: bool) -> None:
        archives, label = self.root / "archives", f"{source.name} {source.split}"
        placed = source.placed(archives)
        keys = [key for key in self.ledger.pictures if key.startswith(f"{folder}/")]
        known = self.ledger.complete.get(source.stem)
        unchanged = known is not None and (not placed or fingerprint(placed) == known)
        if not (unchanged and all(self.ledger.is_done(key, plan) for key in keys)):
            self.worked = True
            placed = placed or [self._download(source, archives)]
            found = {f"{folder}/{name}": path for name, path in self._pictures(source, placed).items()}
            keys = list(found)
            if len(found) != source.pictures:
                self.screen.say(f"{label}: {len(found)} pictures, where {source.pictures} are published")
            self._prepare(label, found, plan)
            mark = fingerprint(placed)
            self._tidy(source, [] if keep else placed)
            self.ledger.add_complete(source.stem, mark)
        self._count(label, keys, plan)

    def _download(self, source: Source, archives: Path) -> Path:
        if source.url is None:
            raise ValueError(
                f"{source.name} cannot be fetched by a program: {source.by_hand}, and put what is in it, zip "
                f"files or pictures, into {archives / source.stem}; then run this again"
            )
        target = archives / PurePosixPath(source.url).name
        move = self.screen.bar(target.name)

        def show(have: int, total: int | None) -> None:
            move(have, total, readable(have) + ("" if total is None else f" of {readable(total)}"))

        try:
            fetch(source.url, target, source.size, source.digest, show)
        except RefusedError as error:
            elsewhere = f"{source.stem}.zip, {source.stem}.tar or a folder {source.stem} goes into {archives}"
            raise ValueError(f"{error}; if you get it elsewhere: {elsewhere}") from error
        self.ledger.add_download(target.name)
        return target

    def _pictures(self, source: Source, placed: Sequence[Path]) -> dict[str, Path]:
        """The pictures of what was placed, by the names they get."""
        unpacked = self.root / "unpacked" / source.stem
        found: dict[str, Path] = {}
        for path in placed:
            inside = Path() if len(placed) == 1 else Path(path.stem)
            loose = sorted(path.rglob("*")) if path.is_dir() else []
            for file in loose:
                name = file.relative_to(path)
                if file.suffix.lower() in ARCHIVES and file.is_file() and source.takes(name.parts):
                    self._unpack(source, file, unpacked / inside / name.with_suffix(""))
            if not path.is_dir():
                self._unpack(source, path, unpacked / inside)
            elif any(file.suffix.lower() in SUFFIXES for file in loose):
                names = {file.relative_to(path): file for file in find_images(path)}
                found |= {(inside / name).as_posix(): file for name, file in names.items() if source.takes(name.parts)}
        if unpacked.is_dir():
            found |= {file.relative_to(unpacked).as_posix(): file for file in find_images(unpacked)}
        if not found:
            raise ValueError(f"{placed[0]}: no picture; wanted files named *{', *'.join(SUFFIXES)}")
        return found

    def _unpack(self, source: Source, archive: Path, folder: Path) -> None:
        move = self.screen.bar(f"unpacking {archive.name}")
        try:
            unpack(
                archive,
                folder,
                source.takes,
                lambda done, total: move(done, total, f"{done} of {total} pictures"),
            )
        except BadArchiveError as error:
            if archive.name not in self.ledger.downloaded:
                raise
            aside = archive.with_name(f"{archive.name}.damaged")
            archive.replace(aside)
            self.ledger.add_removal(archive.name)
            raise ValueError(f"{error}; it is set aside as {aside}, and the same command downloads it anew") from error

    def _tidy(self, source: Source, archives: Sequence[Path]) -> None:
        """Remove what is used up: unpacked pictures, and archives that were downloaded here."""
        shutil.rmtree(self.root / "unpacked" / source.stem, ignore_errors=True)
        for archive in archives:
            if archive.name in self.ledger.downloaded:
                archive.unlink()
                self.ledger.add_removal(archive.name)
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
                held.add(name)
        if len(held) < count or len(held) >= len(pictures):
            raise ValueError(f"{count} of {len(pictures)} pictures cannot be held out; wanted some readable ones left")
        return held

    def _prepare(self, label: str, found: dict[str, Path], plan: Plan | None) -> None:
        """Do what has not been done of `found`, which are source files by the keys of the ledger."""
        stamps = {key: stamp(path) for key, path in found.items()}
        jobs = [
            Job(key, path, self.root, plan)
            for key, path in found.items()
            if not self.ledger.is_done(key, plan, stamps[key])
        ]
        todo = {job.key for job in jobs}
        damaged = self.ledger.damaged(key for key in found if key not in todo)
        for known in damaged:
            self.screen.say(f"left out: {known}")
        if damaged:
            check_share(len(damaged), len(found), damaged[-1])
        if not jobs:
            return
        self.worked = True
        for job in jobs:
            self.ledger.remove_old(job.key, plan)
        require_space(self.root, space_needed(jobs), f"preparing {len(jobs)} pictures")
        move = self.screen.bar(label)
        with closing(run(jobs, self.workers)) as results:
            for done, (job, outcome) in enumerate(results, len(found) - len(jobs) + 1):
                self.ledger.add_picture(job.key, stamps[job.key], outcome)
                move(done, len(found), f"{done} of {len(found)} pictures")
                if outcome.damaged:
                    damaged.append(outcome.damaged)
                    self.screen.say(f"left out: {outcome.damaged}")
                    check_share(len(damaged), len(found), outcome.damaged)

    def _count(self, label: str, keys: Sequence[str], plan: Plan | None) -> None:
        """Report how many pictures went in and what came out."""
        outcomes = [self.ledger.pictures[key].outcome for key in keys]
        good = [outcome for outcome in outcomes if not outcome.damaged]
        lost = f"{len(outcomes) - len(good)} damaged and left out"
        if plan is None:
            self.report.append(f"{label}: {len(outcomes)} pictures in; {len(good)} out, whole; {lost}")
            return
        tallies = [tally(outcome.width, outcome.height, plan) for outcome in good]
        smaller, cut, whole = (sum(column) for column in zip(*tallies, strict=True)) if tallies else (0, 0, 0)
        self.report.append(
            f"{label}: {len(outcomes)} pictures and {smaller} smaller copies of them in; {cut} sub-images of "
            f"{plan.size} x {plan.size} and {whole} kept whole out; {lost}"
        )


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
