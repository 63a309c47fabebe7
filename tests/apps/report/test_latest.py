import json

import pytest

from wildsr.apps.evaluate.tables import Cell, TableRow, strata_tables, tables_of
from wildsr.apps.report.latest import rows_of
from wildsr.apps.report.runs import read_run


def test_seeds_make_a_mean_and_a_sample_standard_deviation():
    rows = [
        TableRow("bicubic", [{"psnr_y": 20.0, "niqe": 9.0}]),
        TableRow("ours", [{"psnr_y": 21.0, "niqe": 8.0}, {"psnr_y": 23.0, "niqe": 8.0}, {"psnr_y": 25.0, "niqe": 8.0}]),
    ]
    (table,) = tables_of(rows)
    assert table.has_spread
    assert table.heads == [("PSNR-Y", "dB, higher is closer"), ("NIQE", "lower looks more natural")]
    assert [cells for _, cells in table.rows] == [
        [Cell("20.00", "", False), Cell("9.00", "", False)],
        [Cell("23.00", "2.00", True), Cell("8.00", "0.00", True)],
    ]


def test_each_set_has_a_table_and_a_method_without_a_score_an_empty_cell():
    rows = [TableRow("bicubic", [{"phone/niqe": 9.0, "psnr_y": 20.0}]), TableRow("ours", [{"psnr_y": float("inf")}])]
    main, phone = tables_of(rows)
    assert (main.title, phone.title) == ("Held-out images", "Set phone")
    assert [cells[0].text for _, cells in main.rows] == ["20.00", "inf"]
    assert [cells[0].text for _, cells in phone.rows] == ["9.00", ""]


def test_images_that_a_mean_leaves_out_are_counted_beside_it():
    sample = {"psnr_y": 20.0, "psnr_y_left_out": 1.0, "niqe": float("nan")}
    (table,) = tables_of([TableRow("bicubic", [sample]), TableRow("ours", [{"psnr_y": 21.0, "niqe": 8.0}])])
    assert [[cell.text for cell in cells] for _, cells in table.rows] == [["20.00 (1 left out)", ""], ["21.00", "8.00"]]
    rows = {"set": "main", "axis": "blur", "stratum": "sinc", "images": "5", "method": "ours", "niqe": "nan"}
    (strata,) = strata_tables([rows | {"psnr_y": "21", "psnr_y_left_out": "2"}])[:1]
    assert strata.rows == [("blur sinc", 5, ["21.00 (2 left out)"])]


def test_a_run_that_goes_on_shows_its_latest_validation_and_a_closed_one_its_scores(make_run):
    folder = make_run(psnr=25.0)
    assert [row.label for row in rows_of(read_run(folder))][-1] == "gan stage"
    assert rows_of(read_run(folder))[-1].samples == [{"psnr_y": 25.0, "hard/psnr_y": 22.0}]
    running = rows_of(read_run(folder, running=("gan", 4)))
    assert [(row.label, row.note) for row in running[-2:]] == [
        ("psnr stage", "at iteration 4"),
        ("gan stage", "at iteration 4"),
    ]
    (folder / "scores.json").write_text(json.dumps({"bicubic": {"psnr_y": 22.0}}))
    (folder / "gan" / "generator.safetensors").unlink()
    assert [row.label for row in rows_of(read_run(folder))] == ["bicubic", "psnr stage", "gan stage"]


def test_strata_of_few_images_are_only_counted(make_run):
    folder = make_run()
    (folder / "strata.csv").write_text(
        "set,axis,stratum,images,method,psnr_y,niqe\n"
        "main,blur,plateau_iso,5,bicubic,21.234,9\nmain,blur,plateau_iso,5,gan stage,22,8\n"
        "main,order,jpeg last,4,bicubic,21,9\nmain,blur,sinc,0,,,\n"
    )
    psnr, niqe = strata_tables(read_run(folder).strata)
    assert psnr.methods == ["bicubic", "gan stage"]
    assert psnr.rows == [("blur plateau iso", 5, ["21.23", "22.00"])]
    assert niqe.rows == [("blur plateau iso", 5, ["9.00", "8.00"])]
    assert psnr.few == "jpeg last: 4, blur sinc: 0"


@pytest.mark.parametrize("text", ["", "a\n1\n", "set,axis,stratum,images,method,psnr_y\nmain,a,b,many,c,<b>\n"])
def test_strata_that_are_nonsense_are_no_table_of_scores(make_run, text):
    folder = make_run()
    (folder / "strata.csv").write_text(text)
    assert all(table.rows == [] for table in strata_tables(read_run(folder).strata))
