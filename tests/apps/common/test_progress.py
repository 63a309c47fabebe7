import logging
from types import SimpleNamespace

import pytest

from wildsr.apps.common import progress as bars
from wildsr.apps.common.logs import QUIET, show_messages


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


def test_no_bar_is_shown_quietly_or_where_rich_cannot_draw_one(monkeypatch):
    with show_messages():
        assert bars.has_bars()
        monkeypatch.setattr(bars.message_console(), "is_jupyter", True)
        assert not bars.has_bars()
    monkeypatch.undo()
    with show_messages(QUIET):
        assert not bars.has_bars()
