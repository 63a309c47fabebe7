import csv
import math

import pytest
import torch
import torch.nn.functional as F

from wildsr.data import validation_set
from wildsr.degradation import Recipe, degrade
from wildsr.images import read_image, to_float
from wildsr.metrics import NIQE, PSNR
from wildsr.training.judgement import bicubic, comparison, judge, means, score_row, shown_pair, table, write_rows

CPU = torch.device("cpu")


@pytest.fixture
def sets(pairs):
    return {
        "main": validation_set(4, hq=pairs / "hq", recipes=2),
        "found": validation_set(4, lq=pairs / "lq", hq=pairs / "hq"),
        "phone": validation_set(4, lq=pairs / "lq"),
    }


@pytest.fixture
def methods():
    return {"bicubic": bicubic(4), "nearest": lambda lq: F.interpolate(lq, scale_factor=4)}


def test_every_method_is_judged_on_the_same_picture_of_every_set(sets, methods, pairs):
    scores = judge(methods, sets, ["psnr_y", "niqe"], 4, CPU)
    assert len(scores) == 2 * (8 + 4 + 4)
    found = {(score.set, score.picture, score.version, score.method): score for score in scores}
    hq = to_float(read_image(pairs / "hq" / "b.png"))[None]
    lq = to_float(read_image(pairs / "lq" / "b.png"))[None]
    second = found["main", "b.png", 1, "nearest"]
    sr = methods["nearest"](degrade(hq[0], second.recipe)[None])
    assert second.figures == pytest.approx({"psnr_y": PSNR("y", 4)(sr, hq).item(), "niqe": NIQE(4)(sr).item()})
    sr = methods["bicubic"](lq)
    assert found["found", "b", 0, "bicubic"].figures["psnr_y"] == pytest.approx(PSNR("y", 4)(sr, hq).item())
    assert found["found", "b", 0, "bicubic"].recipe is None
    assert found["phone", "b.png", 0, "bicubic"].figures == pytest.approx({"niqe": NIQE(4)(sr).item()})


def test_means_are_named_by_set_and_the_tables_hold_a_sets_own(sets, methods):
    scores = judge(methods, sets, ["psnr_y", "niqe"], 4, CPU)
    summary = means(scores)
    assert list(summary) == ["bicubic", "nearest"]
    assert list(summary["nearest"]) == ["psnr_y", "niqe", "found/psnr_y", "found/niqe", "phone/niqe"]
    values = [s.figures["psnr_y"] for s in scores if s.set == "found" and s.method == "nearest"]
    assert summary["nearest"]["found/psnr_y"] == pytest.approx(sum(values) / 4)
    columns = {name: [c.header for c in table(summary, "", name).columns] for name in sets}
    assert columns == {"main": ["", "PSNR-Y", "NIQE"], "found": ["", "PSNR-Y", "NIQE"], "phone": ["", "NIQE"]}


def test_scores_can_be_read_back_with_their_recipes(sets, methods, tmp_path):
    scores = judge(methods, sets, ["psnr_y", "niqe"], 4, CPU)
    write_rows([score_row(score, ["psnr_y", "niqe"]) for score in scores], tmp_path / "images.csv")
    with (tmp_path / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["set", "picture", "version", "method", "psnr_y", "niqe", "recipe"]
    for row, score in zip(rows, scores, strict=True):
        assert float(row["niqe"]) == score.figures["niqe"]
        assert row["psnr_y"] == ("" if score.set == "phone" else str(score.figures["psnr_y"]))
        assert (Recipe.from_json(row["recipe"]) if row["recipe"] else None) == score.recipe


def test_the_picture_shows_each_set_and_no_original_where_there_is_none(sets, methods):
    whole = comparison(methods, sets, side=40, zoom=1, device=CPU)
    real = comparison(methods, {"phone": sets["phone"]}, side=40, zoom=1, device=CPU)
    assert math.isclose(whole.width / real.width, 4 / 3, rel_tol=0.05)  # input, two methods, original
    assert math.isclose(whole.height / real.height, 3, rel_tol=0.05)  # four pictures of each set, one version of each
    pair = shown_pair(sets["phone"][0], CPU)
    assert pair.hq is None and pair.lq.shape == (1, 3, 40, 48)
