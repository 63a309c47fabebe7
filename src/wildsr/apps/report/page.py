"""A run's report: one file of HTML that needs no network, with its images, styles and script inside."""

from __future__ import annotations

import shlex
from pathlib import Path

from wildsr.apps.common.progress import format_duration
from wildsr.apps.evaluate.crops import CROPS, START, reference_folder
from wildsr.apps.evaluate.files import number, stage_row
from wildsr.apps.evaluate.html import write_html
from wildsr.apps.evaluate.labels import method_label, run_title, set_title
from wildsr.apps.evaluate.panels import Panel, Source, embed, notes_of, panels_of
from wildsr.apps.evaluate.tables import TableRow, method_rows, strata_advice, strata_tables, tables_of
from wildsr.apps.report.charts import charts_of
from wildsr.apps.report.configs import changed
from wildsr.apps.report.drawn import Drawn, Histogram
from wildsr.apps.report.runs import Run, read_run
from wildsr.io import CONFIG
from wildsr.labels import stage_title
from wildsr.scores import display_of

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
    found, strata = embed(run_panels(run)), strata_tables(run.strata, run.displays)
    target = file or folder / REPORT
    write_html(
        target,
        "report.html",
        title=title_of(run),
        run=run,
        state=state_of(run),
        facts=header_of(run),
        command=shlex.join(["python", "train.py", *run.overrides]) if run.overrides else "",
        tables=tables_of(rows_of(run), run.displays, run.contents),
        found=found,
        charts=charts_of([(run, 0)], hlines_of(run), run.displays, run.contents),
        strata=strata,
        advice=strata_advice(strata, run.contents, "data.val_recipes="),
        histograms=by_order(run.drawn),
        changed=changed(run),
        last_stage=stage_title(run.stages[-1].name),
        configs=[
            (stage_title(stage.name), (stage.folder / CONFIG).read_text(encoding="utf-8", errors="replace"))
            for stage in run.stages
        ],
    )
    return target


def title_of(run: Run) -> str:
    """Return the name of a run, with its folder's for a job of a multirun, whose jobs share a name."""
    is_job = any(stage.facts is not None and stage.facts.job is not None for stage in run.stages)
    return run_title(run.name, run.folder.resolve().name) if is_job else run.name


def state_of(run: Run) -> str:
    """Return how far a run is, in a sentence."""
    if run.running is not None:
        name, iteration = run.running
        total = next((stage.iterations for stage in run.stages if stage.name == name), iteration)
        return f"Running: {stage_title(name)}, iteration {iteration} of {total}."
    unfinished = [stage for stage in run.stages if not stage.is_finished]
    if unfinished:
        first = unfinished[0]
        return f"Not finished: {stage_title(first.name)}, iteration {first.done} of {first.iterations}."
    lengths = ", ".join(f"{stage_title(stage.name)} {stage.done} iterations" for stage in run.stages)
    return f"Finished: {lengths}." if run.scores else f"Trained, not evaluated: {lengths}."


def header_of(run: Run) -> list[tuple[str, str]]:
    """Return what heads a report, as names and values; what a run of an older version has not written is left out."""
    facts = run.stages[-1].facts
    found = [("Scale", str(run.scale)), ("Seed", str(run.config.get("seed", "–")))]
    if facts is not None:
        processes = f", {facts.processes} processes" if facts.processes > 1 else ""
        times = [
            f"{stage_title(stage.name)} {format_duration(stage.facts.seconds)}" for stage in run.stages if stage.facts
        ]
        numbers = [f"{name} {count:,}" for name, count in facts.parameters.items()]
        found += [("Device", facts.device + processes), ("Training time", ", ".join(times))]
        found += [("Parameters", ", ".join(numbers)), ("Training images", f"{facts.images:,}")]
    sets = [f"{set_title(name, content)}: {content.note}" for name, content in run.contents.items()]
    found += [("Evaluated on", "; ".join(sets))] if sets else []
    found += [("Code", facts.code)] if facts is not None else []
    best = next((stage.best for stage in reversed(run.stages) if stage.best), None)
    if best is not None:
        file, iteration, score = best
        label, digits = display_of(run.stages[-1].monitor[0].split("/")[-1], run.displays)[::2]
        found.append(
            ("Best checkpoint", f"{file.relative_to(run.folder)}: {label} {score:.{digits}f} at iteration {iteration}")
        )
    return found


def rows_of(run: Run) -> list[TableRow]:
    """Return the closing table of a run; while it goes on, the latest validation of each stage in its place."""
    if run.is_closed:
        return method_rows(run.scores)
    stages = {stage_row(stage.name): stage for stage in run.stages}
    rows = method_rows({method: row for method, row in run.scores.items() if method not in stages})
    for method, stage in stages.items():
        scores, iteration = stage.latest
        if scores:
            rows.append(TableRow(method_label(method), [scores], f"at iteration {iteration}"))
    return rows


def by_order(drawn: Drawn | None) -> list[tuple[str, list[Histogram]]]:
    """Return the histograms of each order, in the pipeline's order."""
    found: dict[str, list[Histogram]] = {}
    for histogram in drawn.histograms if drawn else []:
        found.setdefault(histogram.order, []).append(histogram)
    return list(found.items())


def hlines_of(run: Run, has_start: bool = True) -> dict[str, dict[str, float]]:
    """Return the scores of bicubic, and of the starting weights, by the scalar in whose chart they are a line."""
    names = {"bicubic": "bicubic"} | ({run.start: "start"} if has_start and run.start else {})
    found: dict[str, dict[str, float]] = {}
    for method, row in run.scores.items():
        if method in names:
            for key, value in row.items():
                if number(value) is not None:
                    found.setdefault(f"val/{key}", {})[names[method]] = value
    return found


def run_panels(run: Run) -> list[Panel]:
    """Return a panel a window: LQ, bicubic, starting weights as "start", references, each stage, HQ."""
    notes = notes_of(run.images, run.displays)
    folders = {run.start: run.folder / CROPS / START} if run.start else {}
    known = {"bicubic", *folders, *(stage_row(stage.name) for stage in run.stages)}
    folders |= {name: reference_folder(run.folder, name) for name in run.scores if name not in known}
    folders |= {stage_row(stage.name): stage.folder / CROPS for stage in run.stages}
    methods = [
        Source("start" if method == run.start else method_label(method), run.folder, folder, notes.get(method, {}))
        for method, folder in folders.items()
    ]
    return panels_of(run.folder, run.crops, methods, notes)
