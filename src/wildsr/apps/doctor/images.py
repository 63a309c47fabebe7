"""The images of a run: readable, large enough, each once, and those of validation not among those of training.

The header of every file is read, and of a sample the pixels, too. Copies are files of the same bytes: files of one
length are compared by a digest of their beginning, then of the whole. A store's images are plain levels, which
cannot be damaged without its header saying so, and are not compared.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from omegaconf import DictConfig
from rich.filesize import decimal
from rich.progress import Progress

from wildsr.apps.doctor.findings import ERROR, OK, WARNING, Finding, collect_findings, count, some
from wildsr.building import open_photographs, stage_of
from wildsr.checks import checked_integer, checked_number
from wildsr.config import build
from wildsr.data import PairedFiles, Photographs, Store, WeightedImages
from wildsr.data.photographs import CORRUPT_SHARE
from wildsr.images import file_state, image_size, read_image
from wildsr.labels import stage_title

# Decoded without --all. Of 300 the one damaged in a hundred that stops a run is missed once in twenty (0.99 ** 300).
SAMPLE = 300
BEGINNING = 1 << 16  # bytes that tell most files of one length apart
CHUNK = 1000  # files handed to the threads at once: a million waiting tasks would take a gigabyte

Item = TypeVar("Item")
LQ_OF_PAIRS = "LQ of pairs"
# 1,400,000 iterations of 48 images, on the 13,774 of DF2K and OST (Real-ESRGAN, 4.1): each about 5,000 times.
RELEASED_VIEWS = 5000
OFTEN = 10  # times as many are no training of the kind
Result = TypeVar("Result")


class Source(NamedTuple):
    """Images of one purpose.

    Attributes:
        label: what they are for.
        length: how many.
        files: where they are; none in a store.
        crop: the side that is cut out of them, in pixels; 0 where they stay whole.
        trains: whether they are trained on.
        sides: the shortest side of each that is not in a file of its own.
    """

    label: str
    length: int
    files: list[Path]
    crop: int = 0
    trains: bool = False
    sides: Sequence[int] = ()


class Header(NamedTuple):
    """What a file's header says: bytes, the shortest side in pixels, and what is wrong with it, or nothing."""

    size: int
    side: int
    fault: str


def check_images(
    cfg: DictConfig, everything: bool, progress: Progress, stages: Sequence[DictConfig] = ()
) -> list[Finding]:
    """Check all images of a configuration, on which sound `stages` train; with `everything` each one is decoded."""
    findings: list[Finding] = []
    found = open_sources(cfg, findings)
    headers: dict[Path, Header] = {}
    for source in found:
        new, decoded = read_files(source, everything, progress)
        findings += report_damage(source, new, decoded, cfg.data.undersized)
        headers |= new
    groups, compared = find_copies({path: one.size for path, one in headers.items() if one.size}, progress)
    findings += report_copies(found, groups)
    findings += report_repetition(found, stages)
    if found:
        counts = ", ".join(f"{source.label} {source.length:,}" for source in found)
        sampled = not everything and any(len(source.files) > SAMPLE for source in found)
        pixels = f"the pixels of {SAMPLE} a set (--all: of all)" if sampled else "all pixels"
        alike = f", {decimal(compared)} to find copies" if compared else ""
        read = f"; read: all headers, {pixels}{alike}" if headers else ""
        findings.insert(0, Finding(OK, "images", f"{counts}{read}"))
    return findings


