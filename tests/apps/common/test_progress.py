from types import SimpleNamespace

import pytest

from wildsr.apps.common import progress as bars


@pytest.mark.parametrize("seconds", [0, 2])
def test_the_speed_is_a_number_even_where_the_clock_has_not_moved(monkeypatch, seconds):
    clock = iter([100.0, 100.0 + seconds])
    monkeypatch.setattr(bars, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with bars.Bar(1, "MP") as bar:
        bar.begin("a.png")
        bar.advance(0.5, 3)
        assert bar.progress.tasks[0].fields["speed"] == ("1.50 MP/s" if seconds else f"{3 / bars.TICK:.2f} MP/s")
