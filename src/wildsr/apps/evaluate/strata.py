"""Weaknesses of a method: its scores by what was done to the images of a synthetic set.

Blur and noise are the first order's; JPEG and the order of JPEG and resize are the final order's; a video codec is the
last one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from wildsr.apps.evaluate.evaluator import ImageScores, mean_scores
from wildsr.degradation import DegradationSpec, Recipe
from wildsr.degradation.kernels import BLUR_FIELDS
from wildsr.degradation.operations import Video, VideoSpec
from wildsr.degradation.operations.video import CODECS


def strata_of(recipe: Recipe, spec: DegradationSpec) -> dict[str, str]:
    """Return a recipe's stratum on each axis, in words: blur, noise, jpeg, order, codec. What it leaves out has none.

    Noise is parted at the middle of the spec's range of its kind, JPEG at the thirds of the range of qualities.
    """
    records, found = recipe.records, {}
    if _operation(spec, "first", "blur") and (blur := records.get("first.blur")):
        found["blur"] = blur.kind
    if _operation(spec, "first", "noise") and (noise := records.get("first.noise")):
        lower, upper = _halves(spec, noise.kind)
        found["noise"] = _words(lower if noise.strength < upper[0] else upper, noise.kind)
    if _ends_with_jpeg(spec) and {"final.jpeg", "final.resize"} <= records.keys():
        thirds = _thirds(spec)
        found["jpeg"] = _words(
            next((span for span in thirds if records["final.jpeg"].quality <= span[1]), thirds[-1]), "quality"
        )
        names = list(records)
        found["order"] = "jpeg first" if names.index("final.jpeg") < names.index("final.resize") else "jpeg last"
    if _codecs(spec) and (videos := [record for record in records.values() if isinstance(record, Video)]):
        found["codec"] = CODECS[videos[-1].codec].label
    return found


def all_strata(spec: DegradationSpec) -> dict[str, list[str]]:
    """Return every stratum that a spec can draw, by axis, in a fixed order."""
    kinds = ("gaussian", "poisson") if _operation(spec, "first", "noise") else ()
    return {
        "blur": list(BLUR_FIELDS) if _operation(spec, "first", "blur") else [],
        "noise": [_words(half, kind) for kind in kinds for half in _halves(spec, kind)],
        "jpeg": [_words(third, "quality") for third in _thirds(spec)] if _ends_with_jpeg(spec) else [],
        "order": ["jpeg first", "jpeg last"] if _ends_with_jpeg(spec) else [],
        "codec": _codecs(spec),
    }


def by_stratum(found: Sequence[ImageScores], spec: DegradationSpec) -> list[dict[str, Any]]:
    """Return a row a stratum and method: the number of images and the means; a stratum without images has a bare 0."""
    rows: list[dict[str, Any]] = []
    strata = [(one, strata_of(one.recipe, spec)) for one in found if one.recipe is not None]
    for axis, names in all_strata(spec).items():
        for stratum in names:
            members = mean_scores([one for one, own in strata if own.get(axis) == stratum], lambda one: one.method)
            head = {"axis": axis, "stratum": stratum}
            rows += [{**head, "images": images, "method": method, **row} for method, (images, row) in members.items()]
            rows += [] if members else [{**head, "images": 0}]
    return rows


def _operation(spec: DegradationSpec, order: str, name: str) -> Any:
    """Return the operation of an order that bears the short name; None where it has none."""
    operations = spec.orders[order].operations.values() if order in spec.orders else ()
    return next((operation for operation in operations if operation.name == name), None)


def _ends_with_jpeg(spec: DegradationSpec) -> bool:
    """Return whether the final order has a JPEG and a resize, whose order is a stratum."""
    return all(_operation(spec, "final", name) for name in ("jpeg", "resize"))


def _codecs(spec: DegradationSpec) -> list[str]:
    """Return the video codecs that a spec can draw."""
    operations = [operation for operation in spec.operations.values() if isinstance(operation, VideoSpec)]
    weights = {name: sum(getattr(operation, name) for operation in operations) for name in CODECS}
    return [CODECS[name].label for name, weight in weights.items() if weight]


def _halves(spec: DegradationSpec, kind: str) -> tuple[tuple[float, float], tuple[float, float]]:
    noise = _operation(spec, "first", "noise")
    low, high = noise.gaussian_sigma if kind == "gaussian" else noise.poisson_scale
    return (low, (low + high) / 2), ((low + high) / 2, high)


def _thirds(spec: DegradationSpec) -> list[tuple[int, int]]:
    """Divide the range of qualities in three, both ends of each included; as equal as can be, none empty."""
    low, high = _operation(spec, "final", "jpeg").quality
    ends = [low + (high - low + 1) * part // 3 for part in range(4)]
    return [(first, last - 1) for first, last in pairwise(ends) if first < last]


def _words(span: tuple[float, float], what: str) -> str:
    return f"{what} {span[0]:.3g} to {span[1]:.3g}"
