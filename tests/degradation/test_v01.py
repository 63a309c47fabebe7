"""Recipes of 0.1, in nested dictionaries, are read for ever; tests/test_golden_v01.py replays them."""

import copy
import json

import pytest

from wildsr.degradation import Recipe, Step
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

OLD = {
    "scale": 4,
    "seed": 7,
    "first": {
        "blur": {"kind": "aniso", "size": 13, "sigma_x": 2.1, "sigma_y": 0.6, "theta": 0.5},
        "resize": {"factor": 0.43, "mode": "area", "of": "input"},
        "noise": {"kind": "gaussian", "strength": 12.0, "grey": True},
        "jpeg": {"quality": 47},
    },
    "second": {
        "blur": None,
        "resize": {"factor": 1.1, "mode": "bilinear", "of": "final"},
        "noise": {"kind": "poisson", "strength": 1.25, "grey": False},
        "jpeg": None,
    },
    "finish": {
        "resize": {"factor": 1.0, "mode": "bicubic", "of": "final"},
        "sinc": {"kind": "sinc", "size": 9, "cutoff": 1.5707963},
        "jpeg": {"quality": 80},
        "jpeg_first": False,
    },
}
ORDERS = [
    Step("first", BlurSpec, Blur("aniso", 13, sigma_x=2.1, sigma_y=0.6, theta=0.5)),
    Step("first", ResizeSpec, Resize(0.43, "area", "input")),
    Step("first", NoiseSpec, Noise("gaussian", 12.0, True)),
    Step("first", JpegSpec, Jpeg(47)),
    Step("second", ResizeSpec, Resize(1.1, "bilinear", "final")),
    Step("second", NoiseSpec, Noise("poisson", 1.25, False)),
]
FINAL = [
    Step("final", ResizeSpec, Resize(1.0, "bicubic", "final")),
    Step("final", SincSpec, Sinc(9, cutoff=1.5707963)),
]


def test_a_recipe_of_v01_is_the_same_steps():
    jpeg = Step("final", JpegSpec, Jpeg(80))
    assert Recipe.from_dict(OLD) == Recipe(4, 7, [*ORDERS, *FINAL, jpeg])
    old = copy.deepcopy(OLD)
    old["finish"]["jpeg_first"] = True
    assert Recipe.from_json(json.dumps(old)) == Recipe(4, 7, [*ORDERS, jpeg, *FINAL])
    old["finish"]["sinc"] = old["second"] = None
    assert Recipe.from_dict(old) == Recipe(4, 7, [*ORDERS[:4], jpeg, FINAL[0]])


REFUSED = {
    "scale": (0, "scale: given 0, wanted a whole number from 1 to 16"),
    "seed": (-1, "seed: given -1, wanted a whole number from 0 to 9223372036854775807"),
    "first": (None, "first: given nothing, wanted the keys blur, resize, noise, jpeg"),
    "a\nline": ({}, "a\\nline: given {}, wanted the keys scale, seed, first, second, finish"),
    "third": ({}, "third: given {}, wanted the keys scale, seed, first, second, finish"),
    "first.blur.kind": ("box", "first.blur.kind: given 'box'; choose from iso, aniso, "),
    "first.blur.size": (12, "first.blur.size: given 12, wanted an odd number from 3 to 51"),
    "first.blur.sigma_x": (float("nan"), "first.blur.sigma_x: given nan, wanted a number from 0.05 to 50"),
    "first.blur.sigma_y": ("wide", "first.blur.sigma_y: given 'wide', wanted a number"),
    "first.blur.theta": (None, "first.blur.theta: given nothing, wanted a number for the kind aniso"),
    "first.blur.beta": (1.0, "first.blur.beta: given 1.0, wanted nothing for the kind aniso"),
    "first.resize.factor": (1e9, "first.resize.factor: given 1000000000.0, wanted a number from 0.01 to 4"),
    "first.resize.mode": ("cubic", "first.resize.mode: given 'cubic'; choose from area, "),
    "first.resize.of": (0, "first.resize.of: given 0; choose from input, final"),
    "first.noise.strength": (float("inf"), "first.noise.strength: given inf, wanted a number from 0 to 255"),
    "second.noise.strength": (101, "second.noise.strength: given 101, wanted a number from 0 to 100"),
    "first.noise.grey": (1, "first.noise.grey: given 1, wanted bool"),
    "first.jpeg.quality": (47.5, "first.jpeg.quality: given 47.5, wanted a whole number from 1 to 100"),
    "first.jpeg": ([1, 2], "first.jpeg: given [1, 2], wanted what was drawn for jpeg"),
    "finish.jpeg.quality": (True, "finish.jpeg.quality: given True, wanted a whole number from 1 to 100"),
    "finish.resize": (None, "finish.resize: given nothing, wanted an operation"),
    "finish.resize.factor": (0.5, "finish.resize: given 'to ×0.50 of ... size bicubic', wanted the final size"),
    "finish.sinc.kind": ("iso", "finish.sinc.kind: given 'iso', wanted sinc"),
    "finish": (None, "second.resize: given 'to ×1.10 of ...size bilinear', wanted the final size"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_an_edited_recipe_of_v01_is_refused_in_one_line_that_names_the_key(key):
    value, message = REFUSED[key]
    data = copy.deepcopy(OLD)
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
def test_a_key_that_v01_wrote_and_is_missing_is_refused_by_name(key):
    data = copy.deepcopy(OLD)
    *path, last = key.split(".")
    node = data
    for part in path:
        node = node[part]
    del node[last]
    with pytest.raises(ValueError, match=rf"^{key}: given nothing, wanted "):
        Recipe.from_dict(data)
