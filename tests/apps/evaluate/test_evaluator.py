import pytest
import torch
import torch.nn.functional as F

from wildsr.apps.evaluate.evaluator import bicubic, evaluate, means, shown_pair
from wildsr.apps.evaluate.windows import Windows
from wildsr.data import validation_set
from wildsr.degradation import degrade
from wildsr.images import most_detailed, read_image, to_float
from wildsr.metrics import NIQE, PSNR

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


def test_every_method_is_evaluated_on_the_same_image_of_every_set(sets, methods, pairs):
    scores = evaluate(methods, sets, ["psnr_y", "niqe"], 4, CPU)
    assert len(scores) == 2 * (8 + 4 + 4)
    found = {(score.set, score.image, score.version, score.method): score for score in scores}
    hq = to_float(read_image(pairs / "hq" / "b.png"))[None]
    lq = to_float(read_image(pairs / "lq" / "b.png"))[None]
    second = found["main", "b.png", 1, "nearest"]
    sr = methods["nearest"](degrade(hq[0], second.recipe)[None])
    assert second.scores == pytest.approx({"psnr_y": PSNR("y", 4)(sr, hq).item(), "niqe": NIQE(4)(sr).item()})
    sr = methods["bicubic"](lq)
    assert found["found", "b", 0, "bicubic"].scores["psnr_y"] == pytest.approx(PSNR("y", 4)(sr, hq).item())
    assert found["found", "b", 0, "bicubic"].recipe is None
    assert found["phone", "b.png", 0, "bicubic"].scores == pytest.approx({"niqe": NIQE(4)(sr).item()})


def test_means_are_named_by_set(sets, methods):
    scores = evaluate(methods, sets, ["psnr_y", "niqe"], 4, CPU)
    summary = means(scores)
    assert list(summary) == ["bicubic", "nearest"]
    assert list(summary["nearest"]) == ["psnr_y", "niqe", "found/psnr_y", "found/niqe", "phone/niqe"]
    values = [s.scores["psnr_y"] for s in scores if s.set == "found" and s.method == "nearest"]
    assert summary["nearest"]["found/psnr_y"] == pytest.approx(sum(values) / 4)


def test_the_comparison_shows_each_set_and_no_original_where_there_is_none(sets, methods, tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr("wildsr.apps.evaluate.windows.sheet", lambda rows, **words: shown.update(words, rows=rows))
    windows = Windows(tmp_path, {"nearest": tmp_path / "nearest"}, sets, at_most=12)
    evaluate(methods, sets, ["niqe"], 4, CPU, windows)
    windows.comparison({"nearest": {("found", "a", "0"): "21.00 dB"}})
    assert shown["heads"] == ["LQ", "bicubic", "nearest", "HQ"]
    assert shown["names"][::4] == ["a.png", "a (found)", "a.png (phone)"]  # four images of each set
    assert [caption for _, caption in shown["rows"][4]] == ["", "", "21.00 dB", ""]
    sizes = [[image.size for image, _ in row] for row in shown["rows"]]
    assert sizes == 8 * [4 * [(192, 160)]] + 4 * [[*3 * [(192, 160)], (1, 1)]]  # real photographs have no HQ
    pair = shown_pair(sets["phone"][0], CPU)
    assert pair.hq is None and pair.lq.shape == (1, 3, 40, 48)


@pytest.mark.parametrize("count", [1, 4, 9, 20])
def test_the_comparison_is_at_most_1600_pixels_wide(photographs, tmp_path, count):
    images = {"main": validation_set(4, hq=photographs, recipes=2)}
    methods = {f"method {number}": bicubic(4) for number in range(count)}
    windows = Windows(tmp_path, {name: tmp_path / name for name in methods}, images, at_most=2)
    evaluate(methods, images, ["niqe"], 4, CPU, windows)
    page = windows.comparison({})
    assert page.width <= 1600
    assert [panel.title for panel in windows.panels({})] == ["a.png", "b.jpg"]  # different images, not versions of one


def test_the_window_of_the_comparison_is_where_the_detail_is():
    image = torch.zeros(3, 96, 128)
    image[:, 48:80, 88:120] = torch.arange(32).remainder(2)  # stripes
    assert most_detailed(image, 32, 4) == (slice(48, 80), slice(88, 120))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8, 16, 60])
@pytest.mark.parametrize("side", [8, 50, 500])
def test_the_window_begins_and_ends_between_pixels_of_the_input(scale, side):
    image = torch.rand(3, 2 * scale, 3 * scale, generator=torch.Generator().manual_seed(0))
    for window, length in zip(most_detailed(image, side, scale), image.shape[1:], strict=True):
        assert 0 <= window.start < window.stop <= length
        assert window.start % scale == window.stop % scale == 0
        assert window.stop - window.start <= max(side, scale)
