"""The whole of `wildsr match`: simulation and its cache, regression, pool and page, and how bad input is answered."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wildsr.apps.match import cli, simulation
from wildsr.apps.match.findings import ImageFinding, MeasuredImage, describe, is_clean, is_lossy_webp
from wildsr.apps.match.inference import PARAMETERS, Inference, Posterior, adjust, noise_levels, parameters_of, summary
from wildsr.apps.match.jpeg import FoundJpeg
from wildsr.apps.match.simulation import Simulations, prior, simulate
from wildsr.apps.match.statistics import NAMES
from wildsr.cli import main
from wildsr.data import sample_photographs
from wildsr.degradation.operations import Blur, Halo, Jpeg, JpegSpec, Noise, Resize, ResizeSpec
from wildsr.degradation.pool import read_pool
from wildsr.degradation.recipe import Recipe, Step
from wildsr.images import to_pil

FEW = ("chelsea.png", "rocket.jpg", "coins.png")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder with the simulations of these tests: 200 recipes on three photographs, 5 seconds."""
    folder = tmp_path_factory.mktemp("cache")
    simulate(4, 200, FEW, folder)
    return folder


@pytest.fixture
def match(cache, monkeypatch, tmp_path):
    """match(folder, *words): the command with few simulations. Returns its exit code."""
    monkeypatch.setattr(cli, "simulate", lambda scale, count: simulate(scale, count, FEW, cache))
    return lambda folder, *words: main(["match", str(folder), "-o", str(tmp_path / "out"), "--recipes", "200", *words])


