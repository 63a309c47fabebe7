"""The closing figures of a run, or its latest validation, as rows of a table."""

from __future__ import annotations

from wildsr.apps.evaluate.tables import Row
from wildsr.apps.report.runs import Run, Stage


def last_figures(stage: Stage) -> dict[str, float]:
    """Return a stage's latest validation, by the names of the scores; empty before the first."""
    return {key.removeprefix("val/"): found[-1][1] for key, found in stage.points.items() if key.startswith("val/")}


def row_of(stage: Stage) -> str:
    """Return a stage's name in the scores."""
    return f"{stage.name} stage"


def rows_of(run: Run) -> list[Row]:
    """Return the closing table of a run; while it goes on, the latest validation of each stage in its place."""
    if run.closed:
        return [Row(method, [figures]) for method, figures in run.scores.items()]
    stages = {row_of(stage): stage for stage in run.stages}
    rows = [Row(method, [figures]) for method, figures in run.scores.items() if method not in stages]
    for label, stage in stages.items():
        iterations = [found[-1][0] for key, found in stage.points.items() if key.startswith("val/")]
        if iterations:
            rows.append(Row(label, [last_figures(stage)], f"at iteration {max(iterations)}"))
    return rows
