"""The closing scores of a run, or those of its latest validation, as rows of a table."""

from __future__ import annotations

from wildsr.apps.evaluate.files import stage_row
from wildsr.apps.evaluate.tables import TableRow
from wildsr.apps.report.runs import Run, Stage
from wildsr.labels import method_label


def latest_scores(stage: Stage) -> dict[str, float]:
    """Return a stage's latest validation, by the names of the scores; empty before the first."""
    return {key.removeprefix("val/"): found[-1][1] for key, found in stage.points.items() if key.startswith("val/")}


def rows_of(run: Run) -> list[TableRow]:
    """Return the closing table of a run; while it goes on, the latest validation of each stage in its place."""
    if run.is_closed:
        return [TableRow(method_label(method), [scores]) for method, scores in run.scores.items()]
    stages = {stage_row(stage.name): stage for stage in run.stages}
    rows = [TableRow(method_label(method), [scores]) for method, scores in run.scores.items() if method not in stages]
    for label, stage in stages.items():
        iterations = [found[-1][0] for key, found in stage.points.items() if key.startswith("val/")]
        if iterations:
            rows.append(TableRow(method_label(label), [latest_scores(stage)], f"at iteration {max(iterations)}"))
    return rows
