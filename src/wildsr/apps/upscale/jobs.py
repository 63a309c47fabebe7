"""Which files become which: files, folders, patterns, the standard streams, and videos."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsr.apps.upscale.video import codecs
from wildsr.images import SUFFIXES, expanded, find_images, kind_of, printable, require_writable
from wildsr.io import UserError

log = logging.getLogger(__name__)

STREAM = "-"


@dataclass(frozen=True)
class Job:
    """One picture to enlarge.

    Args:
        source: its file; None is the standard input.
        target: where the result goes; None is the standard output.
        kind: the result's format, in Pillow's words, such as PNG.
    """

    source: Path | None
    target: Path | None
    kind: str

    @property
    def name(self) -> str:
        """Return what messages call it: one line."""
        return "standard input" if self.source is None else printable(self.source)


@dataclass(frozen=True)
class Naming:
    """How results are called.

    Args:
        output: a file, a folder, or - for the standard output.
        format: a suffix without its dot, such as jpg; None: what a file's name says, else png.
        suffix: appended to the names of results in a folder.

    Raises:
        ValueError: an output of the wrong kind for the rest.
    """

    output: str
    format: str | None = None
    suffix: str = ""

    @property
    def path(self) -> Path:
        return expanded(self.output)

    def is_folder(self, inputs: Sequence[str]) -> bool:
        """Return whether it is one: by what is there, by its name, and by what goes into it.

        Raises:
            ValueError: it is a file or a stream, and the inputs want a folder; or it names no format.
        """
        several = len(inputs) > 1 or expanded(inputs[0]).is_dir()
        if self.output != STREAM and (self.path.is_dir() or self.output.endswith(("/", os.sep))):
            return True
        known = self.path.suffix.lower() in SUFFIXES
        if several and (known or self.output == STREAM):
            what = f"{len(inputs)} inputs" if len(inputs) > 1 else f"{printable(inputs[0])} is a folder"
            raise UserError(f"{what}; wanted a folder as output, not {printable(self.output)}")
        if several or self.output == STREAM or known:
            return several
        if self.path.suffix:
            raise UserError(
                f"{printable(self.output)}: no image format {self.path.suffix!r}; wanted one of {', '.join(SUFFIXES)}"
            )
        return True

    def job(self, source: Path | None, below: Path) -> Job:
        """Return the job of a picture; `below` is its path below an output folder, empty without one."""
        suffix = f".{self.format or 'png'}"
        if below != Path():
            return Job(source, self.path / below.with_name(f"{below.stem}{self.suffix}{suffix}"), kind_of(f"x{suffix}"))
        if self.output == STREAM:
            return Job(source, None, kind_of(f"x{suffix}"))
        kind = kind_of(self.path)
        if self.format and kind_of(f"x{suffix}") != kind:
            raise UserError(f"{printable(self.output)} as output, but --format {self.format}")
        return Job(source, self.path, kind)


def plan(inputs: Sequence[str], naming: Naming) -> list[Job]:
    """Return one job a picture. A folder is searched with its sub-folders, which are kept.

    What an earlier run left in the output folder is no input, where that lies in an input folder, or is one and
    `suffix` tells results from pictures.

    Raises:
        ValueError: an input does not exist, the output does not go with the inputs or cannot be written to, or a
            result would replace an input.
    """
    folder = naming.is_folder(inputs)
    found = list(dict.fromkeys(pair for word in inputs for pair in _find(word, naming)))
    if not folder and len(found) > 1:
        raise UserError(f"{len(found)} pictures; wanted a folder as output, not {printable(naming.output)}")
    if folder and any(source is None for source, _ in found):
        raise UserError(f"standard input has no name; wanted a file as output, not {printable(naming.output)}")
    jobs = [naming.job(source, below if folder else Path()) for source, below in found]
    sources = {os.path.realpath(job.source) for job in jobs if job.source is not None}
    for target in (job.target for job in jobs if job.target is not None):
        if os.path.realpath(target) in sources:
            raise UserError(f"{printable(target)} is an input; wanted another --output{' or --suffix' * folder}")
        require_writable(target)
    return jobs


def is_video(word: str, output: str = "") -> bool:
    """Return whether an input is a video, by its name; an animation is one where the output is."""
    suffix = Path(word).suffix.lower()
    return suffix in codecs.SUFFIXES or (
        suffix in codecs.ANIMATIONS and Path(output).suffix.lower() in codecs.CONTAINERS
    )


def plan_video(inputs: Sequence[str], naming: Naming, codec: str = "h264") -> tuple[Path, Path, str]:
    """Return a video's file, its result's, and the kind of container of that by FFmpeg's name.

    In a folder the result keeps the kind of the video where that can be written, and holds the codec.

    Raises:
        ValueError: it does not exist, there are several, or the output does not go with it or cannot be written to.
    """
    if len(inputs) > 1:
        raise UserError(f"{len(inputs)} inputs, a video among them; wanted one video a call")
    source, target = expanded(inputs[0]), naming.path
    if not source.is_file():
        raise UserError(f"{printable(source)}: no such file")
    if target.is_dir() or naming.output.endswith(("/", os.sep)) or not target.suffix:
        own = source.suffix.lower()
        if own not in codecs.CONTAINERS or codec not in codecs.HELD.get(own, codecs.CODECS):
            log.info(
                "%s: a %s with %s is not written here; the result is a %s", printable(source), own, codec, codecs.ANY
            )
            own = codecs.ANY
        target /= f"{source.stem}{naming.suffix}{own}"
    kind = codecs.CONTAINERS.get(target.suffix.lower())
    if naming.output == STREAM or kind is None:
        wanted = ", ".join(codecs.CONTAINERS)
        raise UserError(f"{printable(naming.output)}: no video file; wanted a name that ends in one of {wanted}")
    if target.resolve() == source.resolve():
        raise UserError(f"{printable(target)} is an input; wanted another --output or --suffix")
    require_writable(target)
    return source, target, kind


def _find(word: str, naming: Naming) -> Iterator[tuple[Path | None, Path]]:
    """Return the pictures behind one input: each file, and its path below an output folder."""
    path = expanded(word)
    if word == STREAM:
        yield None, Path()
    elif path.is_dir():
        pictures = [file for file in find_images(path) if not _is_result(file, path, naming)]
        if not pictures:
            raise UserError(f"{printable(path)}: nothing in this folder but earlier results")
        yield from ((file, file.relative_to(path)) for file in pictures)
    elif path.exists() or path.is_symlink():  # a link to nothing is named when it is its turn
        yield path, Path(path.name)
    elif matches := sorted(match for match in _matches(path) if not match.name.startswith(".")):
        for match in matches:
            yield from _find(str(match), naming)
    else:
        raise UserError(f"{printable(word)}: no such file or folder")


def _matches(pattern: Path) -> Iterator[Path]:
    """Return what a pattern stands for that the shell has left alone, such as photos/**/*.jpg."""
    return Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))


def _is_result(file: Path, folder: Path, naming: Naming) -> bool:
    output = naming.path.resolve()
    if output == folder.resolve():
        return bool(naming.suffix) and file.stem.endswith(naming.suffix)
    # By the folder that a file stands in: results may lie behind a linked folder, while a linked file is a picture.
    place = Path(os.path.realpath(file.parent))
    return not folder.resolve().is_relative_to(output) and place.is_relative_to(output)
