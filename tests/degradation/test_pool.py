"""Recipes out of a file: how often they are drawn, and that they are recipes like any other."""

import json

import numpy as np
import pytest
import torch
import yaml

from wildsr.config import build, compose_config
from wildsr.degradation import Degradation, DegradationSpec, Recipe, degrade
from wildsr.degradation.operations import Jpeg, JpegSpec, Resize, ResizeSpec, Webp, WebpSpec
from wildsr.degradation.recipe import Step
from wildsr.io import UserError
from wildsr.stage import plain
from wildsr.training.resume import refuse_other_settings, stage_settings


def recipe(quality: int, scale: int = 4) -> Recipe:
    resize = Step("first", ResizeSpec, Resize(1.0, "area", "final"))
    return Recipe(scale, 0, [resize, Step("final", JpegSpec, Jpeg(quality))])


def write(file, *weighted):
    file.write_text("".join(json.dumps({"weight": w, "recipe": r.to_dict()}) + "\n" for w, r in weighted))
    return file


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "recipes.jsonl", (3, recipe(40)), (1, recipe(80)), (0, recipe(99)))


def qualities(spec, count=4000):
    """Return the quality of each draw out of the pool, None of each broad one."""
    drawn = (spec.draw(np.random.default_rng([0, number])) for number in range(count))
    return [one.steps[-1].record.quality if len(one.steps) == 2 else None for one in drawn]


@pytest.mark.parametrize("share", [0, 0.3, 0.8, 1])
def test_a_sample_has_a_recipe_of_the_pool_as_often_as_the_share_says(file, share):
    found = qualities(DegradationSpec(recipes=file, share=share))
    assert sum(one is not None for one in found) / 4000 == pytest.approx(share, abs=0.03)  # 4 standard errors
    assert share in (0, 1) or None in found


def test_a_recipe_of_the_pool_is_drawn_as_often_as_its_weight_says(file):
    found = qualities(DegradationSpec(recipes=file, share=1))
    assert found.count(40) / 4000 == pytest.approx(0.75, abs=0.03)
    assert found.count(80) + found.count(40) == 4000  # never the one without a weight


def test_a_draw_is_a_function_of_its_number_and_its_noise_differs(file):
    spec, again = DegradationSpec(recipes=file), DegradationSpec(recipes=file)
    draws = [spec.draw(np.random.default_rng([5, number])) for number in range(50)]
    assert draws == [again.draw(np.random.default_rng([5, number])) for number in range(50)]
    assert len({one.seed for one in draws}) == 50


def test_the_broad_recipes_are_those_of_a_spec_without_a_pool_but_for_one_number(file):
    assert DegradationSpec().draw(np.random.default_rng(3)) == DegradationSpec(share=0.1).draw(np.random.default_rng(3))
    spec = DegradationSpec(recipes=file, share=0)
    names = {name for n in range(40) for name in spec.draw(np.random.default_rng(n)).records}
    assert {"first.blur", "second.noise", "final.sinc", "final.jpeg"} <= names


def test_a_recipe_of_the_pool_replays(file):
    drawn = DegradationSpec(recipes=file, share=1).draw(np.random.default_rng(0))
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(degrade(image, drawn), degrade(image, Recipe.from_json(drawn.to_json())))
    batch = torch.stack([image, image])
    assert Degradation(DegradationSpec(recipes=file))(batch, generator=np.random.default_rng(0)).shape == (2, 3, 16, 16)


def test_a_codec_of_the_pool_is_known_to_compute_on_the_cpu(tmp_path, file):
    steps = [*recipe(40).steps[:1], Step("final", WebpSpec, Webp(60))]
    webp = write(tmp_path / "webp.jsonl", (1, Recipe(4, 0, steps)))
    assert DegradationSpec(recipes=webp).on_cpu == ["webp"]
    assert DegradationSpec(recipes=webp, share=0).on_cpu == DegradationSpec(recipes=file).on_cpu == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "holds no recipe with a weight above 0"),
        ("{]\n", "line 1: "),
        ("[]\n", 'line 1: wanted {"weight": …, "recipe": {…}}'),
        (json.dumps({"weight": -1, "recipe": recipe(40).to_dict()}), "line 1: weight: given -1"),
        (json.dumps({"recipe": recipe(40, 2).to_dict()}), "line 1: a recipe of scale 2, wanted 4"),
    ],
)
def test_a_file_that_is_no_pool_is_one_line(tmp_path, lines, message):
    file = tmp_path / "recipes.jsonl"
    file.write_text(lines)
    with pytest.raises(UserError) as error:
        DegradationSpec(recipes=file)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_and_a_wrong_share_are_named(tmp_path, file):
    with pytest.raises(UserError, match="no such file; wanted a file that wildsr match wrote"):
        DegradationSpec(recipes=tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="recipes: given nothing, wanted a file that wildsr match wrote"):
        build(compose_config(["degradation=matched"]).degradation, "degradation")
    with pytest.raises(UserError, match=r"share: given 1\.5"):
        DegradationSpec(recipes=file, share=1.5)


def words(file, *more):
    return ["experiment=quickstart", "degradation=matched", f"degradation.recipes={file}", *more]


def test_matched_is_chosen_by_two_words_and_mixes_four_fifths(file):
    spec = build(compose_config(words(file)).degradation, "degradation")
    assert (spec.share, len(spec.pool.recipes)) == (0.8, 3)
    spec = build(compose_config(words(file, "degradation.share=0.5", "scale=4")).degradation, "degradation")
    assert spec.share == 0.5


def test_a_run_goes_on_with_the_same_recipes_wherever_they_are_and_not_with_others(tmp_path, file):
    def settings(place):
        return stage_settings(compose_plain(words(place)), "psnr")

    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(file.read_bytes())
    before = settings(file)
    assert before == settings(moved)
    write(file, (1, recipe(50)))
    assert before != settings(file)
    assert before != stage_settings(compose_plain(["experiment=quickstart"]), "psnr")


def compose_plain(overrides):
    return plain(compose_config(overrides))


def test_a_folder_that_names_the_file_is_not_refused_though_it_lies_elsewhere_now(tmp_path, file):
    folder = tmp_path / "psnr"
    folder.mkdir()
    (folder / "generator.safetensors").write_bytes(b"")
    (folder / "config.yaml").write_text(yaml.safe_dump(compose_plain(words(tmp_path / "gone.jsonl"))))
    refuse_other_settings(stage_settings(compose_plain(words(file)), "psnr"), folder, None)
    with pytest.raises(UserError, match=r"degradation\.share"):
        refuse_other_settings(stage_settings(compose_plain(words(file, "degradation.share=0.5")), "psnr"), folder, None)
