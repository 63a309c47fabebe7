"""Errors of the command: what a user can mend is one line; a bug keeps its traceback."""

import errno
import json
import os
import pickle

import pytest
from torch.utils.data import DataLoader

from wildsr.apps.demo import cli as demo
from wildsr.apps.prepare import workers
from wildsr.checks import checked_number
from wildsr.cli import main
from wildsr.io import UserError, can_be_mended


def failing(monkeypatch, error: BaseException) -> None:
    def run(words):
        raise error

    monkeypatch.setattr(demo, "main", run)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a.png: no such file\nmore"), "a.png: no such file"),
        (PermissionError(errno.EACCES, "Permission denied", "out/a.png"), "out/a.png: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "[Errno 28] No space left on device"),
    ],
)
def test_what_a_user_can_mend_is_one_line(monkeypatch, capsys, error, line):
    failing(monkeypatch, error)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == f"error: {line}\n"


@pytest.mark.parametrize("error", [ValueError("wrong"), OSError("wrong"), KeyError("wrong"), RuntimeError("wrong")])
def test_a_bug_keeps_its_traceback(monkeypatch, error):
    failing(monkeypatch, error)
    with pytest.raises(type(error), match="wrong"):
        main(["demo"])


@pytest.mark.parametrize("words", [["--debug", "demo"], ["demo", "--debug"], ["demo", "--port", "1", "--debug"]])
def test_debug_shows_the_traceback_of_the_line_too(monkeypatch, capsys, words):
    monkeypatch.setenv("WILDSR_DEBUG", "0")  # as it was, after the test
    failing(monkeypatch, UserError("a.png: no such file"))
    assert main(words) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Traceback") and any("in run" in line for line in said)
    assert said[-1] == "error: a.png: no such file"
    assert os.environ["WILDSR_DEBUG"] == "0"  # of this call alone


def test_the_environment_shows_tracebacks(monkeypatch, capsys):
    failing(monkeypatch, UserError("a.png: no such file"))
    for value, expected in (("1", "Traceback"), ("0", "error: "), ("", "error: ")):
        monkeypatch.setenv("WILDSR_DEBUG", value)
        assert main(["demo"]) == 1
        assert capsys.readouterr().err.startswith(expected)


def test_a_word_behind_two_dashes_is_no_option(monkeypatch, capsys):
    monkeypatch.setenv("WILDSR_DEBUG", "0")  # as it was, after the test
    given = []
    monkeypatch.setattr("wildsr.apps.demo.arguments.parse", list)
    monkeypatch.setattr(demo, "main", lambda words: given.extend(words) or 0)
    assert main(["demo", "--debug", "--", "--debug"]) == 0
    assert given == ["--", "--debug"]


def test_a_value_error_of_the_standard_library_is_a_bug():
    with pytest.raises(ValueError) as caught:
        json.loads("{")
    assert not can_be_mended(caught.value)
    with pytest.raises(UserError) as caught:
        checked_number("strength", 2, 0, 1)
    assert can_be_mended(caught.value)


class Refusing:
    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __call__(self, job):
        raise self.error(f"{job}: wrong")

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number):
        raise self.error("a.png: wrong")


def test_a_user_error_survives_a_worker():
    assert pickle.loads(pickle.dumps(UserError("wrong"))).args == ("wrong",)
    with pytest.raises(UserError, match=r"a\.png: wrong"):
        list(DataLoader(Refusing(UserError), batch_size=None, num_workers=1))


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_bug_in_preparing_is_not_taken_for_a_damaged_image(error):
    with pytest.raises(UserError, match="a: wrong"):
        list(workers.run_tasks(Refusing(UserError), ["a"], 1))
    with pytest.raises(error, match="a: wrong") as caught:
        list(workers.run_tasks(Refusing(error), ["a"], 1))
    assert not can_be_mended(caught.value)
