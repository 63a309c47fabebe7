"""What was found for the images of a folder: their JPEGs, their recipes, and both in words."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wildsr.apps.match.inference import Inference, Posterior, summary
from wildsr.apps.match.jpeg import FoundJpeg, find_jpeg, read_tables
from wildsr.apps.match.statistics import LEAST, is_photograph, measure
from wildsr.degradation.recipe import Recipe
from wildsr.images import read_image
from wildsr.io import UserError, first_line

log = logging.getLogger(__name__)
Item = TypeVar("Item")

CLEAN_NOISE, CLEAN_QUALITY, CLEAN_BLUR, CLEAN_HALO = 1.5, 93, 0.3, 0.3  # levels, libjpeg's, LQ pixels, px x strength
OTHER_CODECS = (".webp", ".avif", ".jxl", ".heic", ".heif")  # whose damage is hardly known: never called clean
MOST_SURPRISING = 0.2  # share of images unlike any simulation, from which none is called clean
SURPRISING = 1.0  # of Posterior.surprise: one in a hundred simulations lies as far off
NOISES = ((CLEAN_NOISE, "Hardly any noise"), (5, "A little noise"), (np.inf, "Noise"))  # median below, levels
BLURS = (  # median below, LQ pixels
    (0.2, "As sharp as a plain resize makes an image"),
    (0.5, "A little softer than a plain resize makes an image"),
    (np.inf, "Soft, blurred or enlarged before"),
)


@dataclass(frozen=True)
class MeasuredImage:
    """One image before anything is inferred: its file, its last JPEG if it has one, its statistics."""

    file: Path
    jpeg: FoundJpeg | None
    measured: np.ndarray


@dataclass(frozen=True)
class ImageFinding:
    """One image, and the recipes that could have made it."""

    image: MeasuredImage
    posterior: Posterior


def evenly_spaced(items: Sequence[Item], at_most: int) -> list[Item]:
    """Return items from the first to the last, some of them left out where there are too many."""
    return [items[place] for place in np.unique(np.linspace(0, len(items) - 1, at_most).round().astype(int))]


def measure_files(files: Sequence[Path]) -> list[MeasuredImage]:
    """Measure images; what is damaged, too small or no photograph is named in a warning and left out.

    Raises:
        UserError: nothing is left.
    """
    found = []
    for file in files:
        try:
            image = read_image(file)
            if min(image.shape[-2:]) < LEAST:
                raise UserError(f"{file}: {image.shape[-1]} x {image.shape[-2]} pixels, wanted at least {LEAST} a side")
            if not is_photograph(image):
                raise UserError(f"{file}: not a photograph (flat areas or few colours), of which nothing can be said")
            jpeg = read_tables(file) or find_jpeg(image)
            found.append(MeasuredImage(file, jpeg, measure(image)))
        except UserError as error:
            log.warning("left out: %s", first_line(error))
    if not found:
        raise UserError(f"none of {len(files)} images can be matched; wanted photographs of at least {LEAST} a side")
    return found


def is_lossy_webp(file: Path) -> bool:
    """Return whether a file is a WebP that is not lossless all through."""
    with file.open("rb") as stream:
        head = stream.read(16)
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:] != b"VP8L"


def infer(images: Sequence[MeasuredImage], inference: Inference) -> list[ImageFinding]:
    """Find the recipes that could have made each image."""
    return [ImageFinding(one, inference.posterior(one.measured, one.jpeg, is_lossy_webp(one.file))) for one in images]


def pool_of(findings: Sequence[ImageFinding]) -> list[tuple[float, Recipe, str]]:
    """Return the union of the recipes of all images: a weight, the recipe, the file; an image counts as any other."""
    return [
        (1 / len(findings) / len(one.posterior.recipes), recipe, one.image.file.name)
        for one in findings
        for recipe in one.posterior.recipes
    ]


def to_lines(pool: Sequence[tuple[float, Recipe, str]]) -> str:
    """Write a pool as recipes.jsonl, a line a recipe."""
    lines = ({"weight": weight, "file": file, "recipe": recipe.to_dict()} for weight, recipe, file in pool)
    return "".join(json.dumps(line) + "\n" for line in lines)


def describe(findings: Sequence[ImageFinding]) -> list[str]:
    """Say what was found, a sentence a subject, each with its spread."""
    pooled = _pooled(findings)
    noise, blur, halo = (pooled[key] for key in ("noise", "blur", "halo"))
    known = {key: _uncertainty(findings, key) for key in ("noise", "blur", "halo")}
    grey = f"; grey in {pooled['grey_share']:.0%} of the recipes that have any" if noise[1] >= CLEAN_NOISE else ""
    sharpened = "Sharpened" if halo[1] >= CLEAN_HALO else "No sharpening that shows"
    sentences = [
        _jpeg_in_words(findings),
        f"{_graded(noise[1], NOISES)}: σ {noise[0]:.1f} to {noise[2]:.1f} levels, half of it above {noise[1]:.1f} "
        f"(one image is known to about ± {known['noise']:.1f}){grey}.",
        f"{_graded(blur[1], BLURS)}: a Gaussian of σ {blur[0]:.2f} to {blur[2]:.2f} pixels of these images before the "
        f"resize (± {known['blur']:.2f}).",
        f"{sharpened}: strength times radius {halo[0]:.2f} to {halo[2]:.2f} (± {known['halo']:.2f}).",
    ]
    odd = [one.image.file.name for one in findings if _is_surprising(one)]
    if odd:
        shown = ", ".join(odd[:3]) + (", …" if len(odd) > 3 else "")
        sentences.append(
            f"{len(odd)} of {len(findings)} images look like nothing that was simulated ({shown}): "
            "what is said of them is a guess."
        )
    return sentences


def is_clean(findings: Sequence[ImageFinding]) -> bool:
    """Return whether the images show no damage but their size: there is nothing to match.

    Of what was not simulated, other codecs and images unlike any simulation, that is not known, and not said.
    """
    if any(one.image.file.suffix.lower() in OTHER_CODECS for one in findings):
        return False
    if np.mean([_is_surprising(one) for one in findings]) > MOST_SURPRISING:
        return False
    pooled = _pooled(findings)
    compressed = [one.image.jpeg is not None and one.image.jpeg.quality < CLEAN_QUALITY for one in findings]
    limits = {"noise": CLEAN_NOISE, "blur": CLEAN_BLUR, "halo": CLEAN_HALO}
    return bool(np.mean(compressed) < 0.5) and all(pooled[key][1] < limit for key, limit in limits.items())


def unknowns(findings: Sequence[ImageFinding]) -> list[str]:
    """Say what could not be known."""
    files = Counter(one.image.file.suffix.lower() for one in findings)
    odd = sum(one.image.jpeg is not None and not one.image.jpeg.is_exact for one in findings)
    few = [f"How rare cases look: there are {len(findings)} images, wanted ten or more."] if len(findings) < 10 else []
    if len(findings) == 1:
        few = ["How images differ: there is but one."]
    return [
        "What came before the last resize: it survives only as softness and noise. Blur is taken for a Gaussian; "
        "motion and defocus are not told from it.",
        "An earlier JPEG, where there were two: its quality is guessed within the prior.",
        "Noise that the last JPEG has removed; the stronger the compression, the wider the answer.",
        "Codecs other than JPEG and WebP (AVIF, video) are not simulated; what they did is taken for WebP or for blur.",
        *([f"The quality of {files['.webp']} WebP files: it is guessed within the prior."] if files[".webp"] else []),
        *few,
        *([f"The exact tables of {odd} files, which are not libjpeg's: the nearest quality stands."] if odd else []),
    ]  # fmt: skip


def _pooled(findings: Sequence[ImageFinding]) -> dict[str, Any]:
    """Return the summary of the recipes of all images."""
    return summary([recipe for one in findings for recipe in one.posterior.recipes])


def _is_surprising(finding: ImageFinding) -> bool:
    return finding.posterior.surprise > SURPRISING


def _jpeg_in_words(findings: Sequence[ImageFinding]) -> str:
    found = [one.image.jpeg for one in findings if one.image.jpeg is not None]
    if not found:
        return f"No JPEG found in any of {len(findings)} {'image' if len(findings) == 1 else 'images'}."
    low, high = min(jpeg.quality for jpeg in found), max(jpeg.quality for jpeg in found)
    sampling = ", ".join(name for name, _ in Counter(jpeg.subsampling for jpeg in found).most_common())
    by_tables = sum(jpeg.source == "file" for jpeg in found)
    sources = [f"the tables of {by_tables} files"] if by_tables else []
    sources += [f"the pixels of {len(found) - by_tables} images saved again"] if len(found) > by_tables else []
    rest = f"; none in {len(findings) - len(found)}" if len(findings) > len(found) else ""
    return f"JPEG quality {low if low == high else f'{low} to {high}'}, {sampling}, by {' and '.join(sources)}{rest}."


def _graded(value: float, grades: Sequence[tuple[float, str]]) -> str:
    """Return the words of the first limit that a value is below."""
    return next(words for limit, words in grades if value < limit)


def _uncertainty(findings: Sequence[ImageFinding], key: str) -> float:
    """Return half the way from the lowest to the highest tenth of one image's recipes, on average."""
    widths = [float(np.ptp(np.take(summary(one.posterior.recipes)[key], [0, 2]))) for one in findings]
    return float(np.mean(widths)) / 2