@pytest.fixture
def folder(tmp_path):
    """Three photographs of different sizes, a quarter of their size, at JPEG 60."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number, side in enumerate((512, 448, 400)):
        photograph = to_pil(sample_photographs(["astronaut.png"])[0]).crop((0, 0, 512, side))
        photograph.resize((128, side // 4), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=60)
    return folder


def recipe_of(*steps):
    return Recipe(4, 0, [Step("first", ResizeSpec, Resize(1.0, "area", "final")), *steps])


def test_simulations_are_kept_and_read_again(cache, monkeypatch):
    first = simulate(4, 200, FEW, cache)
    monkeypatch.setattr(simulation.statistics, "measure", None)  # nothing is measured anew
    again = simulate(4, 200, FEW, cache)
    assert np.array_equal(first.measured, again.measured) and list(first.recipes) == list(again.recipes)
    assert first.measured.shape == (200, len(NAMES)) and np.isfinite(first.measured).all()


def test_a_damaged_cache_is_made_again(tmp_path):
    made = simulate(4, 2, FEW, tmp_path).measured
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:50])
    assert np.array_equal(simulate(4, 2, FEW, tmp_path).measured, made)


def test_a_recipe_with_its_own_parameters_is_itself():
    spec = prior(4)
    for number in range(60):
        recipe = spec.draw(np.random.default_rng(number))
        last = recipe.records.get("final.jpeg")
        jpeg = last and FoundJpeg(last.quality, last.subsampling, "file")
        again = adjust(recipe, dict(zip(PARAMETERS, parameters_of(recipe), strict=True)), jpeg)
        assert again.records.get("final.jpeg") == last
        assert parameters_of(again) == pytest.approx(parameters_of(recipe), abs=0.12)  # what is weakest is left out


def test_noise_is_counted_as_it_stands_in_luma():
    assert noise_levels(Noise("gaussian", 10, True)) == 10
    assert noise_levels(Noise("gaussian", 10, False)) == pytest.approx(6.69, abs=0.01)  # sqrt(0.299² + 0.587² + 0.114²)
    assert noise_levels(Noise("poisson", 1, True)) == pytest.approx(255 * np.sqrt(0.5 / 256), rel=0.01)
    assert noise_levels(Noise("gaussian", 10, True), Halo(8, 1)) == pytest.approx(20, rel=0.01)  # 2 of white noise
    # The product of two Gaussians sums to 1 / (2 pi (a² + b²)); sharpened are 2 of one less one of both: 4, 64, 68.
    assert noise_levels(Noise("gaussian", 10, True), None, Blur("iso", 31, 2)) == pytest.approx(1.41, abs=0.01)
    both = noise_levels(Noise("gaussian", 10, True), Halo(8, 1), Blur("iso", 31, 2))
    assert both == pytest.approx(10 * np.sqrt((4 / 4 - 8 / 72 + 1 / 68) / (4 * np.pi)), rel=0.01)


def test_what_the_statistics_say_of_the_parameters_is_recovered():
    rng = np.random.default_rng(0)
    recipes = [prior(4).draw(np.random.default_rng([1, number])) for number in range(1201)]
    parameters = np.array([parameters_of(recipe) for recipe in recipes])
    measured = parameters @ rng.normal(size=(len(PARAMETERS), len(NAMES))) + rng.normal(0, 0.01, (1201, len(NAMES)))
    place = next(n for n in range(1201) if parameters[n, 0] > np.log1p(5))  # weaker noise is known less well
    others = [n for n in range(1201) if n != place]
    inference = Inference(Simulations([recipes[n] for n in others], measured[others]))
    last = recipes[place].records.get("final.jpeg")
    found = inference.posterior(measured[place], last and FoundJpeg(last.quality, last.subsampling, "file"))
    low, middle, high = summary(found.recipes)["noise"]
    assert middle == pytest.approx(np.expm1(parameters[place, 0]), rel=0.05)
    assert high - low < 0.2 * middle and found.surprise < 1.5
    assert inference.posterior(measured[place] + 40, None).surprise > 2


def test_a_webp_file_has_recipes_with_webp_and_what_was_a_jpeg_last_has_none():
    rng, recipes = np.random.default_rng(0), [prior(4).draw(np.random.default_rng([1, n])) for n in range(400)]
    inference = Inference(Simulations(recipes, rng.normal(size=(400, len(NAMES)))))
    row = np.zeros(len(NAMES))
    asked = {
        1.0: inference.posterior(row, None, is_webp=True),
        0.0: inference.posterior(row, FoundJpeg(80, "4:2:0", "file")),
    }
    for share, found in asked.items():
        assert np.mean(["second.webp" in recipe.records for recipe in found.recipes]) == share
    either = np.mean(["second.webp" in recipe.records for recipe in inference.posterior(row, None).recipes])
    assert 0 < either < 1


def test_lossy_webp_is_told_from_lossless_and_from_others(tmp_path):
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "a.webp", quality=50)
    image.save(tmp_path / "b.webp", lossless=True)
    image.save(tmp_path / "c.webp", "PNG")
    assert [is_lossy_webp(tmp_path / f"{name}.webp") for name in "abc"] == [True, False, False]


def test_a_folder_becomes_a_pool_and_a_page(match, folder, tmp_path, capsys):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    Image.new("RGB", (200, 200), "white").save(folder / "white.png")
    Image.new("RGB", (40, 40)).save(folder / "tiny.png")
    assert match(folder) == 0
    said = capsys.readouterr()
    assert "JPEG quality 60, 4:2:0, by the tables of 3 files." in said.out
    for name in ("broken.jpg", "white.png", "tiny.png"):
        assert sum(name in line for line in said.err.splitlines()) == 1
    pool = read_pool(tmp_path / "out" / "recipes.jsonl", 4)
    assert sum(pool.weights) == pytest.approx(1)
    assert {recipe.records["final.jpeg"] for recipe in pool.recipes} == {Jpeg(60)}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "degradation=matched" in page and page.count("data:image/png") == 6 and "wanted ten or more" in page
    assert match(folder) == 1  # results are there
    assert "--overwrite" in capsys.readouterr().err


def test_one_image_alone_is_answered_with_what_that_means(match, folder, tmp_path, capsys):
    for name in ("1.jpg", "2.jpg"):
        (folder / name).unlink()
    assert match(folder) == 0
    assert "one image alone" in capsys.readouterr().err
    assert "How images differ" in (tmp_path / "out" / "report.html").read_text()


def test_the_help_tells_how_many_recipes_are_simulated(capsys):
    with pytest.raises(SystemExit):
        main(["match", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "simulating 4000 recipes" in said and "Simulate N recipes (default: 4000)" in said


def test_what_cannot_be_matched_is_one_line(match, tmp_path, capsys):
    drawings = tmp_path / "drawings"
    drawings.mkdir()
    Image.new("RGB", (200, 200), "white").save(drawings / "a.png")
    assert match(drawings) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: none of 1 images can be matched")
    assert match(tmp_path / "nowhere") == 1
    assert "no such folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        match(drawings, "--scale", "9")
    assert stop.value.code == 2
    assert "--scale" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def finding(recipe, jpeg=None, surprise=0.5, name="a.png"):
    return ImageFinding(MeasuredImage(Path(name), jpeg, np.zeros(len(NAMES))), Posterior([recipe] * 3, surprise))


def test_images_without_damage_are_called_clean_and_others_are_not():
    noisy = recipe_of(Step("first", prior(4).operations["first.noise"], Noise("gaussian", 9, True)))
    assert is_clean([finding(recipe_of())])
    assert not is_clean([finding(noisy)])
    assert not is_clean([finding(recipe_of(Step("final", JpegSpec, Jpeg(70))), FoundJpeg(70, "4:2:0", "file"))])
    assert is_clean([finding(recipe_of(Step("final", JpegSpec, Jpeg(98))), FoundJpeg(98, "4:2:0", "file"))])
    assert "σ 9.0 to 9.0 levels" in describe([finding(noisy)])[1]
    assert "look like nothing that was simulated" in describe([finding(noisy, surprise=1.2)])[-1]
    assert not is_clean([finding(recipe_of(), name="a.webp")])  # what its codec did is not known
    assert not is_clean([finding(recipe_of()), finding(recipe_of(), surprise=1.2)])
