"""What `wildsr evaluate` promises for one call; how sets are given is in test_eval_sets.py."""

import csv
import json
import math
import os
from functools import partial

import pytest
import torch
from PIL import Image

from wildsr.apps.evaluate.evaluator import Evaluator, bicubic, evaluate, means
from wildsr.apps.evaluate.results import read_image_scores
from wildsr.cli import main
from wildsr.data import validation_set
from wildsr.images import image_size
from wildsr.locking import lock_folder
from wildsr.networks import CompactNet, load_generator, save_generator
from wildsr.training.validation import upscale_batch


@pytest.fixture
def weights(tmp_path):
    """A tiny network of each scale, x2.pth and x4.pth."""
    for scale in (2, 4):
        torch.manual_seed(scale)
        save_generator(CompactNet(scale, features=4, convs=1), tmp_path / f"x{scale}.pth")
    return tmp_path


@pytest.fixture
def run(weights, capsys):
    """Calls the command, into the folder `report`; returns its exit code, and what it said to the person."""

    def call(*words, names=("x4.pth",)):
        files = [str(weights / name) for name in names]
        try:
            code = main(["evaluate", *map(str, words), "-o", str(weights / "report"), "--weights", *files])
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def rows(file):
    with file.open() as lines:
        return list(csv.DictReader(lines))


def plain(folder, level, sides, count=1):
    """Images of one grey level each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", sides, (level, level, level)).save(folder / f"{number}.png")


def test_bicubic_has_the_scores_that_one_computes_by_hand(run, tmp_path):
    plain(tmp_path / "lq", 110, (20, 20))
    plain(tmp_path / "hq", 100, (80, 80))
    assert run("--set", f"flat={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_rgb", "psnr_y")[0] == 0
    found = json.loads((tmp_path / "report" / "scores.json").read_text())["bicubic"]
    # Ten levels off in each channel; on luma 219 / 255 of that.
    rgb, luma = 20 * math.log10(255 / 10), 20 * math.log10(255 / (10 * 219 / 255))
    assert found == pytest.approx({"flat/psnr_rgb": rgb, "flat/psnr_y": luma}, abs=1e-3)


OWN = """
from torchmetrics import MeanMetric

class Level(MeanMetric):
    label, digits, higher_is_better = "Grey level", 1, None

    def __init__(self, border):
        super().__init__()
        self.border = border

    def update(self, sr):
        super().update(sr.mean() * 255 + 1000 * self.border)
