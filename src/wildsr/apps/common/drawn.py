"""Draws of a spec, as numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wildsr.degradation.recipe import Recipe, values_of
from wildsr.degradation.spec import DegradationSpec
from wildsr.labels import NUMBERS, order_label


def drawn_values(spec: DegradationSpec, draws: int, seed: int) -> dict[str, list[Any]]:
    """Draw recipes and collect their values by name as `numbers_of` gives them, in the pipeline's order."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Any]] = {}
    for _ in range(draws):
        for key, value in numbers_of(spec.draw(rng)).items():
            found.setdefault(key, []).append(value)
    for name, order in spec.orders.items():
        if len(order.arrangements) == 1:  # then it says only what took part
            found.pop(f"{name}.order", None)
    orders = list(dict.fromkeys([*spec.orders, *(key.split(".")[0] for key in found)]))
    return {key: found[key] for key in sorted(found, key=lambda key: _place(key, orders, spec))}


def _place(key: str, orders: Sequence[str], spec: DegradationSpec) -> tuple[int, int, int, str]:
    """Return a key that sorts by order, operation as declared, and number as in NUMBERS."""
    order, _, name = key.partition(".")
    declared = [op.name for op in spec.orders[order].operations.values()] if order in spec.orders else []
    operation, numbers = name.partition(".")[0], list(NUMBERS)
    operations = ["order", *declared, operation]
    return (
        orders.index(order),
        operations.index(operation),
        numbers.index(name) if name in NUMBERS else len(numbers),
        key,
    )


def varying(found: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return those of the drawn values that are not always the same."""
    return {key: values for key, values in found.items() if len(set(values)) > 1}


def numbers_of(recipe: Recipe) -> dict[str, Any]:
    """Return the drawn values of a recipe by name, such as first.noise.grey or second.blur.sigma_x.

    A record says by `statistics()` what is counted of it, or has its fields counted. `first.order` and so on are the
    operations of an order as they are applied.
    """
    values: dict[str, Any] = {}
    applied: dict[str, list[str]] = {}
    for (name, record), step in zip(recipe.records.items(), recipe.steps, strict=True):
        statistics = record.statistics() if hasattr(record, "statistics") else values_of(record)
        values |= {f"{name}.{key}": value for key, value in statistics.items()}
        applied.setdefault(step.order, []).append(step.op)
    return values | {f"{order}.order": ", ".join(names) for order, names in applied.items()}


def in_words(recipe: Recipe) -> str:
    """Return a recipe as a caption, one line an order."""
    lines: dict[str, list[str]] = {}
    for step in recipe.steps:
        lines.setdefault(step.order, []).append(step.record.describe())
    return "\n".join(f"{order_label(order)}: {', '.join(words)}" for order, words in lines.items())
