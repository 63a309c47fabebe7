"""Lines of a command about its work, on the standard error output; results go to the standard output."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console

LOGGER = logging.getLogger("wildsr")
QUIET, USUAL, VERBOSE = logging.ERROR, logging.INFO, logging.DEBUG
PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}


@cache
def message_console() -> Console:
    """Return the one console of messages and bars: a line that it prints goes above a bar that it shows."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False)  # a file may be called [red]:x:.png


class PlainHandler(logging.Handler):
    """Prints what is logged as plain lines, of which warnings and errors say what they are."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        try:
            message_console().print(PREFIXES.get(record.levelno, "") + self.format(record), soft_wrap=True)
        except Exception:
            self.handleError(record)


@contextmanager
def show_messages(level: int = USUAL) -> Iterator[None]:
    """Show what wildsr logs, from a level on, for the time of the block; the logger is left as it was."""
    handler, before = PlainHandler(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)


def is_quiet() -> bool:
    """Return whether errors alone are to be shown: no bars either."""
    return LOGGER.level >= QUIET  # its own level: a host may have set the root logger's for reasons of its own
