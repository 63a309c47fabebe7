"""Where a method is weak: its figures by what was done to the pictures of a synthetic set.

Blur and noise are the first order's; JPEG and the order of JPEG and resize are the finish's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table

from wildsr.apps.evaluate.judgement import Score
from wildsr.degradation import DegradationSpec, Recipe
from wildsr.degradation.recipe import BLUR_FIELDS
from wildsr.metrics import FEW, FIGURES
from wildsr.scores import mean_row, mean_text

Row = dict[str, Any]


def strata_of(recipe: Recipe, spec: DegradationSpec) -> dict[str, str]:
    """The stratum of a recipe on each axis, in words: blur, noise, jpeg, order. What it leaves out has none.

    Noise is parted at the middle of the spec's range of its kind, JPEG at the thirds of the range of qualities.
    """
    blur, noise, finish = recipe.first.blur, recipe.first.noise, recipe.finish
    found = {"blur": blur.kind} if blur else {}
    if noise:
        lower, upper = _halves(spec, noise.kind)
        found["noise"] = _words(lower if noise.strength < upper[0] else upper, noise.kind)
    if finish:
        found["jpeg"] = _words(next(span for span in _thirds(spec) if finish.jpeg.quality <= span[1]), "quality")
        found["order"] = "jpeg first" if finish.jpeg_first else "jpeg last"
    return found


def all_strata(spec: DegradationSpec) -> dict[str, list[str]]:
    """Every stratum that a spec can draw, by axis, in a fixed order."""
    kinds = ("gaussian", "poisson") if spec.first.noise else ()
    return {
        "blur": list(BLUR_FIELDS) if spec.first.blur else [],
        "noise": [_words(half, kind) for kind in kinds for half in _halves(spec, kind)],
        "jpeg": [_words(third, "quality") for third in _thirds(spec)] if spec.finish else [],
        "order": ["jpeg first", "jpeg last"] if spec.finish else [],
    }


def by_stratum(scores: Iterable[Score], spec: DegradationSpec) -> list[Row]:
    """A row a stratum and method, with the number of images and the means; a stratum without images has a bare 0."""
    keys = [(axis, stratum) for axis, strata in all_strata(spec).items() for stratum in strata]
    grouped: dict[tuple[str, str], dict[str, list[Score]]] = {key: {} for key in keys}
    for score in scores:
        assert score.recipe is not None
        for key in strata_of(score.recipe, spec).items():
            grouped[key].setdefault(score.method, []).append(score)
    rows: list[Row] = []
    for (axis, stratum), methods in grouped.items():
        head = {"axis": axis, "stratum": stratum}
        rows += [
            {**head, "images": len(found), "method": method, **mean_figures(found)} for method, found in methods.items()
        ] or [{**head, "images": 0}]
    return rows


def mean_figures(scores: Sequence[Score]) -> dict[str, float]:
    """The mean of each figure, see `mean_row`."""
    return mean_row({name: [score.figures[name] for score in scores] for name in scores[0].figures})


def strata_table(rows: Sequence[Row], figure: str, title: str) -> Table:
    """One figure of every method by stratum; strata of fewer than FEW images are only counted, below the table."""
    methods = list(dict.fromkeys(row["method"] for row in rows if row["images"]))
    table = Table(title=f"{title}, {FIGURES[figure].head}", title_justify="left", caption_justify="left")
    for name in ("", "images", *methods):
        table.add_column(name, justify="left" if not name else "right")
    cells: dict[tuple[str, str, int], list[str]] = {}
    for row in rows:
        texts = cells.setdefault((row["axis"], row["stratum"], row["images"]), [])
        texts += [mean_text(row, figure, FIGURES[figure].digits)] if row["images"] else []
    for (axis, stratum, images), texts in cells.items():
        if images >= FEW:
            table.add_row(_label(axis, stratum), str(images), *texts)
    few = [f"{_label(axis, stratum)}: {images}" for axis, stratum, images in cells if images < FEW]
    table.caption = f"fewer than {FEW} images, too few to say: {', '.join(few)}" if few else None
    return table


def _label(axis: str, stratum: str) -> str:
    return f"blur {stratum}" if axis == "blur" else stratum


def _halves(spec: DegradationSpec, kind: str) -> tuple[tuple[float, float], tuple[float, float]]:
    assert spec.first.noise is not None
    low, high = spec.first.noise.gaussian_sigma if kind == "gaussian" else spec.first.noise.poisson_scale
    return (low, (low + high) / 2), ((low + high) / 2, high)


def _thirds(spec: DegradationSpec) -> list[tuple[int, int]]:
    """The range of qualities in three, both ends of each included; as equal as whole numbers allow, none empty."""
    assert spec.finish is not None
    low, high = spec.finish.jpeg.quality
    ends = [low + (high - low + 1) * part // 3 for part in range(4)]
    return [(first, last - 1) for first, last in pairwise(ends) if first < last]


def _words(span: tuple[float, float], what: str) -> str:
    return f"{what} {span[0]:.3g} to {span[1]:.3g}"
