"""What pages, terminals and dashboards call stages, methods, validation sets, images, orders, drawn numbers, strata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsr.scores import MAIN

STAGES = {"psnr": "PSNR", "gan": "GAN"}  # as papers write them
NAMED = 6  # images of a set so small that they name it
ORDERS = {"first": "1st order", "second": "2nd order"}  # every other order bears its own name
NUMBERS = {  # what the operations of the package draw, and its unit, in the order in which pages show it
    "order": "order of operations",
    "blur.kind": "blur kernel",
    "blur.size": "kernel size (px)",
    "blur.sigma_x": "blur σ (px)",
    "blur.sigma_y": "blur σ across (px)",
    "blur.theta": "blur angle (rad)",
    "blur.beta": "kernel shape β",
    "blur.cutoff": "sinc cut-off (rad/px)",
    "resize.factor": "resize factor (×)",
    "resize.mode": "resize filter",
    "resize.relative_to": "resize factor of which size",
    "noise.kind": "noise",
    "noise.gaussian strength": "Gaussian noise σ (8-bit levels)",
    "noise.poisson strength": "Poisson noise scale (×)",
    "noise.grey": "noise channels",
    "jpeg.quality": "JPEG quality",
    "jpeg.subsampling": "JPEG subsampling",
    "motion.length": "motion blur length (px)",
    "motion.theta": "motion blur angle (rad)",
    "defocus.radius": "defocus radius (px)",
    "halo.radius": "sharpening σ (px)",
    "halo.strength": "sharpening strength (×)",
    "webp.quality": "WebP quality",
    "video.codec": "video codec",
    "video.h264 crf": "H.264 CRF",
    "video.h265 crf": "H.265 CRF",
    "video.mpeg2 crf": "MPEG-2 quantiser scale",
    "video.frames": "frames of the clip",
    "video.speed": "motion of the clip (px/frame)",
    "sinc.size": "sinc size (px)",
    "sinc.cutoff": "sinc cut-off (rad/px)",
}


def stage_title(stage: str) -> str:
    """Return how a stage is called on pages: "PSNR stage"."""
    return f"{STAGES.get(stage, stage)} stage"


def run_title(name: str, folder: str) -> str:
    """Return how a run is called, by its name and its folder's: "quickstart", "abl / ablation=no_sinc" of a multirun.

    Of the numbers in a trial's name four digits tell it from the others.
    """
    trial = re.sub(r"(?<==)\d*\.\d+(e-?\d+)?", lambda number: f"{float(number[0]):.4g}", folder)
    return name if trial == name else f"{name} / {trial}"


def method_label(method: str) -> str:
    """Return how a method of a table is called on pages: stages by their title, others by their own name."""
    stage = method.removesuffix(" stage")
    return method if stage == method else stage_title(stage)


def image_title(image: str, version: int = 0, set_name: str = MAIN) -> str:
    """Return how an image of a validation set is called: "astronaut.png, version 2", "text (hard)"."""
    title = image if set_name == MAIN else f"{image} ({set_name})"
    return f"{title}, version {version + 1}" if version else title


def order_label(order: str) -> str:
    """Return an order as papers count it: "1st order", "2nd order", "final"."""
    return ORDERS.get(order, order)


def number_label(key: str) -> str:
    """Return what a key of `drawn_values` stands for, with its unit and without its order."""
    name = key.partition(".")[2]
    return NUMBERS.get(name) or name.replace(".", " ").replace("_", " ")


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
        return f"{images} × {versions:g} versions" if versions % 1 == 0 else f"{images}, {self.total} versions"

    @property
    def total(self) -> int:
        """Return how often a metric is measured: images times versions."""
        return round(self.images * self.versions)


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


def set_words(name: str, content: SetContent) -> str:
    """Return what a set is called within a line: "validation, 2 images × 4 versions", "page, lines, text (hard)"."""
    if name != MAIN and (words := _named(content)):
        return f"{words} ({name})"
    return f"{'validation' if name == MAIN else name}, {content.note}"


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
