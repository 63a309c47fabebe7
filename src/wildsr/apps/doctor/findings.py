"""What a check found, and the page that shows it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from wildsr.images import first_line, printable

OK, WARNING, FAULT = "ok", "warning", "fault"  # a fault stops a run, or would let it fail later
COLOURS = {OK: "green", WARNING: "yellow", FAULT: "bold red"}
SHOWN = 3  # names that a finding tells; the rest is counted


class Finding(NamedTuple):
    """One line of the page: how bad, about what, what was found, and what to do."""

    level: str
    topic: str
    found: str
    advice: str = ""


@contextmanager
def collect_findings(findings: list[Finding], topic: str) -> Iterator[io.StringIO]:
    """Turn the error of a block into a fault; what the block prints or logs is handed out."""
    said = io.StringIO()
    log = logging.getLogger("wildsr")
    handlers, log.handlers = log.handlers, [logging.StreamHandler(said)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            yield said
    except (ValueError, OSError) as error:
        findings.append(Finding(FAULT, topic, first_line(error)))
    finally:
        log.handlers = handlers


def some(names: Sequence[object]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(str, names[:SHOWN]))}{more}"


def unique(findings: Iterable[Finding]) -> list[Finding]:
    """Keep each finding once: several checks may meet the same fault, as two stages with the same data do."""
    return list({finding.found: finding for finding in reversed(list(findings))}.values())[::-1]


def format_page(title: str, findings: Sequence[Finding]) -> Group:
    """Lay out all findings as one page, with what they come to."""
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column()
    for finding in findings:
        lines = [finding.found, *([f"-> {finding.advice}"] if finding.advice else [])]
        rows.add_row(Text(finding.level, COLOURS[finding.level]), finding.topic, Text("\n".join(map(printable, lines))))
    faults, warnings = (sum(finding.level == level for finding in findings) for level in (FAULT, WARNING))
    verdict = f"the run would fail: {count(faults, 'fault')}" if faults else "nothing would stop the run"
    if warnings:
        verdict += f", {count(warnings, 'warning')}"
    return Group(Text(title, "bold"), rows, Text(verdict, COLOURS[FAULT if faults else WARNING if warnings else OK]))


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
