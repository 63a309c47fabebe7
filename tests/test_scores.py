"""One image without a finite score decides no mean, and scores.json is JSON."""

import io
import json
import math

import pytest
import torch
from rich.console import Console
from torch import distributed, multiprocessing

from wildsr.apps.evaluate.closing import finite_score
from wildsr.apps.evaluate.evaluator import ImageScores, mean_row, means
from wildsr.apps.evaluate.files import read_scores, write_scores
from wildsr.apps.evaluate.results import mean_rows
from wildsr.apps.evaluate.tables import mean_text, method_rows, tables_of
from wildsr.apps.evaluate.terminal import score_lines
from wildsr.metrics import PSNR
from wildsr.scores import finite_mean

INF, NAN = math.inf, math.nan


def score(image, method, **scores):
    return ImageScores("main", image, 0, method, scores, None)


SCORES = [
    score("black.png", "bicubic", psnr_y=INF, niqe=NAN),
    score("black.png", "ours", psnr_y=50.0, niqe=7.0),
    score("cat.png", "bicubic", psnr_y=20.0, niqe=9.0),
    score("cat.png", "ours", psnr_y=22.0, niqe=8.0),
]


@pytest.mark.parametrize(
    ("values", "mean", "left_out"),
    [([20.0, 30.0], 25, 0), ([20.0, INF], 20, 1), ([NAN, 8.0, -INF, 9.0], 8.5, 2), ([INF, INF], INF, 0)],
)
def test_a_mean_leaves_out_what_is_not_finite_and_counts_it(values, mean, left_out):
    assert finite_mean(values) == (mean, left_out)


def test_a_mean_of_nothing_finite_is_not_finite():
    assert math.isnan(finite_mean([NAN])[0]) and math.isnan(finite_mean([INF, NAN])[0])


def test_one_black_pair_decides_no_mean_of_a_set_and_is_counted_in_its_tables():
    found = means(SCORES)
    assert found == {
        "bicubic": {"psnr_y": 20.0, "niqe": 9.0, "psnr_y_left_out": 1, "niqe_left_out": 1},
        "ours": {"psnr_y": 36.0, "niqe": 7.5},
    }
    assert mean_rows(SCORES)[0] == {"set": "main", "images": 2, "method": "bicubic", **found["bicubic"]}
    console = Console(width=120, record=True, file=io.StringIO())
    (table,) = tables_of(method_rows(found))
    console.print(score_lines(table, ""))
    text = console.export_text()
    assert text.count("20.00 (1 left out)") == text.count("9.00 (1 left out)") == 1


def test_scores_without_a_finite_one_are_null_in_json_and_nan_when_read(tmp_path):
    file = tmp_path / "scores.json"
    write_scores(means([score("a", "bicubic", psnr_y=INF, niqe=NAN), *SCORES[1:2]]), file)
    strict = json.loads(file.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert strict == {"bicubic": {"psnr_y": None, "niqe": None}, "ours": {"psnr_y": 50.0, "niqe": 7.0}}
    found = read_scores(file)
    assert found["ours"] == {"psnr_y": 50.0, "niqe": 7.0}
    assert all(math.isnan(value) for value in found["bicubic"].values())
    assert mean_text(found["bicubic"], "psnr_y", 2) == mean_text({}, "psnr_y", 2) == "-"
    with pytest.raises(ValueError, match="niqe of the bicubic: given nan, wanted a finite number"):
        finite_score(found, "bicubic", "niqe")


def test_a_row_counts_what_each_figure_leaves_out_behind_all_figures():
    assert list(mean_row({"a": [1.0, INF], "b": [2.0, 3.0]}).items()) == [("a", 1.0), ("b", 2.5), ("a_left_out", 1)]


def rank(number, file, found):
    distributed.init_process_group("gloo", init_method=f"file://{file}", rank=number, world_size=2)
    metric = PSNR("rgb")

    hq = torch.zeros(1, 3, 16, 16)
    for error in ([0, 51], [255])[number]:  # infinite, 20 log10 5 and 0 dB
        metric.update(hq + error / 255, hq)
    found[number] = (metric.compute().item(), metric.left_out)
    distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_leave_out_and_count_alike(tmp_path):
    with multiprocessing.Manager() as manager:
        found = manager.dict()
        multiprocessing.spawn(rank, (tmp_path / "store", found), nprocs=2)
        assert found[0] == found[1] == (pytest.approx(10 * math.log10(5), rel=1e-6), 1)
