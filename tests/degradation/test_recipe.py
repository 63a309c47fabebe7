"""Recipes: there and back, words, and refusals, since a recipe may come out of an edited file."""

import copy
import json

import numpy as np
import pytest

from wildsr.degradation import DegradationSpec, Recipe, Step
from wildsr.degradation.operations import (
    Blur,
    BlurSpec,
    Jpeg,
    JpegSpec,
    Noise,
    NoiseSpec,
    Resize,
    ResizeSpec,
    Sinc,
    SincSpec,
)

RECIPE = Recipe(
    scale=4,
    seed=7,
    steps=[
        Step("first", BlurSpec, Blur("aniso", 13, sigma_x=2.1, sigma_y=0.6, theta=0.5)),
        Step("first", ResizeSpec, Resize(0.43, "area", "input")),
        Step("first", NoiseSpec, Noise("gaussian", 12.0, True)),
        Step("first", JpegSpec, Jpeg(47)),
        Step("second", ResizeSpec, Resize(1.1, "bilinear", "final")),
        Step("second", NoiseSpec, Noise("poisson", 1.25, False)),
        Step("final", ResizeSpec, Resize(1.0, "bicubic", "final")),
        Step("final", SincSpec, Sinc(9, cutoff=1.5707963)),
        Step("final", JpegSpec, Jpeg(80)),
    ],
)


def test_a_recipe_survives_dict_and_json_exactly():
    rng = np.random.default_rng(0)
    for recipe in [RECIPE, *(DegradationSpec().draw(rng) for _ in range(300))]:
        assert Recipe.from_dict(recipe.to_dict()) == recipe
        text = recipe.to_json()
        assert "\n" not in text and Recipe.from_json(text) == recipe
        assert hash(Recipe.from_json(text)) == hash(recipe)


def test_a_step_bears_short_names_and_only_what_its_operation_uses():
    data = RECIPE.to_dict()
    assert list(data) == ["version", "scale", "seed", "steps"]
    assert list(data["steps"][0]) == ["order", "op", "kind", "size", "sigma_x", "sigma_y", "theta"]
    assert data["steps"][7] == {"order": "final", "op": "sinc", "size": 9, "cutoff": 1.5707963}
    assert "wildsr" not in RECIPE.to_json()


def test_records_stand_by_name_in_the_order_in_which_they_are_applied():
    names = ["first.blur", "first.resize", "first.noise", "first.jpeg", "second.resize", "second.noise"]
    assert list(RECIPE.records) == [*names, "final.resize", "final.sinc", "final.jpeg"]
    assert RECIPE.records["first.blur"] == RECIPE.steps[0].record
    more = Recipe(4, 7, [RECIPE.steps[3], RECIPE.steps[3], *RECIPE.steps])
    assert [name for name in more.records if "jpeg" in name] == [
        "first.jpeg", "first.jpeg_2", "first.jpeg_3", "final.jpeg",
    ]  # fmt: skip


def test_steps_of_any_order_and_number_are_a_recipe():
    steps = [*RECIPE.steps[6:], *RECIPE.steps]
    assert Recipe.from_json(Recipe(4, 7, steps).to_json()).steps == tuple(steps)


def test_a_recipe_in_words():
    assert RECIPE.describe() == (
        "blur aniso 13 px σ 2.1×0.6 at 29°; down ×0.43 area; Gaussian noise σ 12.0 grey; JPEG 47; "
        "to ×1.10 of final size bilinear; Poisson noise ×1.25 colour; "
        "to final size bicubic; sinc 9 px cut-off 0.50π; JPEG 80"
    )
    assert Blur("plateau_iso", 7, sigma_x=1.0, beta=1.5).describe() == "blur plateau iso 7 px σ 1 β 1.5"
    assert Resize(1.25, "bicubic_antialias", "input").describe() == "up ×1.25 bicubic antialias"
    assert Resize(1.0, "area", "input").describe() == "keep size"


