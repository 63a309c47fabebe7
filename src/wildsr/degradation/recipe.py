"""Recipe of one image, as drawn: plain numbers and names, to print, save, edit by hand and replay.

Every record checks itself, because it may come out of a file that somebody edited.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wildsr.checks import check_integer, check_keys, check_type, refuse, refuse_choice
from wildsr.degradation import v01
from wildsr.degradation.operations import BUILT_IN
from wildsr.io import ConfigError, UserError

VERSION = 2  # 1 is that of 0.1, which did not say so
SCALES = (1, 16)
MAX_SEED = 2**63 - 1
KEYS = ("version", "scale", "seed", "steps")


@dataclass(frozen=True)
class Step:
    """One operation of one order, and what was drawn for it.

    Args:
        order: what it belongs to, in words: first, second, final.
        operation: what applies the record: an `Operation`, or its class.
        record: an `operation.Record`.
    """

    order: str
    operation: Any = field(compare=False, repr=False)
    record: Any

    def __post_init__(self) -> None:
        check_type(self, "order", str)
        check_type(self, "record", self.operation.Record)

    @property
    def op(self) -> str:
        """Return the short name of the operation."""
        return self.operation.name

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and names; what the record does not use is left out."""
        return {"order": self.order, "op": self.op, **values_of(self.record)}


@dataclass(frozen=True)
class Recipe:
    """All that was drawn for one image: HQ side / LQ side, the seed of its noise, and the steps as they are applied.

    The last resize goes to the final size, HQ // scale.
    """

    scale: int
    seed: int
    steps: Sequence[Step]

    def __post_init__(self) -> None:
        check_integer(self, "scale", *SCALES)
        check_integer(self, "seed", 0, MAX_SEED)
        object.__setattr__(self, "steps", tuple(self.steps))
        resizes = [place for place, step in enumerate(self.steps) if hasattr(step.record, "to_final_size")]
        if not resizes and self.scale > 1:
            raise refuse("steps", None, "a last resize to the final size")
        if resizes and not self.steps[resizes[-1]].record.to_final_size:
            name, last = list(self.records.items())[resizes[-1]]
            raise refuse(name, last.describe(), "the final size, where the last resize ends")

    @property
    def records(self) -> dict[str, Any]:
        """Return the records by name (first.blur, …) as they are applied; a second one of a name is first.blur_2."""
        names = _names((step.order, step.op) for step in self.steps)
        return {name: step.record for name, step in zip(names, self.steps, strict=True)}

    def describe(self) -> str:
        """Return the recipe in words, a phrase a step, for captions."""
        return "; ".join(step.record.describe() for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries and lists."""
        steps = [step.to_dict() for step in self.steps]
        return {"version": VERSION, "scale": self.scale, "seed": self.seed, "steps": steps}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], operations: Iterable[Any] = ()) -> "Recipe":
        """Read what `to_dict` of this version, or of 0.1, gave.

        Args:
            operations: what it may name beside the built-in ones: objects or classes with a short `name`.

        Raises:
            UserError: it is no recipe; one line that begins with the key.
        """
        if v01.is_recipe(data):
            try:
                return cls.from_dict(v01.translate(data))
            except UserError as error:
                raise UserError(v01.as_spelt_then(str(error))) from None
        check_keys(data, KEYS, KEYS, "")
        if data["version"] != VERSION:
            raise refuse("version", data["version"], f"{VERSION}, the newest that is known here")
        if not isinstance(data["steps"], list | tuple):
            raise refuse("steps", data["steps"], "a list")
        known = {operation.name: operation for operation in (*BUILT_IN, *operations)}
        heads = [_head(step, known, f"steps.{place}") for place, step in enumerate(data["steps"])]
        steps = [
            Step(order, known[op], _read(known[op].Record, step, name))
            for (order, op), name, step in zip(heads, _names(heads), data["steps"], strict=True)
        ]
        return cls(data["scale"], data["seed"], steps)

    def to_json(self) -> str:
        """Return one line of JSON; numbers survive exactly."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str, operations: Iterable[Any] = ()) -> "Recipe":
        """Read what `to_json` gave. Raises: UserError, as `from_dict`, and for what is no JSON."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise refuse("recipe", text, f"JSON ({error})") from None
        return cls.from_dict(data, operations)


def values_of(record: Any) -> dict[str, Any]:
    """Return a record's fields that are set, by name."""
    values = {key.name: getattr(record, key.name) for key in dataclasses.fields(record) if key.init}
    return {key: value for key, value in values.items() if value is not None}


def _names(steps: Iterable[tuple[str, str]]) -> list[str]:
    """Name the steps by order and operation; the second first.blur is first.blur_2."""
    found: list[str] = []
    for order, op in steps:
        name, number = f"{order}.{op}", 1
        while (name if number == 1 else f"{name}_{number}") in found:
            number += 1
        found.append(name if number == 1 else f"{name}_{number}")
    return found


def _head(step: Any, known: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Return the order and the operation of a step."""
    if not isinstance(step, Mapping):
        raise refuse(place, step, "the keys order, op and what was drawn")
    order, op = step.get("order"), step.get("op")
    if not isinstance(order, str):
        raise refuse(f"{place}.order", order, "a name such as first, second or final")
    if not isinstance(op, str) or op not in known:
        refusal = refuse_choice(f"{place}.op", op, known)
        raise ConfigError(f"{refusal}; another is known where it is passed as one of the operations")
    return order, op


def _read(kind: type, step: Mapping[str, Any], name: str) -> Any:
    """Build a step's record; `name` leads to it, for the messages."""
    fields = [key for key in dataclasses.fields(kind) if key.init]
    needed = [key.name for key in fields if key.default is key.default_factory is dataclasses.MISSING]
    values = {key: value for key, value in step.items() if key not in ("order", "op")}
    check_keys(values, [key.name for key in fields], needed, f"{name}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"{name}.{error}") from None
