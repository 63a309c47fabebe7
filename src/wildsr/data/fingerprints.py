"""Digests that tell one set of images from another, without reading their pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from wildsr.data.paired import PairedFiles
from wildsr.data.photographs import Photographs
from wildsr.data.samples import Images, MixedSamples, PairedSamples, TrainingSamples
from wildsr.data.weighted import WeightedImages
from wildsr.images import file_state


def fingerprint(train: TrainingSamples) -> str:
    """Compute SHA-256 over the names of the images that samples are cut from, and over the sizes of single files."""
    if isinstance(train, MixedSamples):
        return _sha256(fingerprint(part) for part in (train.paired, train.synthetic))
    return _fingerprint(train.files if isinstance(train, PairedSamples) else train.images)


def _fingerprint(source: Images | PairedFiles) -> str:
    if isinstance(source, WeightedImages):
        return _sha256(f"{name} {_fingerprint(images)}\n" for name, images in sorted(source.sources.items()))
    if isinstance(source, Photographs):
        return images_digest(source.paths, source.root)
    return _sha256(f"{source.name(index)}\n" for index in range(len(source)))


def images_digest(files: Sequence[Path], root: Path) -> str:
    """Compute SHA-256 over the images' paths under `root` and their sizes in bytes, in the order of the paths."""
    return _sha256(sorted(f"{file.relative_to(root).as_posix()} {file_state(file).st_size}\n" for file in files))


def _sha256(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode(errors="surrogateescape"))
    return digest.hexdigest()
