"""Which files become which: files, folders, patterns, the standard streams, and videos."""

from __future__ import annotations

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsr.apps.upscale.video import codecs
from wildsr.images import OUTPUT_SUFFIXES, SUFFIXES, find_images, kind_of, walk
from wildsr.io import UserError, choose_from, expanded, printable, require_writable

STREAM = "-"
MOST_REASONS = 6  # that are told apart in the summary of what was left out

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One image to enlarge.

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
        output: a file, a folder, or - for the standard output; None: beside each input.
        format: a suffix without its dot, such as jpg; None: what a file's name says, else png.
        suffix: appended to the names of results in a folder, and beside the inputs.

    Raises:
        ValueError: an output of the wrong kind for the rest.
    """

    output: str | None
    format: str | None = None
    suffix: str = ""

    @property
    def path(self) -> Path:
        assert self.output is not None
        return expanded(self.output)

    @property
    def kind(self) -> str:
        """Return the format of the results in Pillow's words: by the output's name, where it is a file's."""
        is_file = self.output not in (None, STREAM) and not self.path.is_dir()
        own = self.path.suffix.lower() if is_file else ""
        return kind_of(f"x{own}" if own in OUTPUT_SUFFIXES else f"x.{self.format or 'png'}")

    def is_folder(self, inputs: Sequence[str]) -> bool:
        """Return whether it is one: by what is there, by its name, and by what goes into it.

        Raises:
            ValueError: it is a file or a stream, and the inputs want a folder; or it names no format.
        """
        if self.output is None:
            return False
        if self.output != STREAM and (self.path.is_dir() or self.output.endswith(("/", os.sep))):
            return True
        several = len(inputs) > 1 or expanded(inputs[0]).is_dir()
        if self.output == STREAM or self.path.suffix.lower() in OUTPUT_SUFFIXES:
            if several:
                what = f"{len(inputs)} inputs" if len(inputs) > 1 else f"{printable(inputs[0])} is a folder"
                raise UserError(f"{what}; wanted a folder as output, not {printable(self.output)}")
            return False
        if self.path.suffix and not several:
            known = choose_from(OUTPUT_SUFFIXES)
            raise UserError(f"{printable(self.output)}: no image format {self.path.suffix!r}; {known}")
        return True

    def job(self, source: Path | None, below: Path, keep_suffix: bool = False) -> Job:
        """Return the job of an image.

        Args:
            below: its path below an output folder, empty without one.
            keep_suffix: the result's name tells the source's format: a_jpg.png of a.jpg.
        """
        end = f".{self.format or 'png'}"
        kind = kind_of(f"x{end}")
        if source is not None and (self.output is None or below != Path()):
            own = f"_{source.suffix[1:]}" if keep_suffix and source.suffix else ""
            folder = source.parent if self.output is None else self.path / below.parent
            return Job(source, folder / f"{source.stem}{own}{self.suffix}{end}", kind)
        if self.output == STREAM:
            return Job(source, None, kind)
        if self.format and kind != self.kind:
            raise UserError(f"{printable(self.path)} as output, but --format {self.format}")
        return Job(source, self.path, self.kind)


def plan(inputs: Sequence[str], naming: Naming) -> list[Job]:
    """Return one job an image. A folder is searched with its sub-folders, which are kept.

    What an earlier run left in the output folder is no input, where that lies in an input folder, or is one and
    `suffix` tells results from images. Where two results would have one name, as those of a.png and a.jpg, each tells
    the format of its source, and a line says so.

    Raises:
        ValueError: an input does not exist, the output does not go with the inputs or cannot be written to, or a
            result would replace an input or another result.
    """
    folder, beside = naming.is_folder(inputs), naming.output is None
    found = list(dict.fromkeys(pair for word in inputs for pair in _find(word, naming)))
    if not (folder or beside) and len(found) > 1:
        raise UserError(f"{len(found)} images; wanted a folder as output, not {printable(str(naming.output))}")
    if (folder or beside) and any(source is None for source, _ in found):
        where = "none" if beside else printable(str(naming.output))
        raise UserError(f"standard input has no name; wanted a file as output, not {where}")
    jobs = _named(found, naming, folder)
    sources = {os.path.realpath(job.source) for job in jobs if job.source is not None}
    for target in (job.target for job in jobs if job.target is not None):
        if os.path.realpath(target) in sources:
            raise UserError(
                f"{printable(target)} is an input; wanted another --output{' or --suffix' * (folder or beside)}"
            )
        require_writable(target)
    return jobs


def left_out(inputs: Sequence[str], jobs: Iterable[Job]) -> str:
    """Return how many files of the input folders are no job's, by reason, such as "2 .txt, 1 hidden"; "" for none."""
    folders = [path for word in inputs for path in _paths(word) if path.is_dir()]
    denied: set[Path] = set()
    others = {file for folder in folders for file in walk(folder, denied=denied.add)} - {job.source for job in jobs}
    counts = sorted(Counter(map(_reason, others)).items(), key=lambda item: (-item[1], item[0]))
    words = [f"{count} {reason}" for reason, count in counts[:MOST_REASONS]]
    if rest := sum(count for _, count in counts[MOST_REASONS:]):
        words.append(f"{rest} others")
    if denied:
        words.append(f"{len(denied)} folder{'s' * (len(denied) > 1)} that may not be read")
    return ", ".join(words)


