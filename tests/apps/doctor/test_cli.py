"""`wildsr doctor` from the command line: one page, the exit code, and nothing left behind."""

import shlex
import tempfile

import numpy as np
import pytest
from PIL import Image

from wildsr.apps.doctor import cli
from wildsr.apps.doctor.findings import ERROR, OK, WARNING, Finding
from wildsr.apps.doctor.speed import FASTER
from wildsr.cli import main

TINY = [
    "experiment=quickstart", "data=folder", "generator=tiny", "generator.weights=null", "data.sets.hard=null",
    "discriminator.network.features=4", "data.crop=32", "data.patch=16", "data.batch_size=2", "metrics=[psnr_y]",
]  # fmt: skip


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A sound call, made in an empty folder."""
    for side in ("train", "val"):
        (tmp_path / side).mkdir()
        for number in range(2):
            rng = np.random.default_rng([number, len(side)])
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / side / f"{number}.png")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "80")
    return ["doctor", *TINY, "data.train.root=../train", "data.val.root=../val"]


def test_a_sound_run_is_exit_code_0_on_one_page_and_leaves_nothing(words, tmp_path, capsys):
    assert main([*words, "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wildsr doctor: quickstart" and lines[-2] == "ready to train"
    assert len(lines) < 16 and max(map(len, lines[:-1])) <= 80
    assert all(line.startswith(("OK ", "   ")) for line in lines[1:-2])
    assert lines[-1].startswith("next: ") and lines[-1].endswith(f" train {shlex.join(words[1:])}")
    assert not any((tmp_path / "here").iterdir())


def test_warnings_are_exit_code_0_and_an_error_is_1(words, tmp_path, capsys, monkeypatch):
    one, other = tmp_path / "train" / "0.png", tmp_path / "val" / "0.png"
    other.write_bytes(one.read_bytes())
    assert main([*words, "--quick"]) == 0
    assert "ready to train, 1 warning" in capsys.readouterr().out
    one.write_bytes(one.read_bytes()[:-500])
    monkeypatch.setattr("wildsr.apps.doctor.cli.next_command", lambda *_: "")
    assert main(words) == 1  # and no burst: it would meet the same
    said = capsys.readouterr().out
    assert "ERROR" in said and "not ready to train: " in said and "not measured" in said


def test_the_next_command_is_the_first_that_would_run_here(monkeypatch):
    tried = []

    def examine(cfg, quick, everything):
        tried.append(cfg.name)
        return [Finding(ERROR, "weights", "vgg19") if cfg.loss.perceptual.weight else Finding(OK, "weights", "")]

    monkeypatch.setattr(cli, "examine", examine)
    monkeypatch.setattr(cli, "executable", lambda program: f"a folder/{program}")
    words = ["experiment=quickstart", "name='my run'"]
    whole = f"'a folder/wildsr' train {shlex.join(words)}"
    assert cli.next_command(words, [Finding(OK, "stages", "")]) == whole
    assert not tried
    slow = [Finding(WARNING, "speed", "take 5 years", FASTER)]
    assert cli.next_command(["experiment=real_esrgan_plus"], slow) != ""
    assert cli.next_command(words, [Finding(ERROR, "weights", "vgg19")]) == f"{whole} loss=no_perceptual"


def test_a_whole_examination_without_the_process_of_its_own(words, capsys, monkeypatch, tmp_path):
    asked = []

    def run_burst(cfg, scratch, absent):
        asked.append((cfg.stage.name, scratch))
        return {"iterations": 2, "seconds": 1.0, "waited": 0.1, "validation": 0.0, "peak": 1, "free": 2, "workers": 0,
                "threads": 64, "degrade_in": "device"}  # fmt: skip

    monkeypatch.setattr("wildsr.apps.doctor.speed.run_burst", run_burst)
    assert main(words) == 0
    said = capsys.readouterr().out
    assert [name for name, _ in asked] == ["psnr", "gan"] and not asked[0][1].exists()
    assert "psnr: 2 iterations/s, 4 images/s; to its end 50 s" in said
    assert "to the end of the run 2 min" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing given; wanted what train.py gets"),
        (["experiment=quickstrat"], "nearest: quickstart"),
        (["experiment=quickstart", "--fast"], "unrecognized arguments: --fast"),
        (["experiment=quickstart", "objective=val/beauty"], "objective=val/beauty: no such metric"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(words, message, capsys):
    try:
        code = main(["doctor", *words])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    assert code == 2 and message in said.err
    assert said.err.count("\n") == 1 and not said.out


@pytest.mark.parametrize("word", ["data.batch_size=abc", "stages.gan.iterations=abc"])
def test_a_value_that_no_stage_can_have_is_an_error_of_the_page(words, word, capsys, monkeypatch):
    monkeypatch.setattr("wildsr.apps.doctor.cli.next_command", lambda *_: "")
    assert main([*words, "--quick", word]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ERROR")]
    assert f"{word.partition('=')[0]}: given 'abc', wanted" in line


def test_a_checkpoint_that_is_not_there_is_one_line_and_exit_code_1(words, capsys):
    assert main([*words, "resume=none.ckpt"]) == 1
    assert capsys.readouterr().err.startswith("error: resume=none.ckpt: no such file; choose from auto, never, ")


@pytest.mark.slow
def test_the_real_burst_measures_both_stages_and_leaves_nothing(words, tmp_path, capsys, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "psnr: " in said and "gan: " in said and "to the end of the run" in said
    assert not any((tmp_path / "here").iterdir()) and not any((tmp_path / "temporary").iterdir())
