"""A run's report: one file of HTML that needs no network, with its images, styles and script inside."""

from __future__ import annotations

import shlex
from pathlib import Path

from wildsr.apps.evaluate.crops import BICUBIC, CROPS, HQ, LQ, START
from wildsr.apps.evaluate.files import stage_row
from wildsr.apps.evaluate.html import render
from wildsr.apps.evaluate.panels import Panel, embed, notes_of, panels_of
from wildsr.apps.evaluate.tables import number, strata_tables, tables_of
from wildsr.apps.report.charts import charts_of
from wildsr.apps.report.configs import changed
from wildsr.apps.report.latest import rows_of
from wildsr.apps.report.runs import Run, read_run
from wildsr.images import write_whole
from wildsr.io import CONFIG

REPORT = "report.html"


def write_report(folder: Path, file: Path | None = None, running: tuple[str, int] | None = None) -> Path:
    """Write the report of a run, whole or not at all, by default as report.html in its folder. Returns the file.

    Args:
        running: the stage that is being trained and the iterations that it has done, said by the run itself.

    Raises:
        UserError: there is no run, or a file of it is damaged.
        OSError: the file cannot be written.
    """
    run = read_run(folder, running=running)
    found = embed(run_panels(run))
    text = render(
        "report.html",
        title=run.name,
        run=run,
        state=state_of(run),
        command=shlex.join(["python", "train.py", *run.overrides]) if run.overrides else "",
        tables=tables_of(rows_of(run), run.displays),
        found=found,
        charts=charts_of([(run, 0)], references_of(run), run.displays),
        strata=strata_tables(run.strata, run.displays),
        changed=changed(run),
        configs=[(stage.name, (stage.folder / CONFIG).read_text(errors="replace")) for stage in run.stages],
    )
    target = file or folder / REPORT
    write_whole(target, lambda stream: stream.write(text.encode()))
    return target


def state_of(run: Run) -> str:
    """Return how far a run is, in a sentence."""
    if run.running is not None:
        name, iteration = run.running
        total = next((stage.iterations for stage in run.stages if stage.name == name), iteration)
        return f"Running: {name} stage, iteration {iteration} of {total}."
    unfinished = [stage for stage in run.stages if not stage.is_finished]
    if unfinished:
        return (
            f"Not finished: {unfinished[0].name} stage, iteration {unfinished[0].done} of {unfinished[0].iterations}."
        )
    lengths = ", ".join(f"{stage.name} stage, {stage.done} iterations" for stage in run.stages)
    return f"Finished: {lengths}." if run.scores else f"Trained, not evaluated: {lengths}."


def references_of(run: Run, start: bool = True) -> dict[str, dict[str, float]]:
    """Return the scores of bicubic, and of the starting weights, by the name of the curve that they belong to."""
    names = {"bicubic": "bicubic"} | ({run.start: "start"} if start and run.start else {})
    found: dict[str, dict[str, float]] = {}
    for method, row in run.scores.items():
        if method in names:
            for key, value in row.items():
                if number(value) is not None:
                    found.setdefault(f"val/{key}", {})[names[method]] = value
    return found


def run_panels(run: Run) -> list[Panel]:
    """Return a panel a window: LQ, bicubic, starting weights, each stage, HQ."""
    folders = {"LQ": run.folder / CROPS / LQ, "bicubic": run.folder / CROPS / BICUBIC}
    folders |= {run.start: run.folder / CROPS / START} if run.start else {}
    folders |= {stage_row(stage.name): stage.folder / CROPS for stage in run.stages}
    folders |= {"HQ": run.folder / CROPS / HQ}
    return panels_of(run.folder, run.crops, folders, notes_of(run.images, run.displays))
