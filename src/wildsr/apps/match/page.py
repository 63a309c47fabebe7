"""The page of a match: what was found, images beside sample photographs degraded alike, statistics, what is unknown."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from wildsr.apps.common.drawn import in_words
from wildsr.apps.evaluate.html import write_html
from wildsr.apps.match.findings import ImageFinding, describe, evenly_spaced, is_clean, pool_of, unknowns
from wildsr.apps.match.simulation import PHOTOGRAPHS, measure_simulated
from wildsr.apps.match.statistics import NAMES
from wildsr.data import sample_photographs
from wildsr.degradation import degrade
from wildsr.images import middle, most_detailed, read_image, to_float, to_pil, to_uint8

SHOWN = 6  # images
WINDOW = 128  # pixels a side, shown at twice their size
OURS = ("astronaut.png", "coffee.png")  # damaged alike; no simulation saw them
POOL_IMAGES = 48  # simulated from the pool for the table


class Row(NamedTuple):
    """One image and one of ours: its name, the two windows as data URIs, and the recipe in words."""

    name: str
    theirs: str
    ours: str
    recipe: str


class Statistic(NamedTuple):
    """One statistic: its meaning, the folder's median and its tenths, the pool's."""

    meaning: str
    folder: str
    pool: str
    is_off: bool


def write_page(findings: Sequence[ImageFinding], title: str, command: str, file: Path) -> None:
    """Write report.html, whole or not at all. Raises: UserError, OSError."""
    write_html(
        file,
        "match.html",
        title=title,
        count=len(findings),
        words=describe(findings),
        clean=is_clean(findings),
        rows=[_row(one, number) for number, one in enumerate(evenly_spaced(findings, SHOWN))],
        statistics=compare(findings),
        unknowns=unknowns(findings),
        command=command,
    )


def compare(findings: Sequence[ImageFinding]) -> list[Statistic]:
    """Compare the folder's statistics with those of photographs damaged by recipes drawn from the pool."""
    pool, rng = pool_of(findings), np.random.default_rng(0)
    weights = np.array([weight for weight, _, _ in pool])
    places = rng.choice(len(pool), POOL_IMAGES, p=weights / weights.sum())
    photographs = sample_photographs(PHOTOGRAPHS)
    simulated = np.array([
        measure_simulated(photographs, number, pool[place][1], rng) for number, place in enumerate(places)
    ])  # fmt: skip
    measured = np.array([one.image.measured for one in findings])
    found = []
    for name, theirs, ours in zip(NAMES.values(), measured.T, simulated.T, strict=True):
        low, high = np.quantile(ours, (0.1, 0.9))
        found.append(Statistic(name, _in_tenths(theirs), _in_tenths(ours), not low <= np.median(theirs) <= high))
    return found


def _in_tenths(values: np.ndarray) -> str:
    low, middle_one, high = np.quantile(values, (0.1, 0.5, 0.9))
    return f"{middle_one:.2f} ({low:.2f} to {high:.2f})"


def _row(finding: ImageFinding, number: int) -> Row:
    recipe, file = finding.posterior.recipes[0], finding.image.file
    photograph = sample_photographs(OURS)[number % len(OURS)]
    side = min(*photograph.shape[-2:], 3 * WINDOW * recipe.scale) // recipe.scale * recipe.scale
    ours = to_uint8(degrade(to_float(middle(photograph, side)), recipe))
    return Row(file.name, _window(read_image(file)), _window(ours), in_words(recipe) or "a resize alone")


def _window(image: Tensor) -> str:
    """Return the most detailed window of an image as a PNG in a data URI: the pixels as they are."""
    rows, columns = most_detailed(to_float(image), WINDOW, 1)
    file = io.BytesIO()
    to_pil(image[:, rows, columns]).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
