import json
import re
import shutil

import pytest

from wildsr.apps.evaluate.tables import tables_of
from wildsr.apps.report.comparing import (
    arranged,
    grouped,
    has_same_images,
    names_of,
    rows_of,
    run_panels,
    settings_of,
    write_comparison,
)
from wildsr.apps.report.facts import Facts, write_facts
from wildsr.apps.report.runs import find_runs, read_run


def runs_of(folders):
    return [read_run(folder, name) for folder, name in zip(folders, names_of(folders), strict=True)]


def test_seeds_are_grouped_and_their_spread_is_the_sample_standard_deviation(make_run, tmp_path):
    for seed, psnr in enumerate((24.0, 25.0, 26.0)):
        make_run(f"abl/ablation=none,seed={seed}", [f"seed={seed}"], psnr)
    make_run("abl/ablation=no_sinc,seed=0", ["kernels.sinc_prob=0"], 23.0)
    folders = find_runs([tmp_path / "runs" / "abl"])
    groups = grouped(runs_of(folders))
    assert [(group.label, group.seeds) for group in groups] == [
        ("ablation=no_sinc,seed=0", "0"),
        ("ablation=none", "0, 1, 2"),
    ]
    main = tables_of(rows_of(groups))[0]
    assert [(row.label, row.note, cells[0].text, cells[0].spread) for row, cells in main.rows] == [
        ("bicubic", "", "22.00", ""),
        ("realesr-animevideov3 (start)", "", "22.50", ""),
        ("ablation=no_sinc,seed=0", "", "23.00", ""),
        ("ablation=none", "3 seeds", "25.00", "1.00"),
    ]


def test_one_seed_twice_is_no_spread(make_run):
    groups = grouped(runs_of([make_run("a"), make_run("b")]))
    assert [len(group.runs) for group in groups] == [1, 1]


def test_the_page_says_what_differs_and_shows_each_run_on_the_same_crops(make_run, tmp_path):
    folders = [make_run("a", ["loss.pixel.weight=2"], 23.0), make_run("b", [], 24.0)]
    assert write_comparison(folders, tmp_path / "compare.html") == 2
    text = (tmp_path / "compare.html").read_text()
    cells = re.findall(r"<code>(.*?)</code>", text.replace("<wbr>", ""))
    assert cells == ["loss.pixel.weight=1", "loss.pixel.weight=2"]  # of b, the baseline, and of a
    assert "One run each" in text
    groups = grouped(runs_of(folders))
    panel = run_panels(groups)[0]
    assert [version.label for version in panel.versions] == ["LQ", "bicubic", "a", "b", "HQ"]
    assert [version.file.parent.parent.parent.name for version in panel.versions] == ["a", "a", "a", "b", "a"]


def test_the_baseline_comes_first_and_the_others_by_the_objective(make_run):
    overrides = [["loss.pixel.weight=2"], [], ["loss.pixel.weight=3"], ["loss.pixel.weight=4"]]
    folders = [
        make_run(name, words, psnr) for name, words, psnr in zip("abcd", overrides, (23, 24, 26, 25), strict=True)
    ]
    groups = arranged(grouped(runs_of(folders)))
    assert [(group.label, group.tone) for group in groups] == [("b", 0), ("c", 1), ("d", 2), ("a", 3)]
    assert settings_of(groups) == [[("loss.pixel.weight", value)] for value in ("1", "3", "4", "2")]
    lower = [make_run(f"n{name}", [*words, "callbacks.best.mode=min"], psnr)
             for name, words, psnr in zip("abc", overrides[:3], (23, 24, 26), strict=True)]  # fmt: skip
    assert [group.label for group in arranged(grouped(runs_of(lower)))] == ["nb", "na", "nc"]


