"""Arguments of all verbs: a wrong call, or a result in the way of another, is answered in one line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from wildsr.apps.common.logs import LOGGER, QUIET, VERBOSE
from wildsr.images import require_writable
from wildsr.io import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line; keeps the line breaks of its description.

    Every verb has --quiet, --verbose and --debug; the last is for `wildsr.cli`, which answers errors.
    """

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            f"wildsr {verb}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        messages = self.add_argument_group("messages")
        loudness = messages.add_mutually_exclusive_group()
        loudness.add_argument("--quiet", action=SetLevel, const=QUIET, help="say nothing but errors and results")
        loudness.add_argument("--verbose", action=SetLevel, const=VERBOSE, help="say more about the work")
        messages.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of every error"
        )

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
            raise UserError(f"{file} is there already; --overwrite replaces it{other}")