def open_sources(cfg: DictConfig, findings: list[Finding]) -> list[Source]:
    """Open the images that a configuration names; what cannot be opened is a fault."""
    data, found = cfg.data, list[Source]()
    share, crop = 0.0, 0
    with collect_findings(findings, "images"):
        share = checked_number("data.paired_share", data.paired_share, 0, 1)
        crop = checked_integer("data.crop", data.crop, 1, 10**6)
    if share < 1 and data.train is not None:
        with collect_findings(findings, "images"):
            photographs = open_photographs(cfg)
            parts = photographs.sources.values() if isinstance(photographs, WeightedImages) else [photographs]
            sides = [side for part in parts if isinstance(part, Store) for side in part.sides().tolist()]
            found.append(Source("training", len(photographs), files_of(photographs), crop, True, sides))
    if share > 0:
        with collect_findings(findings, "images"):
            pairs = build(data.pairs, "data.pairs")
            for place, (label, side) in enumerate(((LQ_OF_PAIRS, crop // pairs.scale), ("HQ of pairs", crop))):
                found.append(Source(label, len(pairs), [pair[place] for pair in pairs.paths], side, trains=True))
    if data.val is None:
        return found
    with collect_findings(findings, "images"):
        val = build(data.val, "data.val")
        found.append(Source("validation", len(val), files_of(val)))
    for name, node in data.sets.items():
        if node is None:
            continue
        with collect_findings(findings, "images"):
            val = build(node, f"data.sets.{name}", _target_="wildsr.data.validation_set", scale=cfg.scale)
            files = files_of(val)
            if not files or all(files != source.files for source in found):  # else images that were checked already
                found.append(Source(f"set {name}", len(val), files))
    return found


def files_of(images: Any) -> list[Path]:
    """Return the files behind images, or behind a validation set of them."""
    images = getattr(images, "images", getattr(images, "files", images))
    if isinstance(images, WeightedImages):
        return [path for source in images.sources.values() for path in files_of(source)]
    if isinstance(images, Photographs):
        return images.paths
    return [path for pair in images.paths for path in pair] if isinstance(images, PairedFiles) else []


def read_files(source: Source, everything: bool, progress: Progress) -> tuple[dict[Path, Header], dict[Path, str]]:
    """Read the header of every file, and of those decoded what is wrong with their pixels, or nothing."""
    found = map_in_threads(read_header, source.files, f"{source.label}: headers", progress)
    headers = dict(zip(source.files, found, strict=True))
    sound = [path for path, one in headers.items() if not one.fault]
    if not everything and len(sound) > SAMPLE:
        sound = [sound[len(sound) * place // SAMPLE] for place in range(SAMPLE)]  # evenly spread
    pixels = map_in_threads(find_damage, sound, f"{source.label}: pixels", progress)
    return headers, dict(zip(sound, pixels, strict=True))


def report_damage(
    source: Source, headers: dict[Path, Header], decoded: dict[Path, str], undersized: str
) -> list[Finding]:
    """Report damaged and undersized files of one purpose."""
    findings = []
    unreadable = [one.fault for one in headers.values() if one.fault]
    damaged = unreadable + [fault for fault in decoded.values() if fault]
    if damaged:
        # Of files whose pixels were not read, as many are damaged as of those whose pixels were.
        sound = len(headers) - len(unreadable)
        share = (len(unreadable) + (len(damaged) - len(unreadable)) * sound / max(len(decoded), 1)) / len(headers)
        stops = share > CORRUPT_SHARE
        about = "" if len(decoded) == sound else f", about {share:.1%} of all by the {len(decoded)} decoded"
        level, why = (ERROR, "more than 1 % stops a run") if stops else (WARNING, "a run leaves them out")
        text = f"{source.label}: {len(damaged)} of {len(headers):,} not readable{about}: {some(damaged)}"
        findings.append(Finding(level, "images", text, f"remove or replace them: {why}"))
    sides = [*source.sides, *(one.side for one in headers.values() if not one.fault)]
    small = sum(side < source.crop for side in sides)
    if small:
        text = f"{source.label}: {small:,} of {source.length:,} below {source.crop} pixels a side (data.crop)"
        if source.label == "training" and undersized == "leave_out":
            findings.append(Finding(OK, "images", f"{text}, left out"))
        else:
            way = "data.undersized=leave_out goes without them, a smaller data.crop takes them as they are"
            findings.append(Finding(WARNING, "images", f"{text}, padded by reflection", way))
    return findings


def find_copies(sizes: dict[Path, int], progress: Progress) -> tuple[list[list[Path]], int]:
    """Return the groups of two or more files of the same bytes, and how many bytes were read to find them."""
    by_size = defaultdict(list)
    for path, size in sizes.items():
        by_size[size].append(path)
    groups, read = list(by_size.values()), 0
    for length in (BEGINNING, None):
        alike = [path for group in groups if len(group) > 1 for path in group]
        found = map_in_threads(partial(digest, length=length), alike, "looking for copies", progress)
        by_content = defaultdict(list)
        for path, key in zip(alike, found, strict=True):
            by_content[sizes[path], key].append(path)
        groups = list(by_content.values())
        read += sum(min(sizes[path], length or sizes[path]) for path in alike)
    return [group for group in groups if len(group) > 1], read


def report_repetition(found: Sequence[Source], stages: Sequence[DictConfig]) -> list[Finding]:
    """Warn of stages that see each training image far oftener than the released networks did."""
    images = sum(source.length for source in found if source.trains and source.label != LQ_OF_PAIRS)
    findings = []
    for cfg in stages if images else ():
        iterations, batch = stage_of(cfg).iterations, cfg.data.batch_size
        if iterations * batch > OFTEN * RELEASED_VIEWS * images:
            views = iterations * batch // images
            stage = stage_title(cfg.stage.name)
            text = f"{stage}: {count(iterations, 'iteration')} see each of {count(images, 'training image')} "
            text += f"{views:,} times: too few images for so long a stage"
            fewer = max(RELEASED_VIEWS * images // batch, 1)
            way = f"more images, or stages.{cfg.stage.name}.iterations={fewer}: {RELEASED_VIEWS:,} times, as released"
            findings.append(Finding(WARNING, "images", text, way))
    return findings


def report_copies(found: Sequence[Source], groups: Sequence[list[Path]]) -> list[Finding]:
    """Say what copies mean: images that count double, and images of validation that were trained on."""
    findings = []
    trained = {path for source in found if source.trains for path in source.files}
    taught = {path for group in groups if not trained.isdisjoint(group) for path in group} | trained
    for source in found:
        own = set(source.files)
        known = [] if source.trains else sorted(own & taught)
        if known:
            text = f"{source.label}: {len(known):,} of {len(own):,} are training images, too: {some(known)}"
            findings.append(Finding(WARNING, "images", text, "hold others out: scores on these say nothing"))
        inside = [same for group in groups if len(same := sorted(own.intersection(group))) > 1]
        if inside:
            extra = count(sum(len(same) - 1 for same in inside), "file")
            text = f"{source.label}: {extra} equal to another, byte for byte: {' = '.join(map(str, inside[0][:2]))}"
            findings.append(Finding(WARNING, "images", text, "remove what is there twice: it counts double"))
    return findings


def read_header(path: Path) -> Header:
    """Return a file's length and what its header says."""
    try:
        return Header(file_state(path).st_size, min(image_size(path)), "")
    except (ValueError, OSError) as error:
        return Header(0, 0, str(error))


def find_damage(path: Path) -> str:
    """Return what is wrong with a file's pixels; empty for a sound one."""
    try:
        read_image(path)
    except (ValueError, OSError, MemoryError) as error:
        return str(error)
    return ""


def digest(path: Path, length: int | None) -> bytes:
    """Return the SHA-256 of a file's first bytes, or of all of it; of its name where it cannot be read."""
    try:
        with path.open("rb") as file:
            if length is not None:
                return hashlib.sha256(file.read(length)).digest()
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return bytes(path)


def map_in_threads(
    task: Callable[[Item], Result], items: Sequence[Item], label: str, progress: Progress
) -> Iterator[Result]:
    """Run `task` on every item, in their order, in threads: Pillow and hashlib let others run while they work."""
    bar = progress.add_task(label, total=len(items))
    # Reading an image silences warnings for a while; threads that do so at once would leave them silenced.
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        for start in range(0, len(items), CHUNK):
            for result in pool.map(task, items[start : start + CHUNK]):
                progress.advance(bar)
                yield result
    progress.remove_task(bar)
