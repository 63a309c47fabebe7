import math

import pytest

from wildsr.apps.evaluate.files import read_table
from wildsr.apps.report.curves import read_points, thinned


def write(folder, version, *lines):
    (folder / f"version_{version}").mkdir()
    (folder / f"version_{version}" / "metrics.csv").write_text("\n".join(lines))


def test_rows_of_a_resumed_run_take_the_place_of_what_came_after_its_start(tmp_path):
    write(tmp_path, 0, "iteration,loss/pixel,step", "2.0,5,2", "4.0,4,4", "6.0,3,6", "7.0,9,7", "8.0,2,8")
    write(tmp_path, 1, "iteration,loss/pixel,val/psnr_y", "6.0,30,", "6.0,,25", "8.0,20,")
    points = read_points(tmp_path)
    assert points == {"loss/pixel": [(2, 5), (4, 4), (6, 30), (8, 20)], "val/psnr_y": [(6, 25)]}


def test_the_tenth_version_comes_behind_the_second(tmp_path):
    for version in (10, 2, 9):
        write(tmp_path, version, "iteration,loss/pixel", f"{version},{version}")
    (tmp_path / "version_x").mkdir()
    assert read_points(tmp_path) == {"loss/pixel": [(2, 2), (9, 9), (10, 10)]}


def test_what_is_no_number_and_a_row_that_is_being_written_are_passed_over(tmp_path):
    write(tmp_path, 0, "iteration,loss/pixel,loss/adversarial", "2,nan,1", "4,inf,<script>", "nan,1,1", "6,1", "8")
    assert read_points(tmp_path) == {"loss/adversarial": [(2, 1)], "loss/pixel": [(6, 1)]}
    assert read_points(tmp_path / "nowhere") == {}


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "images.csv").write_text(f'a\n"{"x" * 200_000}"\n')
    with pytest.raises(ValueError, match=r"images\.csv: damaged \(field larger"):
        read_table(tmp_path / "images.csv")


def test_thinned_points_keep_the_mean_and_the_extremes():
    points = [(i, float(i % 2)) for i in range(1000)]
    buckets = thinned(points, 100)
    assert len(buckets) == 100
    assert buckets[0] == (4.5, 0.5, 0.0, 1.0)
    assert math.isclose(sum(b.mean for b in buckets) / 100, 0.5)
    assert thinned(points[:3], 100) == [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 0, 0)]
    assert thinned([], 100) == []
