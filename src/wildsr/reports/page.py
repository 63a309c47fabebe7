"""A run's report: one file of HTML that needs no network, with its pictures, styles and script inside."""

from __future__ import annotations

import base64
import hashlib
import shlex
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wildsr.images import write_whole
from wildsr.reports.charts import FRAME, charts_of
from wildsr.reports.configs import changed
from wildsr.reports.crops import BICUBIC, CROPS, HQ, LQ, START, Crop, picture_file
from wildsr.reports.curves import number
from wildsr.reports.figures import MAIN, row_of, rows_of, strata_of, tables_of
from wildsr.reports.pictures import Panel, Version, embed, notes_of
from wildsr.reports.runs import CONFIG, Run, read_run

REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"


def write_report(folder: Path, file: Path | None = None, running: tuple[str, int] | None = None) -> Path:
    """Write the report of a run, whole or not at all, by default as report.html in its folder. Returns the file.

    Args:
        running: the stage that is being trained and the iterations that it has done, said by the run itself.

    Raises:
        ValueError: there is no run, or a file of it is damaged.
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
        tables=tables_of(rows_of(run)),
        found=found,
        charts=charts_of([(run, 0)], references_of(run)),
        strata=strata_of(run.strata),
        changed=changed(run),
        configs=[(stage.name, (stage.folder / CONFIG).read_text(errors="replace")) for stage in run.stages],
    )
    target = file or folder / REPORT
    write_whole(target, lambda stream: stream.write(text.encode()))
    return target


def render(template: str, **content: Any) -> str:
    """A page. Whatever is put into it is escaped, and its policy lets nothing run but its own script."""
    script = (TEMPLATES / "script.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            script=script,
            script_digest=digest,
            style=(TEMPLATES / "style.css").read_text(),
            written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["frame"] = FRAME
    return environment


def state_of(run: Run) -> str:
    """How far a run is, in a sentence."""
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
    """The scores of bicubic, and of the starting weights, by the name of the curve that they belong to."""
    names = {"bicubic": "bicubic"} | ({run.start: "start"} if start and run.start else {})
    found: dict[str, dict[str, float]] = {}
    for method, row in run.scores.items():
        if method in names:
            for key, value in row.items():
                if number(value) is not None:
                    found.setdefault(f"val/{key}", {})[names[method]] = value
    return found


def panels_of(run: Run) -> list[Panel]:
    """A panel a window: LQ, bicubic, the starting weights, each stage, HQ; LQ beside the last stage at first."""
    notes = notes_of(run.images)
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


def panel_of(crop: Crop, versions: list[Version], left: int, right: int) -> Panel:
    """A panel with the title of its window."""
    title = crop.picture if crop.set == MAIN else f"{crop.picture} ({crop.set})"
    if crop.version:
        title = f"{title}, version {crop.version + 1}"
    return Panel(title, crop.recipe, crop.window[3], crop.window[2], versions, left, right)
