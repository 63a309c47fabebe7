"""Tables of mean scores, a set each, and of scores by what was done to the images: for pages and for terminals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import stdev
from typing import Any, NamedTuple

from wildsr.apps.evaluate.files import Scores, number
from wildsr.apps.evaluate.labels import Contents, SetContent, method_label, set_title, stratum_label
from wildsr.scores import LEFT_OUT, MAIN, METRICS, Displays, MetricDisplay, display_of, finite_mean

# The columns of images.csv and of strata.csv that are no metric
IMAGE_COLUMNS = ("set", "picture", "version", "method", "recipe")
STRATA_COLUMNS = ("set", "axis", "stratum", "images", "method")
ENOUGH = 40  # images of a set: about ten of each of the four ranges of noise
FEW = 5  # images; the mean of fewer says more about the images than about what was done to them


def metric_names(keys: Iterable[str]) -> list[str]:
    """Return the names of metrics among the keys of scores: those of METRICS in their order, then the others."""
    order = list(METRICS)
    names = [name for name in dict.fromkeys(keys) if not name.endswith(LEFT_OUT)]
    return sorted(names, key=lambda name: order.index(name) if name in METRICS else len(order))


def mean_text(row: Mapping[str, Any], name: str, digits: int) -> str:
    """Write a figure of a `mean_row` for a table: "22.44", "22.44 (1 left out)", or "-" where there is none."""
    value, count = row.get(name), row.get(f"{name}{LEFT_OUT}")
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}f}" + (f" ({count:.0f} left out)" if count else "")


class TableRow(NamedTuple):
    """One line of a table: the scores of one run, or of several that differ in their seed alone."""

    label: str
    samples: Sequence[Mapping[str, float]]
    note: str = ""
    tone: int | None = None


def method_rows(scores: Scores) -> list[TableRow]:
    """Return a row a method, called as on pages."""
    return [TableRow(method_label(method), [row]) for method, row in scores.items()]


class Cell(NamedTuple):
    """A mean, with the number of images that it leaves out; the sample standard deviation where there are several;
    whether no other row is better; the difference from a baseline, if there is one."""

    text: str
    spread: str
    best: bool
    difference: str = ""  # from the baseline's mean, with its sign


class ScoreTable(NamedTuple):
    """The scores on one validation set: heads with their meaning, and the cells of each row."""

    set: str
    heads: list[tuple[str, str]]
    rows: list[tuple[TableRow, list[Cell]]]
    content: SetContent | None = None

    @property
    def title(self) -> str:
        return set_title(self.set, self.content)

    @property
    def note(self) -> str:
        return self.content.note if self.content else ""

    @property
    def has_spread(self) -> bool:
        return any(cell.spread for _, cells in self.rows for cell in cells)


def tables_of(
    rows: Sequence[TableRow],
    displays: Displays = METRICS,
    contents: Contents | None = None,
) -> list[ScoreTable]:
    """Return a table a validation set, the main one first, each with the metrics that any row has.

    Rows that have a colour say how far they are from the one of colour 0, the baseline.

    Args:
        contents: what the sets hold.
    """
    keys = list(dict.fromkeys(key for row in rows for sample in row.samples for key in sample))
    set_of = {key: key.rpartition("/")[0] or MAIN for key in keys}
    tables = []
    for name in sorted(dict.fromkeys(set_of.values()), key=lambda name: name != MAIN):
        prefix = "" if name == MAIN else f"{name}/"
        metrics = metric_names(key.removeprefix(prefix) for key in keys if set_of[key] == name)
        columns = [_column(prefix + metric, rows, display_of(metric, displays)) for metric in metrics]
        heads = [display_of(metric, displays)[:2] for metric in metrics]
        cells = [[column[place] for column in columns] for place in range(len(rows))]
        tables.append(ScoreTable(name, heads, list(zip(rows, cells, strict=True)), (contents or {}).get(name)))
    return tables


def _column(key: str, rows: Sequence[TableRow], display: MetricDisplay) -> list[Cell]:
    found = [[sample[key] for sample in row.samples if key in sample] for row in rows]
    means = [finite_mean(scores)[0] if scores else math.nan for scores in found]
    counts = [sum(sample.get(f"{key}{LEFT_OUT}", 0) for sample in row.samples) for row in rows]
    finite = [mean for mean in means if math.isfinite(mean)]
    best = None
    if display.meaning and len(finite) > 1:
        best = (min if "lower" in display.meaning else max)(finite)
    cells = []
    base = next((mean for row, mean in zip(rows, means, strict=True) if row.tone == 0), math.nan)
    for row, mean, count, scores in zip(rows, means, counts, found, strict=True):
        scores = [score for score in scores if math.isfinite(score)]
        spread = f"{stdev(scores):.{display.digits}f}" if len(scores) > 1 else ""
        text = "" if math.isnan(mean) else mean_text({key: mean, f"{key}{LEFT_OUT}": count}, key, display.digits)
        difference = signed(mean - base, display.digits) if row.tone and math.isfinite(mean - base) else ""
        cells.append(Cell(text, spread, best is not None and mean == best, difference))
    return cells


def signed(value: float, digits: int) -> str:
    """Write a difference with its sign, and one that rounds to nothing with both."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if text.strip("+-0.") else f"±{text[1:]}"


