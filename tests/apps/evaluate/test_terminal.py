"""Scores in the terminal: as papers print them, whole in 80 columns."""

import io
import logging

import pytest
from rich.console import Console

from wildsr.apps.evaluate.closing import RunEvaluation
from wildsr.apps.evaluate.tables import TableRow, tables_of
from wildsr.apps.evaluate.terminal import score_lines, shortfalls
from wildsr.data import validation_set
from wildsr.io import write_rows
from wildsr.scores import METRICS

SCORES = {
    "bicubic": {"psnr_y": 26.61, "ssim_y": 0.7117, "niqe": 11.19},
    "psnr stage": {"psnr_y": 26.92, "ssim_y": 0.7317, "niqe": 10.51},
    "gan stage": {"psnr_y": 24.0, "ssim_y": 0.7, "niqe": 9.0},
}


def lines_of(*parts, width=80):
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(*parts)
    return console.file.getvalue().splitlines()


def test_methods_stand_below_each_other_metrics_across_and_the_best_is_bold():
    (table,) = tables_of([TableRow(method, [row]) for method, row in SCORES.items()])
    title, heads, rule, *rows = lines_of(score_lines(table, "mine · validation"))
    assert title == "mine · validation" and set(rule) == {"─"}
    assert heads.split() == ["method", "PSNR-Y", "↑", "(dB)", "SSIM-Y", "↑", "NIQE", "↓"]
    bold = [[part.split("\x1b")[0].strip() for part in row.split("\x1b[1m")[1:]] for row in rows[:3]]
    assert bold == [[], ["26.92", "0.7317"], ["9.00"]]


def test_every_metric_is_whole_in_80_columns_however_long_the_methods_names():
    methods = ("bicubic", "realesr-animevideov3 (start)", "a-network-of-which-the-name-is-longer-than-that")
    rows = [TableRow(method, [dict.fromkeys(METRICS, 21.234567)]) for method in methods]
    (table,) = tables_of(rows)
    lines = lines_of(score_lines(table, "wide"))
    text = "\n".join(lines)
    assert max(map(len, (line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in lines))) <= 80
    assert "…" not in text and text.count("21.23") == 3 * len(METRICS)
    assert all(METRICS[name].label in text for name in METRICS)


def test_a_method_that_is_nowhere_above_bicubic_is_said_to_be_below():
    better = "the GAN stage is below bicubic on validation: PSNR-Y 24.00 against 26.61, SSIM-Y 0.7000 against 0.7117"
    assert list(shortfalls(SCORES, ["bicubic"], "gan stage")) == [better]  # NIQE rewards noise
    assert list(shortfalls(SCORES, ["bicubic"], "psnr stage")) == []
    scores = {"bicubic": {"niqe": 8.0}, "gan stage": {"niqe": 9.0}}
    assert len(list(shortfalls(scores, ["bicubic", "none (start)"], "gan stage"))) == 1


@pytest.fixture
def evaluation(photographs, tmp_path):
    def make(**options):
        run = tmp_path / "a run" / "loss.adversarial.weight=0.21839018238"
        sets = {"main": validation_set(4, hq=photographs)}
        return RunEvaluation(sets, run, "it's", 4, ["psnr", "gan"], ["psnr_y"], **options)

    return make


def test_a_run_that_did_not_help_says_so_before_its_paths_which_a_shell_takes(evaluation, monkeypatch, capsys, caplog):
    monkeypatch.setattr("wildsr.apps.evaluate.closing.executable", lambda program: f"/my tools/{program}")
    monkeypatch.setenv("COLUMNS", "80")
    with caplog.at_level(logging.INFO, "wildsr"):
        closed = evaluation()
        write_rows([{"set": "main", "picture": "a.png", "version": 0, "method": "bicubic"}], closed.run / "images.csv")
        closed.show(SCORES)
    title = capsys.readouterr().out.splitlines()[0]
    assert title.startswith("it's / loss.adversarial.weight=0.2184 · validation, 1 image · ")
    assert caplog.messages[0].startswith("the GAN stage is below bicubic on validation: ")
    assert caplog.messages[-1].startswith("next:     '/my tools/wildsr' upscale YOUR_IMAGE -o OUT.png --weights '/")


def test_a_search_lists_no_paths_of_each_trial(evaluation, capsys, caplog):
    with caplog.at_level(logging.INFO, "wildsr"):
        evaluation(objective="val/psnr_y").show(SCORES)
    assert len(caplog.messages) == 1 and "is below bicubic" in caplog.messages[0]


def test_a_finished_run_is_shown_with_the_sets_that_it_was_evaluated_on(evaluation, capsys):
    evaluation().show({method: {"hard/psnr_y": row["psnr_y"]} for method, row in SCORES.items()})  # null by now
    assert "it's / loss.adversarial.weight=0.2184 · hard · 4 px" in " ".join(capsys.readouterr().out.split())
