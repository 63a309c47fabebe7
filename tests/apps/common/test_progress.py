import logging
from types import SimpleNamespace

import pytest

from wildsr.apps.common import progress as bars
from wildsr.apps.common.logs import QUIET, USUAL, show_messages
from wildsr.cli import main


@pytest.mark.parametrize("seconds", [0, 2])
def test_the_speed_is_a_number_even_where_the_clock_has_not_moved(monkeypatch, seconds):
    clock = iter([100.0, 100.0 + seconds])
    monkeypatch.setattr(bars, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with bars.Bar(1, "MP") as bar:
        bar.begin("a.png")
        bar.advance(0.5, 3)
        assert bar.progress.tasks[0].fields["speed"] == ("1.50 MP/s" if seconds else f"{3 / bars.TICK:.2f} MP/s")


def test_a_message_is_shown_as_loud_as_it_is(capsys):
    for level, wanted in (
        ({}, "goes on\nwarning: small\nerror: a.png: damaged\n"),
        ({"level": QUIET}, "error: a.png: damaged\n"),
    ):
        with show_messages(**level):
            log = logging.getLogger("wildsr.apps.upscale")
            log.info("goes on")
            log.warning("small")
            log.error("a.png: damaged")
        assert capsys.readouterr().err == wanted


def test_a_bar_is_shown_on_a_terminal_alone_and_not_quietly(monkeypatch):
    console = bars.message_console()
    for is_terminal, is_jupyter, level, wanted in (
        (True, False, USUAL, True),
        (True, False, QUIET, False),
        (True, True, USUAL, False),
        (False, False, USUAL, False),
    ):
        monkeypatch.setattr(type(console), "is_terminal", is_terminal)
        monkeypatch.setattr(console, "is_jupyter", is_jupyter)
        with show_messages(level):
            assert bars.has_bars() == wanted


def test_a_command_whose_messages_go_to_a_file_leaves_no_empty_lines_there(photographs, tmp_path, capsys):
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "lq")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "0 s"), (59.4, "59 s"), (89, "89 s"), (90, "2 min"), (900, "15 min"), (3599, "60 min"), (3600, "1 h"),
    (3660, "1 h 1 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h"), (86400 * 600, "600 d"),
    (86400 * 11574, "32 years"),
])  # fmt: skip
def test_a_duration_is_told_in_its_two_largest_units(seconds, words):
    assert bars.format_duration(seconds) == words
