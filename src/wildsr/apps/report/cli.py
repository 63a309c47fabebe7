"""`wildsr report`: the page of one run, or several runs side by side."""

from __future__ import annotations

import argparse

from wildsr.apps.report.comparing import write_comparison
from wildsr.apps.report.page import write_report
from wildsr.apps.report.runs import find_runs
from wildsr.io import require_writable


def main(given: argparse.Namespace) -> int:
    """Write the pages. Returns the exit code."""
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
