"""Checks of values that a user gives: a refusal is one line with the key, what was given and what is wanted.

`checked_…(key, value, …)` returns the value; `check_…(record, key, …)` checks a field of a record in its
`__post_init__`. Ranges and lists, which YAML and JSON give as lists, are kept as tuples.
"""

import argparse
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wildsr.io import ConfigError, choose_from


def refuse(key: str, given: object, wanted: str) -> ConfigError:
    """Word a refusal in one line; what was given is shortened."""
    return ConfigError(f"{key}: given {_shown(given)}, wanted {wanted}")


def refuse_choice(key: str, given: object, names: Iterable[object]) -> ConfigError:
    """Word the refusal of a value that is none of the names."""
    return ConfigError(f"{key}: given {_shown(given)}; {choose_from(names)}")


def _shown(given: object) -> str:
    return "nothing" if given is None else reprlib.repr(given)


def checked_number(key: str, value: Any, low: float, high: float) -> Any:
    """Return a number in [low, high]; neither NaN nor a boolean is one."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise refuse(key, value, f"a number from {low:g} to {high:g}")
    return value


def checked_integer(key: str, value: Any, low: int, high: int, step: int = 1) -> Any:
    """Return a whole number in [low, high]; step 2: low, low + 2, …"""
    if type(value) is not int or not low <= value <= high or (value - low) % step:
        raise refuse(key, value, f"{'a whole' if step == 1 else 'an odd'} number from {low} to {high}")
    return value


def checked_choice(key: str, value: Any, names: Iterable[str]) -> Any:
    """Return one of the names."""
    names = tuple(names)
    if not isinstance(value, str) or value not in names:
        raise refuse_choice(key, value, names)
    return value


def checked_list(key: str, value: Any) -> tuple[Any, ...]:
    """Return the members of a list, which is not empty."""
    if not isinstance(value, list | tuple) or not value:
        raise refuse(key, value, "a list with something in it")
    return tuple(value)


def check_number(record: object, key: str, low: float, high: float) -> None:
    """Check that a field is a number in [low, high]."""
    checked_number(key, getattr(record, key), low, high)


def check_integer(record: object, key: str, low: int, high: int, step: int = 1) -> None:
    """Check that a field is a whole number in [low, high]; step 2: low, low + 2, …"""
    checked_integer(key, getattr(record, key), low, high, step)


def check_choice(record: object, key: str, names: Iterable[str]) -> None:
    """Check that a field is one of the names."""
    checked_choice(key, getattr(record, key), names)


def check_choices(record: object, key: str, names: Iterable[str]) -> None:
    """Check that a field is a list of names, not empty."""
    members = checked_list(key, getattr(record, key))
    object.__setattr__(record, key, tuple(checked_choice(key, member, names) for member in members))


def check_argument(action: argparse.Action, value: object) -> None:
    """Check a word of the command line against an option's choices, as argparse does in words that differ by version.

    Raises:
        argparse.ArgumentError: it is none of them.
    """
    if action.choices is not None and value not in action.choices:
        raise argparse.ArgumentError(action, f"given {value!r}; {choose_from(action.choices)}")


def check_type(record: object, key: str, kind: type) -> None:
    """Check that a field is an instance of a type."""
    if not isinstance(getattr(record, key), kind):
        raise refuse(key, getattr(record, key), kind.__name__)


def check_optional_name(record: object, key: str) -> None:
    """Check that a field is a text, or None."""
    if not isinstance(getattr(record, key), str | None):
        raise refuse(key, getattr(record, key), "a text, or nothing")


def check_range(record: object, key: str, low: float, high: float, around: float | None = None) -> None:
    """Check that a field is [low, high] in order, both ends between the limits, and `around` between the ends."""
    limits = ((low, high if around is None else around), (low if around is None else around, high))
    pair = _pair(key, getattr(record, key))
    _keep_range(record, key, [checked_number(key, end, *limit) for end, limit in zip(pair, limits, strict=True)])


def check_integer_range(record: object, key: str, low: int, high: int, step: int = 1) -> None:
    """Check that a field is [low, high] in order, both ends as `check_integer` wants them."""
    _keep_range(record, key, [checked_integer(key, end, low, high, step) for end in _pair(key, getattr(record, key))])


def check_weights(record: object, *keys: str) -> None:
    """Check that fields are relative weights, at least one of them above 0."""
    for key in keys:
        check_number(record, key, 0, 1e6)
    if not any(getattr(record, key) for key in keys):
        raise refuse(", ".join(keys), [0] * len(keys), "a weight above 0 for at least one")


def check_keys(data: Any, allowed: Sequence[str], needed: Sequence[str], prefix: str) -> None:
    """Check that a value is a mapping of these keys; `prefix` leads to them, for the message."""
    wanted = "the keys " + ", ".join(allowed)
    if not isinstance(data, Mapping):
        raise refuse(prefix.rstrip(".") or "recipe", data, wanted)
    for key in (*data, *needed):
        if key not in allowed or key not in data:
            raise refuse(prefix + repr(key).strip("'"), data.get(key), wanted)


def _pair(key: str, given: Any) -> Sequence[Any]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise refuse(key, given, "two numbers, [low, high]")
    return given


def _keep_range(record: object, key: str, ends: Sequence[float]) -> None:
    if ends[0] > ends[1]:
        raise refuse(key, tuple(ends), "the lower number first")
    object.__setattr__(record, key, tuple(ends))
