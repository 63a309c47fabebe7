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

from wildsr.io import first_line, printable

OK, WARNING, ERROR = "OK", "WARNING", "ERROR"  # an error stops a run, or would let it fail later
COLOURS = {OK: "green", WARNING: "yellow", ERROR: "bold red"}
SHOWN = 3  # names that a finding tells; the rest is counted


class Finding(NamedTuple):
    """One line of the page: how bad, about what, what was found, what to do, and a command that does it."""

    level: str
    topic: str
    found: str
    advice: str = ""
    command: str = ""


@contextmanager
def collect_findings(findings: list[Finding], topic: str) -> Iterator[io.StringIO]:
    """Turn the error of a block into an error; what the block prints or logs is handed out."""
    said = io.StringIO()
    log = logging.getLogger("wildsr")
    handlers, log.handlers = log.handlers, [logging.StreamHandler(said)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            yield said
    except (ValueError, OSError) as error:
        findings.append(Finding(ERROR, topic, first_line(error)))
    finally:
        log.handlers = handlers


def some(names: Sequence[object]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(map(str, names[:SHOWN]))}{more}"


def unique(findings: Iterable[Finding]) -> list[Finding]:
    """Keep each finding once: several checks may meet the same fault, as two stages with the same data do."""
    kept: dict[str, Finding] = {}
    for finding in findings:
        kept.setdefault(finding.found, finding)
    return list(kept.values())


def format_page(title: str, findings: Sequence[Finding], command: str = "") -> Group:
    """Lay out all findings as one page, with what they come to, and the command that comes next.

    Commands keep to one line, however long, so that they can be copied: print it with crop=False.
    """
    topics = max((len(finding.topic) for finding in findings), default=0)
    parts: list[Table | Text] = [Text(title, "bold")]
    for finding in findings:
        row = Table.grid(padding=(0, 1))
        for width in (len(WARNING), topics, None):
            row.add_column(width=width)
        lines = [finding.found, *([f"-> {finding.advice}"] if finding.advice else [])]
        row.add_row(Text(finding.level, COLOURS[finding.level]), finding.topic, Text("\n".join(map(printable, lines))))
        parts += [row, *([one_line(finding.command)] if finding.command else [])]
    errors, warnings = (sum(finding.level == level for finding in findings) for level in (ERROR, WARNING))
    verdict = f"not ready to train: {count(errors, 'error')}" if errors else "ready to train"
    if warnings:
        verdict += f", {count(warnings, 'warning')}"
    parts.append(Text(verdict, COLOURS[ERROR if errors else WARNING if warnings else OK]))
    if command:
        parts.append(one_line(f"next: {command}"))
    return Group(*parts)


def one_line(command: str) -> Text:
    """Return a command that is neither wrapped nor cut."""
    return Text(command, no_wrap=True, overflow="ignore")


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
