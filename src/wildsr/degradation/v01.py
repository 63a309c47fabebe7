"""Recipes as 0.1 wrote them: two orders of fixed operations, and a finish. They are read for ever."""

import re
from collections.abc import Mapping
from typing import Any

from wildsr.checks import check_keys, refuse

RECIPE = ("scale", "seed", "first", "second", "finish")
ORDER = ("blur", "resize", "noise", "jpeg")
RESIZE = ("factor", "mode", "of")
FINISH = ("resize", "sinc", "jpeg", "jpeg_first")


def is_recipe(data: object) -> bool:
    """Return whether it looks like a recipe of 0.1."""
    return isinstance(data, Mapping) and "version" not in data and not data.keys().isdisjoint(RECIPE[2:])


def translate(data: Mapping[str, Any]) -> dict[str, Any]:
    """Write a recipe of 0.1 as one of version 2; what was drawn is checked there.

    Raises:
        UserError: a part is missing or superfluous; one line that begins with the key.
    """
    check_keys(data, RECIPE, RECIPE, "")
    steps: list[dict[str, Any]] = []
    for order in ("first", "second"):
        if data[order] is not None or order == "first":
            check_keys(data[order], ORDER, ORDER, f"{order}.")
            steps += _steps(order, data[order], ORDER)
    if data["finish"] is not None:
        steps += _final(data["finish"])
    return {"version": 2, "scale": data["scale"], "seed": data["seed"], "steps": steps}


def as_spelt_then(message: str) -> str:
    """Return a refusal of what `translate` gave, with its key as 0.1 spelt it."""
    message = re.sub(r"^final\b", "finish", message)
    return re.sub(r"^(\w+\.resize\.)relative_to\b", r"\1of", message)


def _final(finish: Any) -> list[dict[str, Any]]:
    check_keys(finish, FINISH, FINISH, "finish.")
    for key in ("resize", "jpeg"):
        if finish[key] is None:
            raise refuse(f"finish.{key}", None, "an operation")
    if not isinstance(finish["jpeg_first"], bool):
        raise refuse("finish.jpeg_first", finish["jpeg_first"], "bool")
    order = ("jpeg", "resize", "sinc") if finish["jpeg_first"] else ("resize", "sinc", "jpeg")
    return _steps("final", finish, order)


def _steps(order: str, parts: Mapping[str, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the steps of one order; None leaves an operation out."""
    steps = []
    for name in names:
        drawn, key = parts[name], f"{order}.{name}"
        if drawn is None:
            continue
        if not isinstance(drawn, Mapping):
            raise refuse(key, drawn, f"what was drawn for {name}, by name")
        values = dict(drawn)
        if name == "resize":
            check_keys(values, RESIZE, RESIZE, f"{key}.")
            values["relative_to"] = values.pop("of")
        if name == "sinc" and values.pop("kind", None) != "sinc":
            raise refuse(f"{key}.kind", drawn.get("kind"), "sinc")
        steps.append({"order": order, "op": name, **values})
    return steps
