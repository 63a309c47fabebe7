"""Several runs on one page: what differs between them, their scores over seeds, curves and crops side by side."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wildsr.apps.evaluate.crops import CROPS
from wildsr.apps.evaluate.files import stage_row
from wildsr.apps.evaluate.html import write_html
from wildsr.apps.evaluate.panels import Panel, Source, embed, notes_of, panels_of
from wildsr.apps.evaluate.tables import TableRow, tables_of
from wildsr.apps.report.charts import charts_of
from wildsr.apps.report.configs import Flat, changed, differing, telling, words
from wildsr.apps.report.page import hlines_of
from wildsr.apps.report.runs import Run, read_run
from wildsr.io import UserError
from wildsr.labels import stage_title
from wildsr.scores import display_of, finite_mean

SEED = "seed"
LONG = 24  # letters; with a longer name among them, groups are called by their numbers
SAME = 1e-3  # relative: devices differ by less, other images by more


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, with the number of their colour."""

    label: str
    tone: int
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> str:
        return ", ".join(words(run.config.get(SEED)) for run in self.runs)


def write_comparison(folders: Sequence[Path], file: Path) -> int:
    """Write the page of several runs, whole or not at all. Returns how many groups of seeds they are.

    Raises:
        UserError: there is no run, a file is damaged, or the runs do not belong together.
        OSError: the file cannot be written.
    """
    runs = [read_run(folder, name) for folder, name in zip(folders, names_of(folders), strict=True)]
    refuse_other_scales(runs)
    groups = arranged(grouped(runs))
    contents = runs[0].contents
    objective = display_of(runs[0].objective[0].split("/")[-1], runs[0].displays).label
    coloured = [
        (replace(run, name=group.label) if len(group.runs) == 1 else run, group.tone)
        for group in groups
        for run in group.runs
    ]
    displays = {name: display for run in runs for name, display in run.displays.items()}
    write_html(
        file,
        "compare.html",
        title=f"Comparison of {len(runs)} runs",
        runs=runs,
        groups=groups,
        settings=settings_of(groups),
        objective=objective,
        tables=tables_of(rows_of(groups), displays, contents),
        earlier=[
            (stage_title(name), tables_of(stage_rows(groups, name), displays, contents))
            for name in dict.fromkeys(stage.name for group in groups for stage in group.runs[0].stages[:-1])
        ],
        has_same_images=has_same_images(runs),
        found=embed(run_panels(groups)),
        charts=charts_of(
            coloured, hlines_of(runs[0], has_start=len({run.start for run in runs}) == 1), displays, contents
        ),
    )
    return len(groups)


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return names that tell the folders apart: their paths below the deepest folder that holds all of them."""
    full = [folder.resolve() for folder in folders]
    shared = Path(os.path.commonpath([path.parent for path in full]))
    return [path.relative_to(shared).as_posix() for path in full]


def refuse_other_scales(runs: Sequence[Run]) -> None:
    """Refuse runs of several scales: their images and scores cannot stand side by side. Raises: UserError."""
    for run in runs:
        if run.scale != runs[0].scale:
            raise UserError(
                f"{runs[0].folder} is of scale {runs[0].scale}, {run.folder} of scale {run.scale}; "
                "wanted runs of one scale"
            )


def has_same_images(runs: Sequence[Run]) -> bool:
    """Return whether bicubic, which depends on nothing but the images, has the same scores in all runs."""
    rows = [run.scores["bicubic"] for run in runs if "bicubic" in run.scores]
    pairs = [(row[key], rows[0][key]) for row in rows for key in row if key in rows[0]]
    return all(math.isclose(*pair, rel_tol=SAME) or all(map(math.isnan, pair)) for pair in pairs)


def telling_of(run: Run) -> Flat:
    """Return the settings that tell a run from others, without its seed."""
    stages = {"stage": ", ".join(stage.name for stage in run.stages)}  # no key has it as a parent, as `stages` is
    return stages | {key: value for key, value in telling(run.config).items() if key != SEED}


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Group runs by their settings, in the order given. A seed that comes twice opens a group of its own."""
    found: list[tuple[Flat, list[Run]]] = []
    for run in runs:
        settings, seed = telling_of(run), run.config.get(SEED)
        fitting = (
            members
            for other, members in found
            if other == settings and seed not in [member.config.get(SEED) for member in members]
        )
        members = next(fitting, None)
        if members is None:
            found.append((settings, [run]))
        else:
            members.append(run)
    return [Group(_label(members), tone, tuple(members)) for tone, (_, members) in enumerate(found)]


