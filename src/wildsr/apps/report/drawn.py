"""Draws of a run's degradation, as histograms and a few recipes in words, written by the run for its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wildsr.checks import check_integer, check_number, check_type, checked_list, checked_number
from wildsr.io import read_json, write_json
from wildsr.labels import number_label, order_label

if TYPE_CHECKING:  # what reads them, as a report does, needs no torch
    from wildsr.degradation import DegradationSpec

DRAWN = "degradation.json"
DRAWS = 2000  # recipes; a share of 3 % is then known to 0.4 %
RECIPES = 4
BINS = 30
FEW_VALUES = 8


@dataclass(frozen=True)
class Histogram:
    """Spread of one drawn number: the share in [0, 1] of each of its values, or of equal steps between two ends.

    `part` is the share of the recipes which hold it at all; `labels` are the values, or the two ends.
    """

    key: str
    part: float
    shares: Sequence[float]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        check_type(self, "key", str)
        check_number(self, "part", 0, 1)
        shares = tuple(checked_number("shares", share, 0, 1) for share in checked_list("shares", self.shares))
        object.__setattr__(self, "shares", shares)
        object.__setattr__(self, "labels", tuple(map(str, checked_list("labels", self.labels))))

    @property
    def order(self) -> str:
        return order_label(self.key.partition(".")[0])

    @property
    def title(self) -> str:
        return number_label(self.key)

    @property
    def by_value(self) -> bool:
        return len(self.labels) == len(self.shares)


@dataclass(frozen=True)
class Drawn:
    """Content of `draws` recipes, and the first of them in words, a line an order."""

    draws: int
    histograms: list[Histogram]
    recipes: list[str]

    def __post_init__(self) -> None:
        check_integer(self, "draws", 1, 10**9)


def look_at(spec: DegradationSpec, draws: int = DRAWS, seed: int = 0) -> Drawn:
    """Draw recipes and sum them up."""
    import numpy as np

    from wildsr.apps.common.drawn import drawn_values, in_words, varying

    values = varying(drawn_values(spec, draws, seed))
    rng = np.random.default_rng(seed)
    recipes = [in_words(spec.draw(rng)) for _ in range(RECIPES)]
    return Drawn(draws, [histogram(key, found, draws) for key, found in values.items()], recipes)


def histogram(key: str, values: Sequence[Any], draws: int) -> Histogram:
    """Sum up the values of one drawn number: few of them one by one, many in BINS steps."""
    import numpy as np

    counts = Counter(values)
    if isinstance(values[0], str) or len(counts) <= FEW_VALUES:
        order = [name for name, _ in counts.most_common()] if isinstance(values[0], str) else sorted(counts)
        return Histogram(key, len(values) / draws, [counts[name] / len(values) for name in order], order)
    low, high = min(values), max(values)
    edges = np.linspace(low, high, BINS + 1)
    if isinstance(low, int):  # as many whole numbers in each step, else the steps would look uneven
        step = -(-(high - low + 1) // BINS)
        edges = np.arange(low, high + step + 1, step) - 0.5
    found, _ = np.histogram(values, edges)
    return Histogram(key, len(values) / draws, [int(n) / len(values) for n in found], [f"{low:.3g}", f"{high:.3g}"])


def write_drawn(drawn: Drawn, file: Path) -> None:
    """Write it for a report."""
    write_json(asdict(drawn), file)


def read_drawn(file: Path) -> Drawn | None:
    """Read what a run has written; None where there is nothing.

    Raises:
        UserError: it is damaged.
    """

    def parse(content: Any) -> Drawn:
        histograms = [Histogram(**part) for part in content["histograms"]]
        return Drawn(content["draws"], histograms, [str(recipe) for recipe in content["recipes"]])

    return read_json(file, parse, absent=None)
