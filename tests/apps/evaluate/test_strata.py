import io
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

from wildsr.apps.evaluate.evaluator import ImageScores
from wildsr.apps.evaluate.labels import stratum_label
from wildsr.apps.evaluate.strata import all_strata, by_stratum, strata_of
from wildsr.apps.evaluate.tables import strata_tables
from wildsr.apps.evaluate.terminal import strata_lines
from wildsr.config import build, compose_config
from wildsr.degradation import DegradationSpec

SPEC = DegradationSpec()


def recipes(count, spec=SPEC):
    return [spec.draw(np.random.default_rng([5, number])) for number in range(count)]


def scores(count, spec=SPEC):
    """Two methods whose score is the image's number, and that plus 100."""
    return [
        ImageScores("main", f"{number}.png", 0, method, {"psnr_y": number + more}, recipe)
        for number, recipe in enumerate(recipes(count, spec))
        for method, more in (("bicubic", 0.0), ("ours", 100.0))
    ]


def test_strata_follow_the_recipe():
    for recipe in recipes(200):
        found = strata_of(recipe, SPEC)
        records = recipe.records
        noise, quality = records["first.noise"], records["final.jpeg"].quality
        assert found["blur"] == records["first.blur"].kind
        half = (
            ("1 to 15.5" if noise.strength < 15.5 else "15.5 to 30")
            if noise.kind == "gaussian"
            else ("0.05 to 1.52" if noise.strength < 1.525 else "1.52 to 3")
        )
        assert found["noise"] == f"{noise.kind} {half}"
        third = "30 to 51" if quality < 52 else "52 to 73" if quality < 74 else "74 to 95"
        assert found["jpeg"] == f"quality {third}"
        assert found["order"] == (
            "jpeg first" if list(records).index("final.jpeg") < list(records).index("final.resize") else "jpeg last"
        )
        assert all(stratum in all_strata(SPEC)[axis] for axis, stratum in found.items())


def test_halves_thirds_and_orders_are_drawn_alike_often():
    counts = Counter(stratum for recipe in recipes(1200) for stratum in strata_of(recipe, SPEC).values())
    for axis, share in (("noise", 1 / 4), ("jpeg", 1 / 3), ("order", 1 / 2)):
        for stratum in all_strata(SPEC)[axis]:
            assert abs(counts[stratum] - 1200 * share) < 4 * np.sqrt(1200 * share * (1 - share)), stratum


def test_means_are_those_of_the_strata_own_images():
    rows = by_stratum(scores(40), SPEC)
    for axis in ("blur", "noise", "jpeg", "order"):
        ours = [row for row in rows if row["axis"] == axis and row.get("method") == "ours"]
        assert sum(row["images"] for row in ours) == 40
        for row in ours:
            numbers = [n for n, recipe in enumerate(recipes(40)) if strata_of(recipe, SPEC)[axis] == row["stratum"]]
            assert (row["images"], row["psnr_y"]) == (len(numbers), pytest.approx(np.mean(numbers) + 100))


def test_a_stratum_too_small_says_how_many_images_it_has():
    rows = by_stratum(scores(10), SPEC)
    assert {"axis": "blur", "stratum": "sinc", "images": 0} in rows
    assert max(row["images"] for row in rows) >= 5
    console = Console(width=100, record=True, file=io.StringIO())
    (table,) = strata_tables([{"set": "main", **row} for row in rows])
    console.print(strata_lines(table, "test"))
    text = " ".join(console.export_text().split())
    for row in rows:
        label = stratum_label(row["axis"], row["stratum"])
        assert (f"{label}: {row['images']}" in text) == (row["images"] < 5)
        assert (f" {label} {row['images']} " in f" {text} ") == (row["images"] >= 5)


def test_strata_bear_the_words_of_the_degradation():
    given = [("blur", "plateau_iso"), ("noise", "gaussian 1 to 15.5"), ("noise", "poisson 0.05 to 1.52"),
             ("jpeg", "quality 30 to 51"), ("order", "jpeg first"), ("mine", "odd_one")]  # fmt: skip
    assert [stratum_label(*one) for one in given] == [
        "Kernel plateau iso", "Gaussian noise σ 1 to 15.5", "Poisson noise ×0.05 to 1.52",
        "Final JPEG quality 30 to 51", "Final JPEG before resize", "odd_one",
    ]  # fmt: skip


def test_what_a_degradation_leaves_out_has_no_stratum():
    cfg = compose_config(["degradation=bicubic"])
    spec = build(cfg.degradation, "degradation")
    assert strata_of(recipes(1, spec)[0], spec) == {}
    assert by_stratum(scores(3, spec), spec) == []


def test_a_video_is_counted_by_its_codec_and_by_no_jpeg():
    spec = build(compose_config(["degradation=video", "degradation.first.video.mpeg2=0"]).degradation, "degradation")
    assert all_strata(spec)["codec"] == ["H.264", "H.265"] and all_strata(spec)["jpeg"] == []
    drawn = [(strata_of(recipe, spec), recipe.records) for recipe in recipes(60, spec)]
    assert {found["codec"] for found, _ in drawn} == {"H.264", "H.265"}
    assert all(("noise" in found) == ("first.noise" in records) for found, records in drawn)
    rows = [row for row in by_stratum(scores(60, spec), spec) if row["axis"] == "codec"]
    assert sum(row["images"] for row in rows if row["method"] == "ours") == 60
