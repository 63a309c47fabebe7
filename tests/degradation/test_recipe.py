"""Recipes: there and back, words, and refusals, since a recipe may come out of an edited file."""

import copy
import json

import numpy as np
import pytest

from wildsr.degradation import DegradationSpec, Recipe
from wildsr.degradation.recipe import Blur, Finish, Jpeg, Noise, Order, Resize

FINAL = Resize(1.0, "bicubic", "final")
RECIPE = Recipe(
    scale=4,
    seed=7,
    first=Order(
        blur=Blur("aniso", 13, sigma_x=2.1, sigma_y=0.6, theta=0.5),
        resize=Resize(0.43, "area", "input"),
        noise=Noise("gaussian", 12.0, True),
        jpeg=Jpeg(47),
    ),
    second=Order(blur=None, resize=Resize(1.1, "bilinear", "final"), noise=Noise("poisson", 1.25, False), jpeg=None),
    finish=Finish(resize=FINAL, sinc=Blur("sinc", 9, cutoff=1.5707963), jpeg=Jpeg(80), jpeg_first=False),
)


def test_a_recipe_survives_dict_and_json_exactly():
    rng = np.random.default_rng(0)
    for recipe in [RECIPE, *(DegradationSpec().draw(rng) for _ in range(300))]:
        assert Recipe.from_dict(recipe.to_dict()) == recipe
        text = recipe.to_json()
        assert "\n" not in text and Recipe.from_json(text) == recipe
        assert hash(Recipe.from_json(text)) == hash(recipe)


def test_a_kernel_lists_only_what_its_kind_uses():
    data = RECIPE.to_dict()
    assert list(data["first"]["blur"]) == ["kind", "size", "sigma_x", "sigma_y", "theta"]
    assert data["finish"]["sinc"] == {"kind": "sinc", "size": 9, "cutoff": 1.5707963}
    assert data["second"]["blur"] is None


def test_steps_stand_in_the_order_in_which_they_are_applied():
    orders = ["first.blur", "first.resize", "first.noise", "first.jpeg", "second.resize", "second.noise"]
    assert [name for name, _ in RECIPE.steps] == [*orders, "finish.resize", "finish.sinc", "finish.jpeg"]
    data = RECIPE.to_dict()
    data["finish"]["jpeg_first"] = True
    steps = Recipe.from_dict(data).steps
    assert [name for name, _ in steps] == [*orders, "finish.jpeg", "finish.resize", "finish.sinc"]
    assert steps[0] == ("first.blur", RECIPE.first.blur)


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
    "first": (None, "first: given nothing, wanted Order"),
    "a\nline": ({}, "a\\nline: given {}, wanted exactly the keys scale, seed, first, second, finish"),
    "third": ({}, "third: given {}, wanted exactly the keys scale, seed, first, second, finish"),
    "first.blur.kind": ("box", "first.blur.kind: given 'box', wanted one of iso, aniso, "),
    "first.blur.size": (12, "first.blur.size: given 12, wanted an odd number from 3 to 51"),
    "first.blur.sigma_x": (float("nan"), "first.blur.sigma_x: given nan, wanted a number from 0.05 to 50"),
    "first.blur.sigma_y": ("wide", "first.blur.sigma_y: given 'wide', wanted a number"),
    "first.blur.theta": (None, "first.blur.theta: given nothing, wanted a number for the kind aniso"),
    "first.blur.beta": (1.0, "first.blur.beta: given 1.0, wanted exactly the keys kind, size, sigma_x, sigma_y, theta"),
    "first.resize.factor": (1e9, "first.resize.factor: given 1000000000.0, wanted a number from 0.01 to 4"),
    "first.resize.mode": ("lanczos", "first.resize.mode: given 'lanczos', wanted one of area, "),
    "first.resize.of": (0, "first.resize.of: given 0, wanted one of input, final"),
    "first.noise.strength": (float("inf"), "first.noise.strength: given inf, wanted a number from 0 to 255"),
    "second.noise.strength": (101, "second.noise.strength: given 101, wanted a number from 0 to 100"),
    "first.noise.grey": (1, "first.noise.grey: given 1, wanted bool"),
    "first.jpeg.quality": (47.5, "first.jpeg.quality: given 47.5, wanted a whole number from 1 to 100"),
    "first.jpeg": ([1, 2], "first.jpeg: given [1, 2], wanted the keys quality"),
    "finish.jpeg.quality": (True, "finish.jpeg.quality: given True, wanted a whole number from 1 to 100"),
    "finish.resize": (None, "finish.resize: given nothing, wanted Resize"),
    "finish.resize.factor": (0.5, "finish.resize: given (0.5, 'final'), wanted factor 1 of final"),
    "finish.sinc.kind": ("iso", "finish.sinc.sigma_x: given nothing, wanted exactly the keys kind, size, sigma_x"),
    "finish": (None, "second.resize: given (1.1, 'final'), wanted factor 1 of final"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_an_edited_recipe_is_refused_in_one_line_that_names_the_key(key):
    value, message = REFUSED[key]
    data = copy.deepcopy(RECIPE.to_dict())
    *path, last = key.split(".")
    node = data
    for part in path:
        node = node[part]
    node[last] = value
    if key == "finish.sinc.kind":
        node.pop("cutoff")
    with pytest.raises(ValueError) as error:
        Recipe.from_json(json.dumps(data))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["seed", "second", "first.noise", "first.blur.kind", "finish.jpeg_first"])
def test_a_missing_key_is_refused_by_name(key):
    data = copy.deepcopy(RECIPE.to_dict())
    *path, last = key.split(".")
    node = data
    for part in path:
        node = node[part]
    del node[last]
    with pytest.raises(ValueError, match=rf"^{key}: given nothing, wanted "):
        Recipe.from_dict(data)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "3", '"a"', "[" * 100_000, "{" + " " * 10**6])
def test_what_is_no_recipe_at_all_is_refused_in_one_short_line(text):
    with pytest.raises(ValueError, match=r"^recipe: given .* wanted ") as error:
        Recipe.from_json(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_a_finish_takes_no_other_kernel_than_sinc():
    with pytest.raises(ValueError, match=r"^sinc.kind: given 'iso', wanted one of sinc"):
        Finish(FINAL, Blur("iso", 7, sigma_x=1.0), Jpeg(50), True)
