"""Frozen records that check themselves: a refusal names the key, what was given and what is wanted."""

import dataclasses
import reprlib
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, dataclass_transform, get_type_hints

from wildsr.io import ConfigError

T = TypeVar("T")
Rule: TypeAlias = Callable[[str, Any], Any]  # (key, value) -> the value as kept, or a ConfigError


def refuse(key: str, given: object, wanted: str) -> ConfigError:
    """Word a refusal in one line; what was given is shortened."""
    return ConfigError(f"{key}: given {'nothing' if given is None else reprlib.repr(given)}, wanted {wanted}")


def _rule(fits: Callable[[Any], bool], wanted: str) -> Rule:
    def rule(key: str, value: Any) -> Any:
        if not fits(value):
            raise refuse(key, value, wanted)
        return value

    return rule


def number(low: float, high: float) -> Rule:
    """Make the rule: a number in [low, high]; neither NaN nor a boolean is one."""
    wanted = f"a number from {low:g} to {high:g}"
    return _rule(lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high, wanted)


def whole(low: int, high: int, step: int = 1) -> Rule:
    """Make the rule: a whole number in [low, high]; step 2: low, low + 2, …"""
    wanted = f"{'a whole' if step == 1 else 'an odd'} number from {low} to {high}"
    return _rule(lambda v: type(v) is int and low <= v <= high and (v - low) % step == 0, wanted)


def one_of(*names: str) -> Rule:
    """Make the rule: one of the names."""
    return _rule(lambda v: isinstance(v, str) and v in names, "one of " + ", ".join(names))


def optional(rule: Rule) -> Rule:
    """Make the rule: None, or what obeys the rule."""
    return lambda key, value: None if value is None else rule(key, value)


def several(rule: Rule) -> Rule:
    """Make the rule: a list, not empty, whose members obey the rule; kept as a tuple."""
    is_list = _rule(lambda v: isinstance(v, list | tuple) and len(v) > 0, "a list with something in it")
    return lambda key, value: tuple(rule(key, member) for member in is_list(key, value))


def span(low: Rule, high: Rule | None = None) -> Rule:
    """Make the rule: [low, high], in order, each end obeying its rule, or both the same; kept as a tuple."""
    is_pair = _rule(lambda v: isinstance(v, list | tuple) and len(v) == 2, "two numbers, [low, high]")
    in_order = _rule(lambda v: v[0] <= v[1], "the lower number first")
    return lambda key, value: in_order(key, (low(key, is_pair(key, value)[0]), (high or low)(key, value[1])))


def _instance(hint: Any) -> Rule:
    return _rule(lambda v: isinstance(v, hint), getattr(hint, "__name__", str(hint)))


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a frozen dataclass that checks its fields before its own __post_init__ compares them.

    A field annotated `Annotated[type, rule]` obeys the rule; any other is an instance of its annotation.
    """
    rules: dict[str, Rule] = {}
    for key, hint in get_type_hints(cls, include_extras=True).items():
        rules[key] = hint.__metadata__[0] if hasattr(hint, "__metadata__") else _instance(hint)
    compare = getattr(cls, "__post_init__", lambda self: None)

    def check(self: Any) -> None:
        for key, rule in rules.items():
            object.__setattr__(self, key, rule(key, getattr(self, key)))
        compare(self)

    cls.__post_init__ = check  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True)(cls)
