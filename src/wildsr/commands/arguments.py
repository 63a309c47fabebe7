"""Command-line parsing that answers a wrong call in one line."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line; keeps the line breaks of its description."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            f"wildsr {verb}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} ({self.prog} --help explains)\n")


def positive(text: str) -> int:
    """A whole number of at least 1, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a whole number of at least 1")
    return int(text)
