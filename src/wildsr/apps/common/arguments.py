"""Arguments of all verbs: a wrong call, or a result in the way of another, is answered in one line."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from wildsr.apps.common.logs import LOGGER, QUIET, VERBOSE
from wildsr.checks import check_argument
from wildsr.io import UserError, require_writable


class Formatter(argparse.HelpFormatter):
    """Fills paragraphs of a description to the terminal's width; examples, which are indented, keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = [block if "\n " in f"\n{block}" else textwrap.fill(block, width) for block in text.split("\n\n")]
        return "\n\n".join(blocks)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line; the examples of its description keep their lines.

    Every verb has --quiet, --verbose and --debug; the last is for `wildsr.cli`, which answers errors.
    """

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(f"wildsr {verb}", description=description, formatter_class=Formatter, add_help=False)
        self.add_argument("-h", "--help", action="help", help="Show this help and exit.")
        messages = self.add_argument_group("messages")
        loudness = messages.add_mutually_exclusive_group()
        loudness.add_argument("--quiet", action=SetLevel, const=QUIET, help="Show errors and results only.")
        loudness.add_argument("--verbose", action=SetLevel, const=VERBOSE, help="Show more about the work.")
        messages.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="Show the traceback of every error."
        )

    def _check_value(self, action: argparse.Action, value: object) -> None:
        check_argument(action, value)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} ({self.prog} --help explains)\n")


class SetLevel(argparse.Action):
    """Sets from which level on wildsr's messages are shown; leaves nothing in the namespace."""

    def __init__(self, option_strings: Sequence[str], dest: str, const: int, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, const=const, default=argparse.SUPPRESS, help=help)

    def __call__(self, *_: object) -> None:
        LOGGER.setLevel(self.const)


def positive(text: str) -> int:
    """Read a whole number of at least 1, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a whole number of at least 1")
    return int(text)


def whole(text: str) -> int:
    """Read a whole number from 0, for `type=`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a whole number from 0")
    return int(text)


def refuse_inputs(files: Iterable[Path], inputs: Iterable[Path], option: str = "--output") -> None:
    """Refuse results that would replace an input, lie in an input folder, or cannot be written at all.

    Raises:
        UserError: one of these; the message names the file, and `option` as what to change.
    """
    given = {path.resolve() for path in inputs}
    for file in files:
        place = file.resolve()
        if not given.isdisjoint([place, *place.parents]):
            raise UserError(f"{file} is{'' if place in given else ' in'} an input; wanted another {option}")
        require_writable(file)


def refuse_clashes(files: Sequence[Path], overwrite: bool, other: str = "") -> None:
    """Refuse results of which one is there already and may not be replaced.

    Args:
        other: what else the message offers besides --overwrite.

    Raises:
        UserError: the message names the file.
    """
    for file in files:
        if file.exists() and not overwrite:
            raise UserError(f"{file} already exists (use --overwrite{other})")
