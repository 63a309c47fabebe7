import pytest

from wildsr.apps.evaluate.files import read_table
from wildsr.apps.evaluate.labels import SetContent
from wildsr.apps.evaluate.tables import Cell, TableRow, strata_advice, strata_tables, tables_of


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
    assert (main.title, phone.title) == ("Validation images", "Set phone")
    assert [cells[0].text for _, cells in main.rows] == ["20.00", "inf"]
    assert [cells[0].text for _, cells in phone.rows] == ["9.00", ""]


def test_the_difference_is_from_the_baselines_mean_and_has_its_sign():
    rows = [
        TableRow("bicubic", [{"psnr_y": 20.0}]),
        TableRow("a", [{"psnr_y": 21.0}, {"psnr_y": 23.0}], tone=0),
        TableRow("b", [{"psnr_y": 22.25}], tone=1),
        TableRow("c", [{"psnr_y": 21.0}], tone=2),
        TableRow("d", [{}], tone=3),
        TableRow("e", [{"psnr_y": 21.996}], tone=4),
    ]
    (table,) = tables_of(rows)
    assert [cells[0].difference for _, cells in table.rows] == ["", "", "+0.25", "−1.00", "", "±0.00"]


def test_where_no_stratum_has_enough_images_the_page_says_how_many_versions_would_do():
    rows = [{"set": "main", "axis": "blur", "stratum": "iso", "images": "4", "method": "bicubic", "psnr_y": "21"}]
    tables, contents = strata_tables(rows), {"main": SetContent(3, 2)}
    assert strata_advice(tables, contents, "--recipes ") == (
        "3 images × 2 versions are too few to tell degradations apart: a mean wants at least 5 images. "
        "Evaluate more versions of each: --recipes 14 gives 42 images."
    )
    assert strata_advice(strata_tables([rows[0] | {"images": "5"}]), contents, "--recipes ") == ""


def test_images_that_a_mean_leaves_out_are_counted_beside_it():
    sample = {"psnr_y": 20.0, "psnr_y_left_out": 1.0, "niqe": float("nan")}
    (table,) = tables_of([TableRow("bicubic", [sample]), TableRow("ours", [{"psnr_y": 21.0, "niqe": 8.0}])])
    assert [[cell.text for cell in cells] for _, cells in table.rows] == [["20.00 (1 left out)", ""], ["21.00", "8.00"]]
    rows = {"set": "main", "axis": "blur", "stratum": "sinc", "images": "5", "method": "ours", "niqe": "nan"}
    (strata,) = strata_tables([rows | {"psnr_y": "21", "psnr_y_left_out": "2"}])[:1]
    assert strata.rows == [("Kernel sinc", 5, ["21.00 (2 left out)"])]


def test_strata_of_few_images_are_only_counted(tmp_path):
    (tmp_path / "strata.csv").write_text(
        "set,axis,stratum,images,method,psnr_y,niqe\n"
        "main,blur,plateau_iso,5,bicubic,21.234,9\nmain,blur,plateau_iso,5,gan stage,22,8\n"
        "main,order,jpeg last,4,bicubic,21,9\nmain,blur,sinc,0,,,\n"
    )
    psnr, niqe = strata_tables(read_table(tmp_path / "strata.csv"))
    assert psnr.methods == ["bicubic", "GAN stage"]
    assert psnr.rows == [("Kernel plateau iso", 5, ["21.23", "22.00"])]
    assert niqe.rows == [("Kernel plateau iso", 5, ["9.00", "8.00"])]
    assert psnr.few == "Final JPEG after resize: 4, Kernel sinc: 0"


@pytest.mark.parametrize("text", ["", "a\n1\n", "set,axis,stratum,images,method,psnr_y\nmain,a,b,many,c,<b>\n"])
def test_strata_that_are_nonsense_are_no_table_of_scores(tmp_path, text):
    (tmp_path / "strata.csv").write_text(text)
    assert all(table.rows == [] for table in strata_tables(read_table(tmp_path / "strata.csv")))
