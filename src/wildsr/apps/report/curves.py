"""A run's curves: read from the csv logger's files, of which a resumed run has several, and made short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from wildsr.apps.evaluate.files import number, read_table

Points = dict[str, list[tuple[int, float]]]  # scalar -> (iteration, value), by iteration
AXES = ("step", "iteration", "epoch")  # of the logger's own


class Bucket(NamedTuple):
    """Neighbouring points of a curve as one: the mean iteration, and mean, least and greatest value."""

    iteration: float
    mean: float
    low: float
    high: float


def read_points(folder: Path) -> Points:
    """Read the scalars in `folder`/version_N/metrics.csv.

    Where a run went on from iteration i, what came after i before is left out; so are values that are not finite.
    """
    rows: dict[int, dict[str, float]] = {}
    versions = [path for path in folder.glob("version_*") if path.name.removeprefix("version_").isdecimal()]
    for version in sorted(versions, key=lambda path: int(path.name.removeprefix("version_"))):
        newer = _rows(version / "metrics.csv")
        if newer:
            rows = {iteration: row for iteration, row in rows.items() if iteration < min(newer)} | newer
    points: Points = {}
    for iteration in sorted(rows):
        for key, value in rows[iteration].items():
            points.setdefault(key, []).append((iteration, value))
    return points


def _rows(file: Path) -> dict[int, dict[str, float]]:
    """Yield iteration and scalars; a row that cannot be read is passed over, since a run may be writing it."""
    rows: dict[int, dict[str, float]] = {}
    for line in read_table(file):
        # Where there is such a column, as earlier runs wrote it, `step` counts from 0.
        iteration = number(line.get("iteration" if "iteration" in line else "step"))
        if iteration is not None:
            values = {key: number(text) for key, text in line.items() if key not in AXES}
            row = {key: value for key, value in values.items() if value is not None}
            rows.setdefault(int(iteration), {}).update(row)
    return rows


def thinned(points: Sequence[tuple[int, float]], most: int) -> list[Bucket]:
    """Divide points into at most `most` buckets of neighbouring points, as equal in number as can be."""
    count = min(most, len(points))
    ends = [len(points) * part // count for part in range(count + 1)] if count else []
    buckets = []
    for start, end in pairwise(ends):
        iterations, values = zip(*points[start:end], strict=True)
        mean = math.fsum(values) / len(values)
        buckets.append(Bucket(math.fsum(iterations) / len(values), mean, min(values), max(values)))
    return buckets
