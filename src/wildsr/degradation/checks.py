"""Checks of a record's fields: a refusal is one line that names the key, what was given and what is wanted.

Each reads `record.key`; ranges and lists, which YAML and JSON give as lists, are kept as tuples.
"""

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

from wildsr.io import UserError


def refuse(key: str, given: object, wanted: str) -> UserError:
    """Word a refusal in one line; what was given is shortened."""
    return UserError(f"{key}: given {'nothing' if given is None else reprlib.repr(given)}, wanted {wanted}")


def check_number(record: object, key: str, low: float, high: float) -> None:
    """Check that it is a number in [low, high]; neither NaN nor a boolean is one."""
    _number(key, getattr(record, key), low, high)


def check_integer(record: object, key: str, low: int, high: int, step: int = 1) -> None:
    """Check that it is a whole number in [low, high]; step 2: low, low + 2, …"""
    _integer(key, getattr(record, key), low, high, step)


def check_choice(record: object, key: str, names: Iterable[str]) -> None:
    """Check that it is one of the names."""
    _choice(key, getattr(record, key), names)


def check_choices(record: object, key: str, names: Iterable[str]) -> None:
    """Check that it is a list of names, not empty."""
    given = getattr(record, key)
    if not isinstance(given, list | tuple) or not given:
        raise refuse(key, given, "a list with something in it")
    for member in given:
        _choice(key, member, names)
    object.__setattr__(record, key, tuple(given))


def check_type(record: object, key: str, kind: type) -> None:
    """Check that it is an instance of a type."""
    if not isinstance(getattr(record, key), kind):
        raise refuse(key, getattr(record, key), kind.__name__)


def check_optional_name(record: object, key: str) -> None:
    """Check that it is a text, or None."""
    if not isinstance(getattr(record, key), str | None):
        raise refuse(key, getattr(record, key), "a text, or nothing")


def check_range(record: object, key: str, low: float, high: float, around: float | None = None) -> None:
    """Check that it is [low, high] in order, both ends between the limits, and `around` between the ends."""
    limits = ((low, high if around is None else around), (low if around is None else around, high))
    ends = [_number(key, end, *limit) for end, limit in zip(_pair(key, getattr(record, key)), limits, strict=True)]
    _keep_range(record, key, ends)


def check_integer_range(record: object, key: str, low: int, high: int, step: int = 1) -> None:
    """Check that it is [low, high] in order, both ends as `check_integer` wants them."""
    _keep_range(record, key, [_integer(key, end, low, high, step) for end in _pair(key, getattr(record, key))])


def check_weights(record: object, *keys: str) -> None:
    """Check that they are relative weights, at least one of them above 0."""
    for key in keys:
        check_number(record, key, 0, 1e6)
    if not any(getattr(record, key) for key in keys):
        raise refuse(", ".join(keys), [0] * len(keys), "a weight above 0 for at least one")


def _number(key: str, given: Any, low: float, high: float) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool) or not low <= given <= high:
        raise refuse(key, given, f"a number from {low:g} to {high:g}")
    return given


def _integer(key: str, given: Any, low: int, high: int, step: int) -> int:
    if type(given) is not int or not low <= given <= high or (given - low) % step:
        raise refuse(key, given, f"{'a whole' if step == 1 else 'an odd'} number from {low} to {high}")
    return given


def _choice(key: str, given: Any, names: Iterable[str]) -> None:
    if not isinstance(given, str) or given not in names:
        raise refuse(key, given, "one of " + ", ".join(names))


def _pair(key: str, given: Any) -> Sequence[Any]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise refuse(key, given, "two numbers, [low, high]")
    return given


def _keep_range(record: object, key: str, ends: Sequence[float]) -> None:
    if ends[0] > ends[1]:
        raise refuse(key, tuple(ends), "the lower number first")
    object.__setattr__(record, key, tuple(ends))
