"""What pages and terminals call runs, methods, validation sets by what they hold, and strata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsr.labels import stage_title, trial_label
from wildsr.scores import MAIN

NAMED = 6  # images of a set so small that they name it


def run_title(name: str, folder: str) -> str:
    """Return how a run is called, by its name and folder: "quickstart", of a multirun "abl / ablation=no_sinc"."""
    trial = trial_label(folder)
    return name if trial == name else f"{name} / {trial}"


def method_label(method: str) -> str:
    """Return how a method of a table is called on pages: stages by their title, others by their own name."""
    stage = method.removesuffix(" stage")
    return method if stage == method else stage_title(stage)


@dataclass(frozen=True)
class SetContent:
    """Content of a validation set: how many images, versions of each on average, and the names of a few."""

    images: int
    versions: float
    names: Sequence[str] = ()

    @property
    def note(self) -> str:
        """Return the number of images in words: "2 images × 4 versions"."""
        images, versions = f"{self.images} image{'' if self.images == 1 else 's'}", self.versions
        if versions == 1:
            return images
        if versions % 1 == 0:
            return f"{images} × {versions:g} versions"
        return f"{images}, {round(self.images * versions)} versions"


Contents = Mapping[str, SetContent]


def content_of(labels: Iterable[tuple[str, int | str]]) -> SetContent:
    """Return what a validation set holds, by the name and the version of each of its images; at least one."""
    found = dict.fromkeys(labels)
    names = list(dict.fromkeys(name for name, _ in found))
    return SetContent(len(names), len(found) / len(names), names if len(names) <= NAMED else ())


def contents_of(images: Sequence[Mapping[str, str]]) -> dict[str, SetContent]:
    """Return what each validation set holds, by the rows of an images.csv."""
    labels: dict[str, list[tuple[str, int | str]]] = {}
    for row in images:
        labels.setdefault(row.get("set", ""), []).append((row.get("picture", ""), row.get("version", "")))
    return {name: content_of(own) for name, own in labels.items()}


def set_title(name: str, content: SetContent | None) -> str:
    """Return what a set is called on pages: a small one by what is in it, unless that is only names of files."""
    if name == MAIN:
        return "Validation images"
    if words := _named(content):
        return f"{words[0].upper()}{words[1:]} ({name})"
    return f"Set {name}"


def set_words(name: str, content: SetContent | None) -> str:
    """Return what a set is called within a line: "validation, 2 images × 4 versions", "page, lines, text (hard)"."""
    if name != MAIN and (words := _named(content)):
        return f"{words} ({name})"
    title = "validation" if name == MAIN else name
    return title if content is None else f"{title}, {content.note}"


def _named(content: SetContent | None) -> str:
    if content is None or any(Path(image).suffix for image in content.names):
        return ""
    return ", ".join(content.names)


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