def require_inputs(inputs: Sequence[str]) -> None:
    """Refuse inputs that do not exist. Raises: UserError."""
    for word in inputs:
        _paths(word)


def is_video(word: str, output: str | None = None) -> bool:
    """Return whether an input is a video, by its name; an animation is one where the output is."""
    suffix = Path(word).suffix.lower()
    return suffix in codecs.SUFFIXES or (
        suffix in codecs.ANIMATIONS and Path(output or "").suffix.lower() in codecs.CONTAINERS
    )


def plan_video(inputs: Sequence[str], naming: Naming, codec: str = "h264") -> tuple[Path, Path, str]:
    """Return a video's file, its result's, and the kind of container of that by FFmpeg's name.

    In a folder the result keeps the kind of the video where that can be written, and holds the codec.

    Raises:
        ValueError: it does not exist, there are several, or the output does not go with it or cannot be written to.
    """
    if len(inputs) > 1:
        raise UserError(f"{len(inputs)} inputs, a video among them; wanted one video a call")
    source = expanded(inputs[0])
    target = source.parent if naming.output is None else naming.path
    if not source.is_file():
        raise UserError(f"{printable(source)}: no such file")
    if naming.output != STREAM and (target.is_dir() or str(naming.output).endswith(("/", os.sep)) or not target.suffix):
        own = source.suffix.lower()
        if own not in codecs.CONTAINERS or codec not in codecs.HELD.get(own, codecs.CODECS):
            log.info(
                "%s: a %s with %s is not written here; the result is a %s", printable(source), own, codec, codecs.ANY
            )
            own = codecs.ANY
        target /= f"{source.stem}{naming.suffix}{own}"
    suffix = target.suffix.lower()
    kind = codecs.CONTAINERS.get(suffix)
    if kind is None:
        raise UserError(f"{printable(target)}: no video file; {choose_from(codecs.CONTAINERS)}")
    if codec not in (held := codecs.HELD.get(suffix, tuple(codecs.CODECS))):
        ways = (*(f"--codec {name}" for name in held), codecs.ANY)
        raise UserError(f"{printable(target)}: a {suffix} holds no {codec}; {choose_from(ways)}")
    if target.resolve() == source.resolve():
        raise UserError(f"{printable(target)} is an input; wanted another --output or --suffix")
    require_writable(target)
    return source, target, kind


def _named(found: list[tuple[Path | None, Path]], naming: Naming, folder: bool) -> list[Job]:
    """Return the jobs of images; those whose results would share a name keep the source's suffix in it."""
    marked: set[Path | None] = set()
    while True:
        jobs = [naming.job(source, below if folder else Path(), source in marked) for source, below in found]
        alike: defaultdict[Path | None, list[Job]] = defaultdict(list)
        for job in jobs:
            alike[job.target].append(job)
        clashes = [same for same in alike.values() if len(same) > 1]
        more = {job.source for same in clashes for job in same} - marked
        if not more:
            break
        marked |= more
    if clashes:
        first, second, *_ = clashes[0]
        raise UserError(f"{first.name} and {second.name} would both be written to {first.target}; wanted one of them "
                        "under another name, or the folder that holds both as input")  # fmt: skip
    if marked:
        example = next(job for job in jobs if job.source in marked)
        log.info(
            f"{len(marked)} images have names that differ in the format alone, which their results keep: "
            f"{example.name} is written to {printable(str(example.target))}"
        )
    return jobs


def _find(word: str, naming: Naming) -> Iterator[tuple[Path | None, Path]]:
    """Return the images behind one input: each file, and its path below an output folder."""
    if word == STREAM:
        yield None, Path()
        return
    for path in _paths(word):
        if not path.is_dir():  # a link to nothing is named when it is its turn
            yield path, Path(path.name)
            continue
        images = [file for file in find_images(path) if not _is_result(file, path, naming)]
        if not images:
            raise UserError(f"{printable(path)}: nothing in this folder but earlier results")
        yield from ((file, file.relative_to(path)) for file in images)


def _paths(word: str) -> list[Path]:
    """Return the files and folders that a word stands for: itself, or as a pattern such as photos/**/*.jpg.

    Raises:
        UserError: there are none.
    """
    if word == STREAM:
        return []
    path = expanded(word)
    if path.exists() or path.is_symlink():
        return [path]
    matches = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    found = sorted(match for match in matches if not match.name.startswith("."))
    if not found:
        raise UserError(f"{printable(word)}: no such file or folder")
    return found


def _reason(file: Path) -> str:
    """Return why a file of a folder is no input, in a word or two."""
    suffix = file.suffix.lower()
    if file.name.startswith("."):
        return "hidden"
    if suffix in SUFFIXES:
        return "from an earlier call"
    if suffix in codecs.SUFFIXES:
        return f"{suffix} (one video a call)"
    return suffix or "without a suffix"


def _is_result(file: Path, folder: Path, naming: Naming) -> bool:
    """Return whether an image of an input folder is what an earlier call has written there."""
    if naming.output is None or naming.path.resolve() == folder.resolve():
        return bool(naming.suffix) and file.stem.endswith(naming.suffix)
    output = naming.path.resolve()
    # By the folder that a file stands in: results may lie behind a linked folder, while a linked file is an image.
    place = Path(os.path.realpath(file.parent))
    return not folder.resolve().is_relative_to(output) and place.is_relative_to(output)
