"""Files and words for people: paths as typed, files written whole or not at all, errors in one line."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

# Files of a stage's folder: its configuration, and the averaged generator at its end
CONFIG, GENERATOR = "config.yaml", "generator.safetensors"
T = TypeVar("T")
REFUSALS = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EPIPE") if hasattr(errno, name)}


class UserError(ValueError):
    """Tell what a user can mend: shown as one line, where any other error is a bug and keeps its traceback."""


class ConfigError(UserError):
    """A choice, key or value that cannot be: wrong use, exit code 2. A missing file is failed work, exit code 1."""


def expanded(path: Path | str) -> Path:
    """Return a path with ~ and ~name as the home folders that they stand for; as it is where there is no such home."""
    with suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)


def first_line(error: BaseException) -> str:
    """Return an error in one line: file and reason where it has them, else its message's first line, else its type."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return (str(error).splitlines() or [type(error).__name__])[0]


def choose_from(names: Iterable[object]) -> str:
    """Return the end of an error line that refuses a choice: "choose from area, bilinear, bicubic"."""
    return f"choose from {', '.join(map(str, names))}"


def can_be_mended(error: BaseException) -> bool:
    """Return whether a user can mend an error, so that a line says it; any other is a bug and keeps its traceback.

    Besides what UserError words it is what the system refuses: a file that it names, a full disk, a closed pipe.
    """
    if isinstance(error, OSError):
        return error.filename is not None or error.errno in REFUSALS
    return isinstance(error, UserError)


def printable(name: Path | str) -> str:
    """Return a file's name on one line, for any terminal: what cannot be printed is written as `\\n` or `\\udcff`."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


def display_path(folder: Path) -> str:
    """Return a folder as a user would type it: relative where it lies below the current one."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def require_writable(target: Path) -> None:
    """Refuse a result whose folder is none, or not ours to write in, before the work. Raises: UserError."""
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{printable(target)}: {printable(folder)} is not a folder that can be written to")


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Create a file whole or not at all: written beside it under a temporary name, synced, then renamed."""
    # Shortened in bytes, which is how a file system counts.
    beginning = os.fsencode(path.name)[:100].decode(errors="ignore")
    temporary = path.with_name(f".{beginning}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk would not say where
        raise


def write_json(content: object, path: Path) -> None:
    """Write a JSON file, whole or not at all. Raises: ValueError, where a number is not finite, which JSON lacks."""
    write_whole(path, lambda file: file.write(json.dumps(content, indent=1, allow_nan=False).encode()))


def read_json(path: Path, parse: Callable[[Any], T], absent: T) -> T:
    """Return what `parse` makes of a JSON file's content; `absent` where there is no file.

    Raises:
        UserError: it is damaged: no JSON, or nothing that `parse` takes.
    """
    if not path.is_file():
        return absent
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({first_line(error)})") from error


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as CSV, whole or not at all; a column for every key, in the order of their first appearance."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))
