"""Facts of a stage's training that nothing else in its folder tells, written by the stage for its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wildsr.checks import check_integer, check_number, check_type
from wildsr.io import UserError, first_line, write_whole
from wildsr.labels import SetContent

FACTS = "training.json"  # in a stage's folder


@dataclass(frozen=True)
class Facts:
    """Device by name, processes, seconds of training, parameters by network, training images, code version.

    Attributes:
        sets: what each validation set holds.
        job: the number of this job in its multirun, from 0; None outside of one.
    """

    device: str
    processes: int
    seconds: float
    parameters: Mapping[str, int]
    images: int
    code: str
    sets: Mapping[str, SetContent] = field(default_factory=dict)
    job: int | None = None

    def __post_init__(self) -> None:
        for key in ("device", "code"):
            check_type(self, key, str)
        check_integer(self, "processes", 1, 10**6)
        check_number(self, "seconds", 0, 1e10)
        check_integer(self, "images", 0, 10**12)
        if self.job is not None:
            check_integer(self, "job", 0, 10**9)
        object.__setattr__(self, "parameters", {str(key): int(value) for key, value in self.parameters.items()})
        object.__setattr__(self, "sets", {str(name): _content(given) for name, given in self.sets.items()})


def write_facts(facts: Facts, folder: Path) -> None:
    """Write the facts of a stage into its folder."""
    content = asdict(facts) | {"sets": {name: one._asdict() for name, one in facts.sets.items()}}
    write_whole(folder / FACTS, lambda file: file.write(json.dumps(content, indent=1).encode()))


def read_facts(folder: Path) -> Facts | None:
    """Read what a stage has written; None where there is nothing.

    Raises:
        UserError: it is damaged.
    """
    file = folder / FACTS
    if not file.is_file():
        return None
    try:
        return Facts(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{file}: damaged ({first_line(error)})") from error


def _content(given: Any) -> SetContent:
    images, versions, names = given if isinstance(given, SetContent) else (given[key] for key in SetContent._fields)
    return SetContent(int(images), float(versions), [str(name) for name in names])
