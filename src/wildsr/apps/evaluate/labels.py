"""What pages and terminals call stages, methods, validation sets and strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wildsr.scores import MAIN

STAGES = {"psnr": "PSNR", "gan": "GAN"}  # as papers write them
NAMED = 6  # images of a set so small that they name it


def stage_title(stage: str) -> str:
    """Return how a stage is called on pages: "PSNR stage"."""
    return f"{STAGES.get(stage, stage)} stage"


def method_label(method: str) -> str:
    """Return how a method of a table is called on pages: stages by their title, others by their own name."""
    stage = method.removesuffix(" stage")
    return method if stage == method else stage_title(stage)


class SetContent(NamedTuple):
    """Content of a validation set: how many images, versions of each, and the names of a few."""

    images: int
    versions: int
    names: Sequence[str] = ()

    @property
    def note(self) -> str:
        """Return the number of images in words."""
        images = f"{self.images} image{'' if self.images == 1 else 's'}"
        return f"{images} × {self.versions} versions" if self.versions > 1 else images


Contents = Mapping[str, SetContent]


def contents_of(images: Sequence[Mapping[str, str]]) -> dict[str, SetContent]:
    """Return what each validation set holds, by the rows of an images.csv."""
    found = {}
    for name in dict.fromkeys(row.get("set", "") for row in images):
        rows = [row for row in images if row.get("set", "") == name]
        pictures = list(dict.fromkeys(row.get("picture", "") for row in rows))
        versions = len({row.get("version", "") for row in rows})
        found[name] = SetContent(len(pictures), versions, pictures if len(pictures) <= NAMED else ())
    return found


def set_title(name: str, content: SetContent | None) -> str:
    """Return what a set is called on pages: a small one by what is in it, unless that is only names of files."""
    if name == MAIN:
        return "Validation images"
    if content is None or not content.names or any(Path(image).suffix for image in content.names):
        return f"Set {name}"
    words = ", ".join(content.names)
    return f"{words[0].upper()}{words[1:]} ({name})"


def stratum_label(axis: str, stratum: str) -> str:
    """Return a stratum of a strata.csv in the words of the degradation."""
    if axis == "blur":
        return f"Kernel {stratum.replace('_', ' ')}"
    if axis == "noise":
        kind, _, span = stratum.partition(" ")
        return f"{kind.title()} noise {'σ ' if kind == 'gaussian' else '×'}{span}"
    if axis == "order":
        return {"jpeg first": "Final JPEG before resize", "jpeg last": "Final JPEG after resize"}.get(stratum, stratum)
    return f"Final JPEG {stratum}" if axis == "jpeg" else stratum
