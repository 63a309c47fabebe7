import csv
import json

import pytest
import torch

from wildsr.apps.evaluate.evaluator import ImageScores, bicubic, evaluate, means
from wildsr.apps.evaluate.results import read_image_scores, score_row, write_results
from wildsr.apps.evaluate.tables import TableRow, tables_of
from wildsr.apps.evaluate.terminal import score_lines
from wildsr.apps.evaluate.windows import Windows
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
def windows(sets, tmp_path):
    return Windows(tmp_path / "windows", {}, sets, at_most=12)


@pytest.fixture
def found(sets, windows):
    return evaluate({"bicubic": bicubic(4)}, sets, NAMES, 4, CPU, windows)


def test_scores_can_be_read_back_with_their_recipes(found, tmp_path):
    write_rows([score_row(one, NAMES) for one in found], tmp_path / "images.csv")
    assert read_image_scores(tmp_path / "images.csv") == found
    with (tmp_path / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["set", "picture", "version", "method", "psnr_y", "niqe", "recipe"]
    assert {row["psnr_y"] == "" for row in rows if row["set"] == "phone"} == {True}  # no original, no score


def test_a_damaged_table_of_scores_is_named(tmp_path):
    file = tmp_path / "images.csv"
    for text in ("set,picture\na,b\n", "set,picture,version,method,recipe\na,b,one,c,\n"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"images\.csv: damaged"):
            read_image_scores(file)


def test_an_evaluation_leaves_means_rows_strata_and_a_comparison(found, sets, windows, tmp_path):
    left = tmp_path / "left"
    write_results(found, sets, NAMES, left, windows)
    names = ["comparison.png", "images.csv", "scores.json", "strata.csv"]
    assert sorted(path.name for path in left.iterdir()) == names
    assert json.loads((left / "scores.json").read_text()) == means(found)
    with (left / "strata.csv").open() as file:
        strata = list(csv.DictReader(file))
    assert {row["set"] for row in strata} == {"main"}  # the others have no recipes
    jpeg = [row for row in strata if row["axis"] == "jpeg"]
    assert sum(int(row["images"]) for row in jpeg) == 8  # each image has one quality
    height, _ = image_size(left / "comparison.png")
    assert 12 * 320 < height < 13 * 400  # 12 rows of 320 pixels, and their captions


def test_each_sets_table_holds_its_own_metrics():
    scores = {"main": {"psnr_y": 1.0, "niqe": 2.0}, "found": {"psnr_y": 3.0}, "phone": {"niqe": 4.0}}
    summary = means([ImageScores(name, "a.png", 0, "bicubic", own, None) for name, own in scores.items()])
    tables = tables_of([TableRow(method, [row]) for method, row in summary.items()])
    columns = {
        table.set: [str(column.header) for column in score_lines(table, "").renderables[1].columns] for table in tables
    }
    assert columns == {
        "main": ["method", "PSNR-Y ↑ (dB)", "NIQE ↓"],
        "found": ["method", "PSNR-Y ↑ (dB)"],
        "phone": ["method", "NIQE ↓"],
    }
