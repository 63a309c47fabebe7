import csv
import json

import pytest
import torch

from wildsr.apps.evaluate.evaluator import Score, bicubic, judge, means
from wildsr.apps.evaluate.results import read_scores, score_row, table, write_findings
from wildsr.data import validation_set
from wildsr.images import image_size
from wildsr.io import write_rows

CPU, NAMES = torch.device("cpu"), ["psnr_y", "niqe"]


@pytest.fixture
def sets(pairs):
    return {
        "main": validation_set(4, hq=pairs / "hq", recipes=2),
        "found": validation_set(4, lq=pairs / "lq", hq=pairs / "hq"),
        "phone": validation_set(4, lq=pairs / "lq"),
    }


@pytest.fixture
def verdict(sets):
    return judge({"bicubic": bicubic(4)}, sets, NAMES, 4, CPU)


def test_scores_can_be_read_back_with_their_recipes(verdict, tmp_path):
    write_rows([score_row(score, NAMES) for score in verdict.scores], tmp_path / "images.csv")
    assert read_scores(tmp_path / "images.csv") == verdict.scores
    with (tmp_path / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["set", "picture", "version", "method", "psnr_y", "niqe", "recipe"]
    assert {row["psnr_y"] == "" for row in rows if row["set"] == "phone"} == {True}  # no original, no figure


def test_a_damaged_table_of_scores_is_named(tmp_path):
    file = tmp_path / "images.csv"
    for text in ("set,picture\na,b\n", "set,picture,version,method,recipe\na,b,one,c,\n"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"images\.csv: damaged"):
            read_scores(file)


def test_a_judgement_leaves_means_rows_strata_and_a_picture(verdict, sets, tmp_path):
    strata = write_findings(verdict, sets, NAMES, tmp_path / "left")
    assert sorted(path.name for path in (tmp_path / "left").iterdir()) == [
        "comparison.png", "images.csv", "scores.json", "strata.csv",
    ]  # fmt: skip
    assert json.loads((tmp_path / "left" / "scores.json").read_text()) == means(verdict.scores)
    assert {row["set"] for row in strata} == {"main"}  # the others have no recipes
    jpeg = [row for row in strata if row["axis"] == "jpeg"]
    assert sum(row["images"] for row in jpeg) == 8  # each picture has one quality
    height, _ = image_size(tmp_path / "left" / "comparison.png")
    assert 12 * 320 < height < 13 * 400  # 12 rows of 320 pixels, and their captions


def test_each_sets_table_holds_its_own_figures():
    figures = {"main": {"psnr_y": 1.0, "niqe": 2.0}, "found": {"psnr_y": 3.0}, "phone": {"niqe": 4.0}}
    summary = means([Score(name, "a.png", 0, "bicubic", found, None) for name, found in figures.items()])
    columns = {name: [column.header for column in table(summary, "", name).columns] for name in figures}
    assert columns == {"main": ["", "PSNR-Y", "NIQE"], "found": ["", "PSNR-Y"], "phone": ["", "NIQE"]}
