"""`wildsr report`: the page of one run, or several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser
from wildsr.apps.report import find_runs, write_comparison, write_report
from wildsr.images import require_writable

DESCRIPTION = """Write the results of runs as one file of HTML, to open in any browser, without a network.

  wildsr report runs/quickstart                     its report.html anew (training writes it at each validation)
  wildsr report runs/quickstart -o mine.html        the same, to send to somebody
  wildsr report runs/ablations -o compare.html      the runs of a multirun side by side
  wildsr report runs/a runs/b runs/c -o compare.html

A comparison shows what differs in the settings, the scores on all validation sets, the same crops, and the curves.
Runs that differ in their seed alone are one row: mean ± sample standard deviation. Runs that are not finished yet
stand there with their latest validation.

RUN is a run's folder, or a folder that holds several: then each run in it."""


def main(words: Sequence[str]) -> int:
    parser = Parser("report", DESCRIPTION)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, or one that holds runs")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.html", help="(default: each run's own report.html)")
    given = parser.parse_args(words)
    if given.output is not None and given.output.suffix != ".html":
        parser.error(f"-o {given.output}: wanted a name that ends in .html")
    if given.output is not None:
        require_writable(given.output)
    runs = find_runs(given.runs)
    if given.output is None:
        for run in runs:
            print(write_report(run))
    elif len(runs) == 1:
        print(f"{write_report(runs[0], given.output)}: the report of {runs[0]}")
    else:
        groups = write_comparison(runs, given.output)
        seeds = "" if groups == len(runs) else f" in {groups} groups, the seeds of a group together"
        print(f"{given.output}: {len(runs)} runs{seeds}")
    return 0