"""


def test_an_own_metric_is_measured_inside_the_border_and_bears_its_label(run, tmp_path, monkeypatch):
    (tmp_path / "own_metric.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    plain(tmp_path / "lq", 110, (20, 20))
    words = ("--set", f"flat={tmp_path}/lq", "--metrics", "level=own_metric:Level")
    for _ in range(2):  # the second time nothing is left to do
        code, out, _ = run(*words)
        assert code == 0 and "Grey level" in out and "4110.0" in out
    assert json.loads((tmp_path / "report" / "scores.json").read_text())["bicubic"] == {"flat/level": 4110}
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Grey level" in page and "4110.0" in page


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("level=nowhere:Level", "metric.level: nowhere:Level: No module named 'nowhere'; wanted MODULE:CLASS"),
        ("level=json:JSONDecoder", "metric.level: given a JSONDecoder, wanted a torchmetrics.Metric"),
        ("psnr_y=torchmetrics:MeanMetric", "metric.psnr_y: wanted a name"),
    ],
)
def test_an_own_metric_that_is_none_is_refused_in_one_line(run, tmp_path, word, said):
    plain(tmp_path / "lq", 110, (20, 20))
    code, _, error = run("--set", f"flat={tmp_path}/lq", "--metrics", "niqe", word)
    assert code == 2 and said in error and error.count("\n") == 1


def test_one_black_pair_leaves_the_means_finite_and_scores_json_json(run, tmp_path):
    plain(tmp_path / "lq", 110, (20, 20))
    plain(tmp_path / "hq", 100, (80, 80))
    for side, size in (("lq", (20, 20)), ("hq", (80, 80))):
        Image.new("RGB", size).save(tmp_path / side / "black.png")
    code, out, _ = run("--set", f"flat={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_rgb", "ssim_y")
    assert code == 0 and "28.13 (1 left out)" in out
    text = (tmp_path / "report" / "scores.json").read_text()
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))["bicubic"]
    assert found["flat/psnr_rgb"] == pytest.approx(20 * math.log10(255 / 10), abs=1e-3)
    assert found["flat/psnr_rgb_left_out"] == 1
    assert rows(tmp_path / "report" / "means.csv")[0]["psnr_rgb_left_out"] == "1"
    assert "28.13 (1 left out)" in (tmp_path / "report" / "index.html").read_text()


def test_the_border_is_as_wide_as_the_scale_or_as_asked(run, tmp_path):
    plain(tmp_path / "lq", 100, (20, 20))
    (tmp_path / "hq").mkdir()
    framed = Image.new("RGB", (80, 80), (0, 0, 0))
    framed.paste((110, 110, 110), (4, 4, 76, 76))
    framed.save(tmp_path / "hq" / "0.png")
    words = ("--set", f"framed={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_rgb")
    for border, error in (([], 10**2), (["--border", 0], (72**2 * 10**2 + (80**2 - 72**2) * 100**2) / 80**2)):
        assert run(*words, *border, "--overwrite")[0] == 0
        found = json.loads((tmp_path / "report" / "scores.json").read_text())["bicubic"]
        assert found["framed/psnr_rgb"] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-3)


def test_the_scores_are_those_of_a_runs_closing_evaluation(run, pairs, weights):
    words = [f"found={pairs}/lq:{pairs}/hq", f"made=synthetic:{pairs}/hq", f"phone={pairs}/lq"]
    code, out, _ = run("--set", *words, "--recipes", 2, "--backend", "torch")
    assert code == 0 and all(text in out for text in ("bicubic", "PSNR-Y", "SSIM-Y", "NIQE"))
    sets = {
        "found": validation_set(4, lq=pairs / "lq", hq=pairs / "hq"),
        "made": validation_set(4, hq=pairs / "hq", recipes=2),
        "phone": validation_set(4, lq=pairs / "lq"),
    }
    methods = {"bicubic": bicubic(4), "x4": partial(upscale_batch, load_generator(weights / "x4.pth"))}
    wanted_scores = evaluate(methods, sets, ["psnr_y", "ssim_y", "niqe"], 4, torch.device("cpu"))
    found = json.loads((weights / "report" / "scores.json").read_text())
    for method, wanted in means(wanted_scores).items():
        assert found[method] == pytest.approx(wanted, abs=2e-3)
    assert [name for name in found["x4"] if "phone" in name] == ["phone/niqe"]
    made = read_image_scores(weights / "report" / "images.csv")
    assert [score[:4] for score in made] == [score[:4] for score in wanted_scores]
    assert [score.recipe for score in made] == [score.recipe for score in wanted_scores]
    assert {row["set"] for row in rows(weights / "report" / "strata.csv")} == {"made"}
    assert len({row["method"] for row in rows(weights / "report" / "means.csv")}) == 2
    assert 4 * 192 < image_size(weights / "report" / "comparison.png")[1] <= 1600


def test_tiles_do_not_show_in_the_scores(run, pairs, weights, monkeypatch):
    words = ("--set", f"found={pairs}/lq:{pairs}/hq", "--metrics", "psnr_y", "--overwrite")
    found = []
    for side in (400, 16):
        monkeypatch.setattr("wildsr.apps.evaluate.methods.fitting_tile", lambda *_, side=side: side)
        assert run(*words)[0] == 0
        found.append(json.loads((weights / "report" / "scores.json").read_text())["x4"]["found/psnr_y"])
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_network_of_another_scale_is_left_out_of_a_set_and_said(run, pairs, weights):
    words = ("--set", f"found={pairs}/lq:{pairs}/hq", f"phone={pairs}/hq", "--metrics", "psnr_y", "niqe")
    code, out, said = run(*words, names=("x2.pth", "x4.pth"))
    assert code == 0
    assert "x2 (x2) is left out of found, which is x4" in said
    assert "x4 (x4) is left out of phone, which is x2" in said  # a real set has the scale of the first weights
    found = json.loads((weights / "report" / "scores.json").read_text())
    assert list(found["x2"]) == ["phone/niqe"] and list(found["x4"]) == ["found/psnr_y", "found/niqe"]
    assert any(line.split()[-1:] == ["-"] for line in out.splitlines())
    assert [line for line in out.splitlines() if "·" in line] == [  # each set is a block under its title
        "a, b, c, more/d (found) · ×4 · 4 px border excluded",
        "phone, 4 images · ×2 · 2 px border excluded",
    ]
    assert sum(line.startswith("bicubic") for line in out.splitlines()) == 2
    code, _, said = run(*words, "--overwrite", names=("x2.pth",))
    assert (code, said) == (1, "error: the set found is x4: given x2 (x2), wanted weights of its scale\n")


def test_a_damaged_image_is_named_and_the_others_are_evaluated(run, pairs, weights):
    file = pairs / "lq" / "b.png"
    file.write_bytes(file.read_bytes()[:900])
    code, _, said = run("--set", f"found={pairs}/lq:{pairs}/hq", "--metrics", "psnr_y")
    assert code == 1
    assert "b.png" in said and said.endswith("1 of 4 images left out of all means\n")
    assert {row["picture"] for row in rows(weights / "report" / "images.csv")} == {"a", "c", "more/d"}
    assert {row["images"] for row in rows(weights / "report" / "means.csv")} == {"3"}


def test_a_bug_is_not_taken_for_a_damaged_image(pairs, weights, monkeypatch):
    def broken(self, index):
        raise ValueError("a bug")

    monkeypatch.setattr(Evaluator, "evaluate", broken)
    with pytest.raises(ValueError, match="a bug"):
        main(["evaluate", "--set", f"found={pairs}/lq:{pairs}/hq", "--metrics", "psnr_y", "-o", str(weights / "report"),
              "--weights", str(weights / "x4.pth")])  # fmt: skip


def test_pairs_are_checked_before_with_a_line_a_fault(run, pairs, weights):
    (pairs / "hq" / "a.png").unlink()
    plain(pairs / "hq", 0, (100, 100))
    code, _, said = run("--set", f"found={pairs}/lq:{pairs}/hq")
    assert code == 1 and said.splitlines() == [
        f"error: {pairs}/hq/0.png has no LQ",
        f"error: {pairs}/lq/a.png has no HQ",
        "error: found: 2 of 5 do not pair; nothing was evaluated",
    ]
    assert not (weights / "report").exists()


def test_an_interrupted_evaluation_goes_on_and_ends_as_if_it_had_not_been(run, weights, tmp_path, monkeypatch):
    plain(tmp_path / "lq", 110, (20, 20), count=7)
    plain(tmp_path / "hq", 100, (80, 80), count=7)
    done, complete = [], Evaluator.evaluate

    def evaluate_some(evaluator, index):
        if len(done) == stop:
            raise KeyboardInterrupt
        done.append(index)
        return complete(evaluator, index)

    monkeypatch.setattr(Evaluator, "evaluate", evaluate_some)
    words = ("--set", f"flat={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_y")
    stop = 6
    code, _, said = run(*words)
    assert code == 1 and "the same command goes on" in said
    assert len(rows(weights / "report" / "images.csv")) == 12  # six images, two methods
    assert not (weights / "report" / "scores.json").exists() and not (weights / "report" / "index.html").exists()
    done, stop = [], 100
    assert run(*words)[0] == 0
    assert done == [0, 1, 2, 3, 6]  # those that are shown, whose windows are not saved, and the one that was missing
    table = rows(weights / "report" / "images.csv")
    assert [row["picture"] for row in table] == [str(number) for number in range(7) for _ in range(2)]
    done = []
    code, out, said = run(*words)
    assert code == 0 and done == [] and "evaluated already" in said and "29.45" in out
    assert (weights / "report" / "index.html").read_text().count("data-panel>") == 4


def test_what_another_evaluation_left_is_not_replaced_unasked(run, weights, tmp_path):
    plain(tmp_path / "lq", 110, (20, 20))
    plain(tmp_path / "hq", 100, (80, 80))
    words = ("--set", f"flat={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_y")
    assert run(*words)[0] == 0
    before = (weights / "report" / "images.csv").read_bytes()
    code, _, said = run(*words, "--border", 8)
    assert (code, said) == (
        1,
        f"error: {weights}/report holds an evaluation with other border; --overwrite replaces it\n",
    )
    plain(tmp_path / "lq", 120, (20, 20))  # other images under the same names
    code, _, said = run(*words)
    assert code == 1 and "other sets" in said
    assert (weights / "report" / "images.csv").read_bytes() == before
    assert run(*words, "--overwrite")[0] == 0
    assert float(rows(weights / "report" / "means.csv")[0]["psnr_y"]) == pytest.approx(23.43, abs=0.01)
    (weights / "report" / "settings.json").unlink()  # as in the folder of a run
    code, _, said = run(*words)
    assert (code, said) == (1, f"error: {weights}/report/scores.json already exists (use --overwrite)\n")


def test_a_metric_whose_weights_cannot_be_had_is_left_out_and_niqe_never_stands_alone(run, pairs, monkeypatch, weights):
    monkeypatch.setattr("wildsr.metrics.choice.learned_network", lambda name: None)
    words = ("--set", f"found={pairs}/lq:{pairs}/hq", "--metrics", "lpips")
    assert run(*words, "psnr_y")[0] == 0
    assert list(rows(weights / "report" / "means.csv")[0]) == ["set", "images", "method", "psnr_y"]
    code, _, said = run(*words, "niqe", "--overwrite")
    assert code == 1 and "it rewards noise" in said and said.count("\n") == 1


def test_a_network_that_gives_no_numbers_fails_by_name(run, tmp_path, weights):
    network = CompactNet(4, features=4, convs=1)
    torch.nn.init.constant_(network.body[0].bias, torch.inf)
    save_generator(network, tmp_path / "inf.pth")
    plain(tmp_path / "lq", 110, (20, 20))
    plain(tmp_path / "hq", 110, (80, 80))
    code, out, said = run("--set", f"flat={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_y", names=("inf.pth",))
    assert code == 1 and "numbers that are not finite" in said and out == ""
    assert not (weights / "report").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--set", "photos", "--metrics", "niqe"], "it rewards noise"),
        (["--set", "phone=lq", "--metrics", "psnr_y"], "wanted niqe, too"),
        (["--set", "photos", "photos"], "photos: given 2 times"),
        (["--set", "lq"], "choose from photos, hard, NAME=LQ_DIR"),
        (["--set", "photos", "--border", "-1"], "--border"),
        (["--set", "photos", "--metrics", "psnr"], "--metrics: given 'psnr'; choose from psnr_y"),
        ([], "--set"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(run, words, wanted):
    code, _, said = run(*words)
    assert code == 2 and wanted in said and said.count("\n") == 1


def test_weights_are_called_as_asked_or_by_their_files(run, weights, tmp_path):
    plain(tmp_path / "lq", 110, (20, 20))
    plain(tmp_path / "hq", 100, (80, 80))
    words = ("--set", f"flat={tmp_path}/lq:{tmp_path}/hq", "--metrics", "psnr_y")
    (tmp_path / "other").mkdir()
    for name in ("x4.pth", "other/x4.pth", "other/last.pth"):
        save_generator(CompactNet(4, features=4, convs=1), tmp_path / name)
    assert main(["evaluate", *words, "-o", str(tmp_path / "report"), "--weights", f"ours={tmp_path}/x4.pth",
                 f"{tmp_path}/x4.pth", f"{tmp_path}/other/x4.pth", f"{tmp_path}/other/last.pth"]) == 0  # fmt: skip
    assert list(json.loads((tmp_path / "report" / "scores.json").read_text())) == [
        "bicubic", "ours", f"{tmp_path}/x4.pth", f"{tmp_path}/other/x4.pth", "last",
    ]  # fmt: skip
    twice = [f"ours={tmp_path}/x4.pth", f"ours={tmp_path}/other/x4.pth"]
    for wrong in ([f"bicubic={tmp_path}/x4.pth"], twice):
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", *words, "-o", "report", "--weights", *wrong])
        assert stop.value.code == 2


def test_results_do_not_lie_among_the_images_nor_where_nothing_can_be_written(tmp_path, weights, capsys):
    plain(tmp_path / "lq", 110, (20, 20))
    call = ["evaluate", "--weights", str(weights / "x4.pth"), "--set", f"phone={tmp_path}/lq", "-o"]
    assert main([*call, str(tmp_path / "lq" / "out")]) == 1
    said = capsys.readouterr().err
    assert said == f"error: {tmp_path}/lq/out/index.html is in an input; wanted another --output\n"
    assert main([*call, str(tmp_path / "lq" / ".." / "x4.pth")]) == 1
    assert "x4.pth is not a folder that can be written to" in capsys.readouterr().err


def test_where_no_metric_can_be_had_it_is_said(run, pairs, monkeypatch):
    monkeypatch.setattr("wildsr.metrics.choice.learned_network", lambda name: None)
    code, _, said = run("--set", f"found={pairs}/lq:{pairs}/hq", "--metrics", "lpips")
    assert code == 1 and said.splitlines()[-1] == "error: --metrics: none is left; wanted one more, such as psnr_y"


def test_a_second_evaluation_in_a_folder_is_told_who_holds_it(run, weights, tmp_path):
    plain(tmp_path / "lq", 110, (120, 120))
    with lock_folder(weights / "report", "wildsr evaluate"):
        code, _, errors = run("--set", f"mine={tmp_path / 'lq'}")
        assert not (weights / "report" / "images.csv").exists()
    assert (code, errors.count("\n")) == (1, 1)
    assert f"another wildsr evaluate is at work there (process {os.getpid()} on " in errors
