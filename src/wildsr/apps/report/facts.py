"""Facts of a stage's training that nothing else in its folder tells, written by the stage for its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wildsr.apps.evaluate.labels import SetContent
from wildsr.checks import check_integer, check_number, check_type
from wildsr.io import read_json, write_json

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


def write_facts(facts: Facts, folder: Path) -> None:
    """Write the facts of a stage into its folder."""
    write_json(asdict(facts), folder / FACTS)


def read_facts(folder: Path) -> Facts | None:
    """Read what a stage has written; None where there is nothing.

    Raises:
        UserError: it is damaged.
    """

    def parse(content: Any) -> Facts:
        sets = {
            str(name): SetContent(int(one["images"]), float(one["versions"]), [str(image) for image in one["names"]])
            for name, one in content.pop("sets", {}).items()
        }
        return Facts(**content, sets=sets)

    return read_json(folder / FACTS, parse, absent=None)
