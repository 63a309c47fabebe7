"""Tables of scores in the terminal, as papers print them: methods down, metrics across, the best in bold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from wildsr.apps.evaluate.files import Scores
from wildsr.apps.evaluate.labels import method_label
from wildsr.apps.evaluate.tables import FEW, ScoreTable, StrataTable, metric_names
from wildsr.scores import METRICS, WITHOUT_REFERENCE, Displays, display_of

ACROSS = 4  # metrics side by side: more would not be whole in 80 columns


def metric_head(label: str, meaning: str) -> str:
    """Return a column's head: the metric, which way is better, and its unit, such as "PSNR-Y ↑ (dB)"."""
    arrow = " ↑" if "higher" in meaning else " ↓" if "lower" in meaning else ""
    return f"{label}{arrow}{' (dB)' if meaning.startswith('dB') else ''}"


def score_lines(table: ScoreTable, title: str) -> Group:
    """Lay out the scores on a set: a row a method, a column a metric, at most ACROSS of them side by side."""
    blocks: list[Table | Text] = []
    for first in range(0, len(table.heads), ACROSS):
        lines = without_rows("method", [metric_head(*head) for head in table.heads[first : first + ACROSS]])
        for row, cells in table.rows:
            texts = (Text(cell.text or "-", "bold" if cell.best else "") for cell in cells[first : first + ACROSS])
            lines.add_row(Text(row.label), *texts)
        blocks += [lines, Text()]
    return Group(Text(title), *blocks)


def strata_lines(table: StrataTable, title: str) -> Group:
    """Lay out one metric by what was done to the images: a row a stratum, a column a method."""
    lines = without_rows("", ["images", *table.methods])
    for column in lines.columns[2:]:
        column.no_wrap = False  # a method's name may be longer than a column has room for
    for label, images, texts in table.rows:
        lines.add_row(label, str(images), *(text or "-" for text in texts))
    few = [Text(f"Fewer than {FEW} images, not shown: {table.few}")] if table.few else []
    return Group(Text(title), lines, *few, Text())


def shortfalls(scores: Scores, baselines: Sequence[str], method: str, displays: Displays = METRICS) -> Iterator[str]:
    """Yield a line for each baseline that a method nowhere exceeds on the main validation set.

    NIQE counts only where there is no metric that compares with the HQ: it rewards noise.
    """
    for baseline in baselines:
        own, other = scores.get(method, {}), scores.get(baseline, {})
        shared = {name: display_of(name, displays) for name in metric_names(own) if "/" not in name and name in other}
        judged = {name: one for name, one in shared.items() if one.meaning}
        judged = {name: one for name, one in judged.items() if name not in WITHOUT_REFERENCE} or judged
        signs = {name: -1 if "lower" in one.meaning else 1 for name, one in judged.items()}
        if judged and all(signs[name] * (own[name] - other[name]) < 0 for name in judged):
            texts = [
                f"{one.label} {own[name]:.{one.digits}f} against {other[name]:.{one.digits}f}"
                for name, one in judged.items()
            ]
            yield f"the {method_label(method)} is below {baseline} on validation: {', '.join(texts)}"


def without_rows(first: str, heads: Sequence[str]) -> Table:
    """Return a table without rows: names at the left, which give way, and numbers at the right, which do not."""
    lines = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="")
    lines.add_column(Text(first), overflow="fold")
    for head in heads:
        lines.add_column(Text(head), justify="right", no_wrap=True)
    return lines