def arranged(groups: Sequence[Group]) -> list[Group]:
    """Return the baseline first, then the others by the objective, best first, with their names and colours.

    The baseline is the group that changes least of its experiment, of what differs between the groups. Groups of long
    names are called trial 0, 1 and so on: by the job's number in its multirun, else as they were given.
    """
    if any(len(group.label) > LONG for group in groups):
        jobs = [group.runs[0].stages[0].facts for group in groups]
        numbers = [facts.job if facts is not None else None for facts in jobs]
        if None in numbers or len(set(numbers)) < len(numbers):
            numbers = list(range(len(groups)))
        groups = [replace(group, label=f"trial {n}") for group, n in zip(groups, numbers, strict=True)]
    key, is_more_better = groups[0].runs[0].objective
    keys = {key for key, _ in differing([telling_of(group.runs[0]) for group in groups])}
    baseline = min(groups, key=lambda group: _changes(group.runs[0], keys))

    def place(group: Group) -> float:
        scores = [sample[key] for sample in _row(group).samples if key in sample]
        score = finite_mean(scores)[0] if scores else math.nan
        return math.inf if math.isnan(score) else -score if is_more_better else score

    others = sorted((group for group in groups if group is not baseline), key=place)
    return [replace(group, tone=tone) for tone, group in enumerate([baseline, *others])]


def _changes(run: Run, keys: set[str]) -> int:
    """Return how many of some settings a run has changed of its experiment."""
    found = changed(run)
    return len(keys & {key for key, _ in found[1]}) if found else 0


def settings_of(groups: Sequence[Group]) -> list[list[tuple[str, str]]]:
    """Return what sets each group apart: of the first one, the baseline, all that differs; of others, from it."""
    rows = differing([telling_of(group.runs[0]) for group in groups])
    return [
        [(key, values[place]) for key, values in rows if place == 0 or values[place] != values[0]]
        for place in range(len(groups))
    ]


def _label(runs: Sequence[Run]) -> str:
    """Return the runs' name without their seed, where the rest is the same; else the first one's."""
    if len(runs) == 1:
        return runs[0].name
    names = {re.sub(r"[,_/ -]?seed[=_-]?\d+", "", run.name).strip(",_/ -") for run in runs}
    only = names.pop() if len(names) == 1 else ""
    return only or f"{runs[0].name} and {len(runs) - 1} more"


def rows_of(groups: Sequence[Group]) -> list[TableRow]:
    """Return bicubic and each starting weights once, then each group's last stage."""
    rows: dict[str, TableRow] = {}
    for group in groups:
        for run in group.runs:
            for method in ("bicubic", run.start):
                if method and method in run.scores:
                    rows.setdefault(method, TableRow(method, [run.scores[method]]))
    return [*rows.values(), *map(_row, groups)]


def stage_rows(groups: Sequence[Group], name: str) -> list[TableRow]:
    """Return each group's scores after a stage."""
    having = [group for group in groups if any(stage.name == name for stage in group.runs[0].stages)]
    return [_row(group, name) for group in having]


def _row(group: Group, name: str = "") -> TableRow:
    """Return a group's scores after the stage `name`, by default the last one."""
    samples, open_ones = [], []
    for run in group.runs:
        stage = next((stage for stage in run.stages if stage.name == name), run.stages[-1])
        scores = run.scores.get(stage_row(stage.name)) if run.is_closed else None
        samples.append(scores or stage.latest[0])
        if not stage.is_finished:
            open_ones.append(f"{stage.done} of {stage.iterations} iterations")
    count = f"{len(group.runs)} seeds" if len(group.runs) > 1 else ""
    return TableRow(group.label, samples, ", ".join(filter(None, [count, *dict.fromkeys(open_ones)])), group.tone)


def run_panels(groups: Sequence[Group]) -> list[Panel]:
    """Return a panel a window: LQ, bicubic, the last stage of each group's first run with the same LQ, HQ.

    The first two runs are compared first; a run that stands alone is, with LQ.
    """
    first = next((group.runs[0] for group in groups if group.runs[0].crops), groups[0].runs[0])
    methods = []
    for group in groups:
        run, stage = group.runs[0], group.runs[0].stages[-1]
        notes = notes_of(run.images, run.displays).get(stage_row(stage.name), {})
        methods.append(Source(group.label, run.folder, stage.folder / CROPS, notes, group.tone))
    panels = []
    for panel in panels_of(first.folder, first.crops, methods, notes_of(first.images, first.displays)):
        places = [place for place, version in enumerate(panel.versions) if version.tone is not None]
        if places:
            panels.append(panel._replace(left=places[0], right=places[1] if len(places) > 1 else 0))
    return panels
