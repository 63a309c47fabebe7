"""A run's report: one file of HTML that needs no network, with its pictures, styles and script inside."""

from __future__ import annotations

import shlex
from pathlib import Path

from wildsr.apps.evaluate.crops import BICUBIC, CROPS, HQ, LQ, START, picture_file
from wildsr.apps.evaluate.html import panel_of, render
from wildsr.apps.evaluate.pictures import Panel, Version, embed, notes_of
from wildsr.apps.evaluate.tables import number, strata_of, tables_of
from wildsr.apps.report.charts import charts_of
from wildsr.apps.report.configs import changed
from wildsr.apps.report.figures import row_of, rows_of
from wildsr.apps.report.runs import CONFIG, Run, read_run
from wildsr.images import write_whole

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
    found = embed(panels_of(run))
    text = render(
        "report.html",
        title=run.name,
        run=run,
        state=state_of(run),
        command=shlex.join(["python", "train.py", *run.overrides]) if run.overrides else "",
        tables=tables_of(rows_of(run), run.displays),
        found=found,
        charts=charts_of([(run, 0)], references_of(run), run.displays),
        strata=strata_of(run.strata, run.displays),
        changed=changed(run),
        configs=[(stage.name, (stage.folder / CONFIG).read_text(errors="replace")) for stage in run.stages],
    )
    target = file or folder / REPORT
    write_whole(target, lambda stream: stream.write(text.encode()))
    return target


def state_of(run: Run) -> str:
    """Say how far a run is, in a sentence."""
    if run.running is not None:
        name, iteration = run.running
        total = next((stage.iterations for stage in run.stages if stage.name == name), iteration)
        return f"Running: {name} stage, iteration {iteration} of {total}."
    unfinished = [stage for stage in run.stages if not stage.finished]
    if unfinished:
        return (
            f"Not finished: {unfinished[0].name} stage, iteration {unfinished[0].done} of {unfinished[0].iterations}."
        )
    lengths = ", ".join(f"{stage.name} stage, {stage.done} iterations" for stage in run.stages)
    return f"Finished: {lengths}." if run.scores else f"Trained, not judged: {lengths}."


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


def panels_of(run: Run) -> list[Panel]:
    """Return a panel a window: LQ, bicubic, starting weights, each stage, HQ; LQ beside the last stage at first."""
    notes = notes_of(run.images, run.displays)
    folders = {"LQ": run.folder / CROPS / LQ, "bicubic": run.folder / CROPS / BICUBIC}
    folders |= {"start": run.folder / CROPS / START} if run.start else {}
    folders |= {row_of(stage): stage.folder / CROPS for stage in run.stages}
    folders |= {"HQ": run.folder / CROPS / HQ}
    panels = []
    for crop in run.crops:
        versions = []
        for label, folder in folders.items():
            file = picture_file(run.folder, folder, crop)
            if file is not None:
                method = run.start if label == "start" and run.start else label
                note = notes.get((crop.set, crop.picture, str(crop.version), method), "")
                versions.append(Version(label, file, note))
        if len(versions) > 1:
            last = max(at for at, version in enumerate(versions) if version.label != "HQ")
            panels.append(panel_of(crop, versions, 0, last))
    return panels