REFUSED = {
    "scale": (0, "scale: given 0, wanted a whole number from 1 to 16"),
    "seed": (-1, "seed: given -1, wanted a whole number from 0 to 9223372036854775807"),
    "version": (3, "version: given 3, wanted 2, the newest that is known here"),
    "steps": (None, "steps: given nothing, wanted a list"),
    "a\nline": ({}, "a\\nline: given {}, wanted the keys version, scale, seed, steps"),
    "steps.3": ([1, 2], "steps.3: given [1, 2], wanted the keys order, op and what was drawn"),
    "steps.3.op": (
        "dust",
        "steps.3.op: given 'dust'; choose from blur, sinc, resize, noise, jpeg, motion, defocus, ",
    ),
    "steps.3.subsampling": ("4:2", "first.jpeg.subsampling: given '4:2'; choose from 4:4:4, 4:2:2, 4:2:0"),
    "steps.3.order": (1, "steps.3.order: given 1, wanted a name such as first, second or final"),
    "steps.0.kind": ("box", "first.blur.kind: given 'box'; choose from iso, aniso, "),
    "steps.0.size": (12, "first.blur.size: given 12, wanted an odd number from 3 to 51"),
    "steps.0.sigma_x": (float("nan"), "first.blur.sigma_x: given nan, wanted a number from 0.05 to 50"),
    "steps.0.sigma_y": ("wide", "first.blur.sigma_y: given 'wide', wanted a number"),
    "steps.0.theta": (None, "first.blur.theta: given nothing, wanted a number for the kind aniso"),
    "steps.0.beta": (1.0, "first.blur.beta: given 1.0, wanted nothing for the kind aniso"),
    "steps.0.width": (1.0, "first.blur.width: given 1.0, wanted the keys kind, size, sigma_x, sigma_y, theta, beta"),
    "steps.1.factor": (1e9, "first.resize.factor: given 1000000000.0, wanted a number from 0.01 to 4"),
    "steps.1.mode": ("cubic", "first.resize.mode: given 'cubic'; choose from area, "),
    "steps.1.relative_to": (0, "first.resize.relative_to: given 0; choose from input, final"),
    "steps.2.strength": (float("inf"), "first.noise.strength: given inf, wanted a number from 0 to 255"),
    "steps.2.grey": (1, "first.noise.grey: given 1, wanted bool"),
    "steps.3.quality": (47.5, "first.jpeg.quality: given 47.5, wanted a whole number from 1 to 100"),
    "steps.5.strength": (101, "second.noise.strength: given 101, wanted a number from 0 to 100"),
    "steps.6.factor": (0.5, "final.resize: given 'to ×0.50 of ... size bicubic', wanted the final size, where the"),
    "steps.7.kind": ("sinc", "final.sinc.kind: given 'sinc', wanted the keys size, "),
    "steps.8.quality": (True, "final.jpeg.quality: given True, wanted a whole number from 1 to 100"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_an_edited_recipe_is_refused_in_one_line_that_names_the_key(key):
    value, message = REFUSED[key]
    data = copy.deepcopy(RECIPE.to_dict())
    *path, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    node = data
    for part in path:
        node = node[part]
    node[last] = value
    with pytest.raises(ValueError) as error:
        Recipe.from_json(json.dumps(data))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("place", "key", "name"),
    [
        (None, "seed", "seed"),
        (None, "steps", "steps"),
        (3, "op", "steps.3.op"),
        (3, "order", "steps.3.order"),
        (0, "kind", "first.blur.kind"),
        (0, "theta", "first.blur.theta"),
        (7, "cutoff", "final.sinc.cutoff"),
    ],
)
def test_a_missing_key_is_refused_by_name(place, key, name):
    data = copy.deepcopy(RECIPE.to_dict())
    del (data if place is None else data["steps"][place])[key]
    with pytest.raises(ValueError, match=rf"^{name}: given nothing(, wanted |; choose from )"):
        Recipe.from_dict(data)


def test_a_recipe_without_a_last_resize_is_refused():
    with pytest.raises(ValueError, match=r"^steps: given nothing, wanted a last resize to the final size"):
        Recipe(4, 0, [RECIPE.steps[3]])
    assert Recipe(1, 0, [RECIPE.steps[3]]).describe() == "JPEG 47"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "3", '"a"', "[" * 100_000, "{" + " " * 10**6])
def test_what_is_no_recipe_at_all_is_refused_in_one_short_line(text):
    with pytest.raises(ValueError, match=r"^recipe: given .* wanted ") as error:
        Recipe.from_json(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_a_step_takes_no_other_record_than_its_operations():
    with pytest.raises(ValueError, match=r"^record: given Jpeg\(quality=.*'4:2:0'\), wanted Noise"):
        Step("first", NoiseSpec, Jpeg(50))
