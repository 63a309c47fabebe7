"""Recipes with weights out of a file, such as `wildsr match` writes: a line each, {"weight": 0.02, "recipe": {…}}."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from wildsr.checks import checked_number
from wildsr.degradation import draws
from wildsr.degradation.recipe import Recipe
from wildsr.io import UserError, expanded, first_line


@dataclass(frozen=True)
class RecipePool:
    """Recipes of one scale and their relative weights, from which one is drawn as often as its weight says."""

    recipes: Sequence[Recipe]
    weights: Sequence[float]

    def draw(self, rng: Generator, seed: int) -> Recipe:
        """Draw a recipe by one random number, and give its noise another seed; a weight of 0 is never drawn."""
        return dataclasses.replace(self.recipes[draws.pick(rng, self.weights)], seed=seed)


def read_pool(file: str | Path, scale: int, operations: Iterable[Any] = ()) -> RecipePool:
    """Read a file of recipes. What `wildsr degrade` writes is one, too: a line without a weight has the weight 1.

    Args:
        scale: that all recipes have.
        operations: as for `Recipe.from_dict`.

    Raises:
        UserError: the file is missing or empty, a line is no recipe, of another scale, or no weight is above 0.
    """
    if not str(file):
        raise UserError("recipes: given nothing, wanted a file that wildsr match wrote")
    path = expanded(file)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else first_line(error)
        raise UserError(f"recipes: {path}: {reason}; wanted a file that wildsr match wrote") from None
    known, recipes, weights = tuple(operations), [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            if not isinstance(values, dict) or "recipe" not in values:
                raise UserError('wanted {"weight": …, "recipe": {…}}')
            recipes.append(Recipe.from_dict(values["recipe"], known))
            weights.append(checked_number("weight", values.get("weight", 1.0), 0, 1e9))
            if recipes[-1].scale != scale:
                raise UserError(f"a recipe of scale {recipes[-1].scale}, wanted {scale}, the scale of the whole")
        except (ValueError, RecursionError) as error:
            raise UserError(f"recipes: {path}, line {number}: {first_line(error)}") from None
    if not any(weights):
        raise UserError(f"recipes: {path}: holds no recipe with a weight above 0; wanted one at least")
    return RecipePool(tuple(recipes), tuple(weights))


def pool_digest(file: str | Path) -> str | None:
    """Return the sha256 of a file of recipes, whatever its name or place; None where it cannot be read."""
    try:
        return hashlib.sha256(expanded(file).read_bytes()).hexdigest()
    except OSError:
        return None
