import subprocess
import sys

import pytest

from wildsr.cli import main


def new_run(folder, scale=4, seed=0, stage="psnr"):
    """A run that has just begun."""
    (folder / stage).mkdir(parents=True)
    config = f"name: {folder.name}\nscale: {scale}\nseed: {seed}\nstage: {{name: {stage}, iterations: 10}}\n"
    (folder / stage / "config.yaml").write_text(config)
    return folder


def test_without_an_output_each_run_gets_its_own_page(tmp_path, capsys):
    one, other = new_run(tmp_path / "abl" / "seed=0"), new_run(tmp_path / "abl" / "seed=1", seed=1)
    assert main(["report", str(tmp_path / "abl")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(one / "report.html"), str(other / "report.html")]
    assert "iteration 0 of 10" in (one / "report.html").read_text()


def test_one_run_can_be_written_elsewhere_and_several_are_compared(tmp_path, capsys):
    new_run(tmp_path / "abl" / "seed=0")
    assert main(["report", str(tmp_path / "abl" / "seed=0"), "-o", str(tmp_path / "new" / "mine.html")]) == 0
    assert "iteration 0 of 10" in (tmp_path / "new" / "mine.html").read_text()
    new_run(tmp_path / "abl" / "seed=1", seed=1)
    new_run(tmp_path / "abl" / "deeper" / "other", stage="gan")
    capsys.readouterr()
    assert main(["report", str(tmp_path / "abl"), "-o", str(tmp_path / "compare.html")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'compare.html'}: 3 runs in 2 groups")
    assert "3 runs in 2 groups" in (tmp_path / "compare.html").read_text()
    assert not list((tmp_path / "abl").rglob("report.html"))


def test_what_was_set_aside_hidden_or_linked_is_no_run(tmp_path, capsys):
    run = new_run(tmp_path / "abl" / "run")
    (run / "psnr").rename(run / "psnr.1")
    new_run(run)
    new_run(tmp_path / "abl" / ".queue")
    (tmp_path / "abl" / "link").symlink_to(new_run(tmp_path / "elsewhere"))
    assert main(["report", str(tmp_path / "abl"), str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(run / "report.html")]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere"], 1, "error: nowhere: no such folder"),
        (["empty"], 1, "error: empty: no run there; wanted a run's folder, such as runs/NAME, or one that holds runs"),
        (["a", "b", "-o", "c.html"], 1, "error: a is of scale 4, b of scale 2; wanted runs of one scale"),
        (["a", "-o", "c.png"], 2, "error: -o c.png: wanted a name that ends in .html (wildsr report --help explains)"),
        ([], 2, "error: the following arguments are required: RUN (wildsr report --help explains)"),
    ],
)
def test_wrong_use_is_said_in_one_line(tmp_path, monkeypatch, capsys, words, code, said):
    new_run(tmp_path / "a")
    new_run(tmp_path / "b", scale=2)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    try:
        assert main(["report", *words]) == code
    except SystemExit as leaving:
        assert leaving.code == code
    assert capsys.readouterr().err == f"{said}\n"
    assert not list(tmp_path.glob("*.html"))


def test_the_page_of_a_finished_run_needs_no_torch(make_run):
    run = make_run()
    code = "import sys; from wildsr.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "report", run], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(run / "report.html"), "False"]
    assert "25.00" in (run / "report.html").read_text() and "data:image/png" in (run / "report.html").read_text()
