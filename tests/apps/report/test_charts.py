from itertools import pairwise

from wildsr.apps.report.charts import (
    APART,
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Curve,
    Tick,
    alike,
    chart,
    charts_of,
    compact,
    spread,
    ticks,
)
from wildsr.apps.report.curves import thinned
from wildsr.apps.report.runs import read_run


def places(line):
    return [tuple(map(float, pair.split(","))) for pair in line.path.split()]


def test_a_value_can_be_read_off_its_place():
    points = [(0, 1.0), (50, 3.0), (100, 2.0)]
    drawn = chart("PSNR-Y", "", [Curve("one", 0, thinned(points, 10))], {"bicubic": 1.5})
    for (x, y), (iteration, value) in zip(places(drawn.lines[0]), points, strict=True):
        assert abs(drawn.x[0] + (x - LEFT) / (RIGHT - LEFT) * (drawn.x[1] - drawn.x[0]) - iteration) < 0.01
        assert abs(drawn.y[0] + (BOTTOM - y) / (BOTTOM - TOP) * (drawn.y[1] - drawn.y[0]) - value) < 0.001
    assert drawn.lines[0].dots == places(drawn.lines[0])
    (hline,) = drawn.hlines
    assert hline.label == "bicubic"
    assert abs(drawn.y[0] + (BOTTOM - hline.at) / (BOTTOM - TOP) * (drawn.y[1] - drawn.y[0]) - 1.5) < 0.001


def test_a_band_spans_what_a_thinned_curve_leaves_out():
    drawn = chart("loss", "", [Curve("one", 0, thinned([(i, float(i % 2)) for i in range(1000)], 10))], {})
    heights = [float(pair.split(",")[1]) for pair in drawn.lines[0].band.split()]
    top, bottom = (round(TOP + (drawn.y[1] - v) / (drawn.y[1] - drawn.y[0]) * (BOTTOM - TOP), 2) for v in (1, 0))
    assert set(heights) == {top, bottom}
    assert chart("loss", "", [Curve("one", 0, thinned([(2, 5.0)], 10))], {}).lines[0].band == ""


def test_a_stage_begins_where_the_one_before_has_ended(make_run):
    run = read_run(make_run())
    groups = charts_of([(run, 0)], {"val/psnr_y": {"bicubic": 22.0}})
    assert list(groups) == ["Validation images", "Set hard", "Losses"]
    assert [(c.title, c.y_name) for c in groups["Set hard"]] == [("PSNR-Y", "PSNR-Y (dB)")]
    (loss,) = groups["Losses"]
    assert loss.title == "pixel loss"
    assert loss.x == (0, 8)
    starts = [places(line)[0][0] for line in loss.lines]
    assert starts == [LEFT + 2 / 8 * (RIGHT - LEFT), LEFT + 6 / 8 * (RIGHT - LEFT)]
    assert loss.dividers == [Tick(LEFT, "PSNR stage"), Tick((LEFT + RIGHT) / 2, "GAN stage")]


def test_ticks_are_round_and_lie_within():
    assert ticks(0, 100) == [0, 25, 50, 75, 100]
    assert ticks(20.3, 23.1) == [21, 22, 23]
    assert alike([0.639, 0.6395, 0.64]) == (["0.6390", "0.6395", "0.6400"], "")
    assert [compact(value) for value in (0, 250, 40_000, 1_500_000)] == ["0", "250", "40k", "1.5M"]


def test_an_axis_has_one_power_of_ten():
    assert alike([0.0, 5e-5, 1e-4]) == (["0.0", "0.5", "1.0"], "×10⁻⁴")
    assert alike([0.0, 100_000.0, 250_000.0]) == (["0.0", "1.0", "2.5"], "×10⁵")
    assert alike([0.0, 0.001]) == (["0.000", "0.001"], "")


def test_names_of_horizontal_lines_do_not_meet_and_stay_in_the_plot():
    texts = [tick.text for tick in spread([Tick(102, "start"), Tick(100, "bicubic"), Tick(TOP + 1, "top")])]
    assert texts == [TOP + 12, 97, 113]
    assert all(later - earlier >= APART for earlier, later in pairwise(texts))


def test_no_curve_hides_another():
    points = thinned([(0, 1.0), (10, 1.0)], 10)
    drawn = chart("loss", "", [Curve(name, tone, points) for tone, name in enumerate("abc")], {})
    assert [line.width for line in drawn.lines] == sorted((line.width for line in drawn.lines), reverse=True)
    assert len({line.width for line in drawn.lines}) == 3
    alone = chart("loss", "", [Curve("run", 0, points), Curve("run", 0, points)], {})
    assert [line.width for line in alone.lines] == [1.6, 1.6]  # two stages of one run
