"""What the verbs share: a wrong call, or a result in the way of another, is answered in one line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from wildsr.images import require_writable


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


def whole(text: str) -> int:
    """A whole number from 0, for `type=`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a whole number from 0")
    return int(text)


def refuse_inputs(files: Iterable[Path], inputs: Iterable[Path], option: str = "--output") -> None:
    """Raises: ValueError if a result would replace an input, lie in an input folder, or cannot be written at all."""
    given = {path.resolve() for path in inputs}
    for file in files:
        place = file.resolve()
        if not given.isdisjoint([place, *place.parents]):
            raise ValueError(f"{file} is{'' if place in given else ' in'} an input; wanted another {option}")
        require_writable(file)


def refuse_clashes(files: Sequence[Path], overwrite: bool) -> None:
    """Raises: ValueError if two results would have one name, or one is there already and may not be replaced."""
    seen: set[Path] = set()
    for file in files:
        if file in seen:
            raise ValueError(f"two pictures would both be written to {file}; rename one")
        if file.exists() and not overwrite:
            raise ValueError(f"{file} is there already; --overwrite replaces it")
        seen.add(file)
