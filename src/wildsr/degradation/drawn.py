"""What a spec draws, as numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wildsr.degradation.recipe import Noise, Recipe
from wildsr.degradation.spec import DegradationSpec


def drawn_values(spec: DegradationSpec, draws: int, seed: int) -> dict[str, list[Any]]:
    """What `draws` recipes hold, by name as `numbers_of` gives them, in the pipeline's order."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Any]] = {}
    for _ in range(draws):
        for key, value in numbers_of(spec.draw(rng)).items():
            found.setdefault(key, []).append(value)
    return {key: found[key] for key in sorted(found, key=_place)}


def varying(found: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Those of the drawn values that are not always the same."""
    return {key: values for key, values in found.items() if len(set(values)) > 1}


def numbers_of(recipe: Recipe) -> dict[str, Any]:
    """The drawn values of a recipe by name, such as first.noise.gaussian or second.blur.sigma_x."""
    values: dict[str, Any] = {}
    for name, step in recipe.steps:
        for field, value in _fields(step):
            values[f"{name}.{field}"] = value
    if recipe.finish is not None:
        values["finish.order"] = "JPEG, sinc" if recipe.finish.jpeg_first else "sinc, JPEG"
    return values


def _fields(step: Any) -> list[tuple[str, Any]]:
    if isinstance(step, Noise):  # sigma and scale are different units: a panel each
        return [
            ("kind", step.kind),
            (f"{step.kind} strength", step.strength),
            ("grey", "grey" if step.grey else "colour"),
        ]
    slots: Mapping[str, Any] = {key: getattr(step, key) for key in step.__dataclass_fields__}
    return [(key, value) for key, value in slots.items() if value is not None and key != "of"]


def in_words(recipe: Recipe) -> str:
    """A recipe as a caption, one line an order."""
    lines: dict[str, list[str]] = {}
    for name, step in recipe.steps:
        lines.setdefault(name.split(".")[0], []).append(step.describe())
    return "\n".join(f"{order}: {', '.join(words)}" for order, words in lines.items())


def _place(key: str) -> tuple[int, str]:
    """Panels stand in the pipeline's order."""
    return ("first", "second", "finish").index(key.split(".")[0]), key