class StrataTable(NamedTuple):
    """One metric on a set by what was done to its images: a label, the number of images, a text a method in a row."""

    set: str
    title: str
    meaning: str
    methods: list[str]
    rows: list[tuple[str, int, list[str]]]
    few: str  # strata of fewer than FEW images, which are only counted


def strata_tables(strata: Sequence[Mapping[str, Any]], displays: Displays = METRICS) -> list[StrataTable]:
    """Return a table for each synthetic set and metric in the rows of a strata.csv."""
    found = []
    for name in dict.fromkeys(row.get("set", "") for row in strata):
        rows = [row for row in strata if row.get("set", "") == name]
        for metric in metric_names(key for row in rows for key in row if key not in STRATA_COLUMNS):
            if any(row.get(metric) for row in rows):
                found.append(_strata_table(rows, metric, display_of(metric, displays), name))
    return found


def _strata_table(rows: Sequence[Mapping[str, Any]], metric: str, display: MetricDisplay, name: str) -> StrataTable:
    methods = list(dict.fromkeys(row["method"] for row in rows if row.get("method")))
    strata: dict[tuple[str, int], dict[str, str]] = {}
    for row in rows:
        label = stratum_label(row.get("axis", ""), row.get("stratum", ""))
        texts = strata.setdefault((label, int(number(row.get("images")) or 0)), {})
        score = number(row.get(metric))
        if score is not None:
            means = {metric: score, f"{metric}{LEFT_OUT}": number(row.get(f"{metric}{LEFT_OUT}"))}
            texts[row.get("method", "")] = mean_text(means, metric, display.digits)
    return StrataTable(
        name,
        f"{display.label}{'' if name == MAIN else f', set {name}'}",
        display.meaning,
        [method_label(method) for method in methods],
        [(label, n, [texts.get(method, "") for method in methods]) for (label, n), texts in strata.items() if n >= FEW],
        ", ".join(f"{label}: {n}" for label, n in strata if n < FEW),
    )


def strata_advice(tables: Sequence[StrataTable], contents: Contents, option: str) -> str:
    """Return what to do where a set has too few images of every kind, in a sentence.

    Args:
        option: what sets the number of versions, up to that number: "data.val_recipes=".
    """
    content = contents.get(tables[0].set) if tables else None
    if content is None or any(table.rows for table in tables):
        return ""
    versions = -(-ENOUGH // content.images)
    return (
        f"{content.note} are too few to tell degradations apart: a mean wants at least {FEW} images. "
        f"Evaluate more versions of each: {option}{versions} gives {content.images * versions} images."
    )
