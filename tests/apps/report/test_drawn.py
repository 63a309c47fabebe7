import pytest

from wildsr.apps.report.drawn import Histogram, histogram, look_at, read_drawn, write_drawn
from wildsr.config import build, compose_config
from wildsr.degradation import DegradationSpec


def test_shares_are_counted():
    found = histogram("first.noise.kind", ["poisson", "gaussian", "gaussian", "gaussian"], draws=8)
    assert (found.part, found.labels, found.shares) == (0.5, ("gaussian", "poisson"), (0.75, 0.25))
    assert found.by_value


def test_each_step_of_a_histogram_holds_as_many_whole_numbers():
    found = histogram("final.jpeg.quality", list(range(30, 96)), draws=66)
    assert set(found.shares) == {3 / 66}
    assert found.labels == ("30", "95")
    assert not found.by_value


def test_what_is_drawn_can_be_read_back(tmp_path):
    drawn = look_at(DegradationSpec(), draws=400)
    write_drawn(drawn, tmp_path / "degradation.json")
    again = read_drawn(tmp_path / "degradation.json")
    assert again == drawn
    by_key = {part.key: part for part in drawn.histograms}
    grey = dict(zip(by_key["first.noise.grey"].labels, by_key["first.noise.grey"].shares, strict=True))
    assert abs(grey["grey"] - 0.4) < 0.1  # four standard deviations of 400 draws
    assert all(abs(sum(part.shares) - 1) < 1e-9 for part in drawn.histograms)
    assert all(recipe.startswith("1st order: ") for recipe in drawn.recipes)
    assert read_drawn(tmp_path / "nowhere.json") is None


def test_histograms_bear_the_words_of_pages():
    found = Histogram("first.noise.gaussian strength", 0.5, [1.0], ["1", "30"])
    assert (found.order, found.title) == ("1st order", "Gaussian noise σ (8-bit levels)")


def test_a_degradation_without_chance_has_no_histogram():
    cfg = compose_config(["degradation=bicubic"])
    assert look_at(build(cfg.degradation, "degradation"), draws=10).histograms == []


@pytest.mark.parametrize("text", ["{}", "[]", '{"draws": 1, "histograms": [{}], "recipes": []}', "{"])
def test_damage_is_named(tmp_path, text):
    (tmp_path / "degradation.json").write_text(text)
    with pytest.raises(ValueError, match=r"degradation\.json: damaged"):
        read_drawn(tmp_path / "degradation.json")