def test_groups_of_long_names_are_trials_with_their_jobs_numbers(make_run, tmp_path):
    folders = [make_run(f"loss.pixel.weight={value},scale=4", [f"loss.pixel.weight={value}"]) for value in (1, 2)]
    groups = arranged(grouped(runs_of(folders)))
    assert [group.label for group in groups] == ["trial 0", "trial 1"]
    assert [run.name for run in groups[1].runs] == ["loss.pixel.weight=2,scale=4"]
    for folder, job in zip(folders, (7, 3), strict=True):
        write_facts(Facts("CPU", 1, 60.0, {}, 7, "0", job=job), folder / "psnr")
    assert [group.label for group in arranged(grouped(runs_of(folders)))] == ["trial 7", "trial 3"]
    write_comparison(folders, tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text()
    assert re.findall(r'data-head="Folder"><span class="entry">(.*?)</span>', page.replace("<wbr>", "")) == [
        "loss.pixel.weight=1,scale=4",
        "loss.pixel.weight=2,scale=4",
    ]
    labels = re.findall(r'data-label="(.*?)"', page)
    assert set(labels) == {"trial 7", "trial 3"}  # what a curve is called under the pointer


def test_what_differs_within_a_stage_is_a_setting(make_run):
    folders = [make_run(f"lr={value}", [f"stages.psnr.lr={value}"]) for value in ("2.0e-4", "1e-3")]
    groups = arranged(grouped(runs_of(folders)))
    assert settings_of(groups) == [[("stages.psnr.lr", "0.0002")], [("stages.psnr.lr", "0.001")]]
    shutil.rmtree(folders[1] / "gan")
    (_, alone) = settings_of(grouped(runs_of(folders)))
    assert alone == [("stage", "psnr"), ("stages.psnr.lr", "0.001")]


def test_images_of_other_inputs_are_not_shown_side_by_side(make_run):
    folders = [make_run("a"), make_run("b", ["loss.pixel.weight=2"])]
    for file in (folders[1] / "gan" / "crops").iterdir():
        file.rename(file.with_name(file.name.replace(file.stem[-12:], "0" * 12)))
    panel = run_panels(grouped(runs_of(folders)))[0]
    assert [version.label for version in panel.versions] == ["LQ", "bicubic", "a", "HQ"]


def test_runs_that_were_evaluated_on_other_images_are_not_to_be_compared(make_run, tmp_path):
    folders = [make_run("a"), make_run("b", ["loss.pixel.weight=2"])]
    assert has_same_images(runs_of(folders))
    scores = json.loads((folders[1] / "scores.json").read_text())
    scores["bicubic"]["psnr_y"] += 0.5
    (folders[1] / "scores.json").write_text(json.dumps(scores))
    assert not has_same_images(runs_of(folders))
    write_comparison(folders, tmp_path / "compare.html")
    assert "evaluated on different images" in (tmp_path / "compare.html").read_text()


def test_runs_that_are_not_finished_stand_there_with_their_latest_validation(make_run):
    folder = make_run("a")
    (folder / "gan" / "generator.safetensors").unlink()
    (folder / "scores.json").unlink()
    row = rows_of(grouped(runs_of([folder, make_run("b", ["loss.pixel.weight=2"], 26.0)])))[-2]
    assert (row.samples, row.note) == ([{"psnr_y": 25.0, "hard/psnr_y": 22.0}], "4 of 4 iterations")


def test_names_of_runs_become_no_markup(make_run, tmp_path):
    folders = [make_run("<script>a"), make_run("<script>b", ["loss.pixel.weight=2"])]
    write_comparison(folders, tmp_path / "compare.html")
    assert (tmp_path / "compare.html").read_text().count("<script") == 1


def test_runs_of_different_scales_are_refused(make_run, tmp_path):
    folders = [make_run("a"), make_run("b", ["scale=2"])]
    with pytest.raises(ValueError, match=r"runs/a is of scale 4, .*runs/b of scale 2; wanted runs of one scale"):
        write_comparison(folders, tmp_path / "compare.html")
    assert not (tmp_path / "compare.html").exists()
