import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

from wildsr import config
from wildsr.apps.demo.controls import CONTROLS, draw, recipe_of, to_conf, used, values_of
from wildsr.config import build, compose_config, conf_folder
from wildsr.degradation import DegradationSpec, Recipe, Step
from wildsr.degradation.kernels import BLUR_FIELDS, Blur
from wildsr.degradation.operations import (
    BUILT_IN,
    Defocus,
    DefocusSpec,
    Halo,
    HaloSpec,
    Jpeg,
    JpegSpec,
    Motion,
    MotionSpec,
    Resize,
    ResizeSpec,
    Video,
    VideoSpec,
    Webp,
    WebpSpec,
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Puts a text at conf/degradation/mine.yaml, and composes with it."""
    shutil.copytree(conf_folder(), tmp_path / "conf")
    monkeypatch.setattr(config, "conf_folder", lambda: tmp_path / "conf")

    def composed(text, *overrides):
        (tmp_path / "conf" / "degradation" / "mine.yaml").write_text(text)
        return build(compose_config(["degradation=mine", *overrides]).degradation, "degradation")

    return composed


def test_a_recipe_passes_the_form_unchanged():
    for seed in range(200):
        recipe = draw(DegradationSpec(), seed)
        assert recipe_of(values_of(recipe)) == recipe


def test_a_recipe_of_every_operation_passes_the_form_unchanged():
    """But for the builds of codecs, which no control sets."""
    steps = [
        Step("first", DefocusSpec, Defocus(1.25)),
        Step("first", MotionSpec, Motion(7.5, -1.57)),
        Step("first", HaloSpec, Halo(1.5, 0.8)),
        Step("first", JpegSpec, Jpeg(40, "4:4:4")),
        Step("first", WebpSpec, Webp(30)),
        Step("second", VideoSpec, Video("mpeg2", 12, 3, 0.25, -1.5)),
        Step("final", ResizeSpec, Resize(1.0, "lanczos", "final")),
        Step("final", WebpSpec, Webp(60)),
        Step("final", VideoSpec, Video("h265", 30, 1, 0.0, 0.0)),
    ]
    recipe = Recipe(4, 0, steps)
    assert recipe_of(values_of(recipe)) == recipe
    values = values_of(recipe)
    shown = {control.key for control, visible in zip(CONTROLS, used(values), strict=True) if visible}
    assert {"first.halo.strength", "second.video.crf", "final.webp.quality"} <= shown
    assert not {"first.video.crf", "final.jpeg.quality", "final.jpeg_first"} & shown
    assert {control.key.split(".")[1] for control in CONTROLS if control.key.startswith("first.")} == {
        operation.name for operation in BUILT_IN if operation.name != "sinc"
    }


def test_every_number_of_a_drawn_recipe_is_one_that_its_slider_can_show():
    for seed in range(200):
        values = values_of(draw(DegradationSpec(), seed))
        for control in CONTROLS:
            if control.choices:
                assert values[control.key] in control.choices
            elif control.span is None:
                assert isinstance(values[control.key], bool)
            else:
                low, high, step = control.span
                steps = (values[control.key] - low) / step
                assert low <= values[control.key] <= high, control.key
                assert abs(steps - round(steps)) < 1e-6, control.key


def test_every_number_of_a_recipe_has_a_control():
    """Of a recipe with all operations, whatever kinds of kernels they have."""
    always = {"final.resize.factor", "final.resize.relative_to", "final.sinc.kind"}
    keys = {control.key for control in CONTROLS} | always
    for kind in BLUR_FIELDS:
        blur = Blur(kind, 7, **dict.fromkeys(BLUR_FIELDS[kind], 1.0))
        recipe = draw(DegradationSpec(), 3)
        recipe = replace(recipe, steps=[replace(recipe.steps[0], record=blur), *recipe.steps[1:]])
        leaves = {
            f"{name}.{field}"
            for name, record in recipe.records.items()
            for field in vars(record)
            if vars(record)[field] is not None
        }
        assert f"first.blur.{BLUR_FIELDS[kind][-1]}" in leaves
        assert leaves <= keys, leaves - keys


def test_what_a_kernel_does_not_use_is_not_shown():
    values = values_of(draw(DegradationSpec(), 0)) | {"first.blur": True, "first.blur.kind": "sinc", "second": False}
    shown = {control.key for control, visible in zip(CONTROLS, used(values), strict=True) if visible}
    assert {"first.blur.size", "first.blur.cutoff", "second"} <= shown
    assert not {"first.blur.sigma_x", "first.blur.beta", "second.blur", "second.noise.strength"} & shown


def test_without_an_operation_the_recipe_has_none():
    values = values_of(draw(DegradationSpec(), 0))
    recipe = recipe_of(values | {"first.noise": False, "second": False, "final.sinc": False})
    assert not {name for name in recipe.records if name == "first.noise" or name.startswith("second.")}
    assert "final.sinc" not in recipe.records and "final.jpeg" in recipe.records


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"final": False}, "second.resize: given 'to ×0.50 of"),
        ({"first.noise": True, "first.noise.strength": None}, "first.noise.strength: given nothing, wanted a number"),
        ({"first.blur": True, "first.blur.kind": "box"}, "first.blur.kind: given 'box'; choose from iso"),
    ],
)  # fmt: skip
def test_an_impossible_form_is_refused_in_one_line(change, words):
    values = values_of(draw(DegradationSpec(), 1)) | {
        "second": True,
        "second.resize": True,
        "second.resize.factor": 0.5,
    }
    with pytest.raises(ValueError, match="given") as caught:
        recipe_of(values | change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_file_rebuilds_the_recipe_and_composes_to_a_degradation_that_always_gives_it(mine):
    rng = np.random.default_rng(0)
    for seed in range(5):
        recipe = draw(DegradationSpec(), seed)
        text = to_conf(recipe)
        assert Recipe.from_dict(yaml.safe_load(text)["fixed_recipe"]) == recipe
        spec = mine(text)
        assert spec.fixed_recipe == recipe
        drawn = [spec.draw(rng) for _ in range(3)]
        assert [replace(each, seed=recipe.seed) for each in drawn] == [recipe] * 3
        assert len({each.seed for each in drawn}) == 3  # each image has noise of its own


def test_a_file_of_another_scale_is_refused_by_name(mine):
    text = to_conf(recipe_of(values_of(draw(DegradationSpec(), 0)) | {"scale": 2}))
    assert mine(text, "scale=2").fixed_recipe.scale == 2
    with pytest.raises(ValueError, match=r"degradation.fixed_recipe.scale: given 2, wanted 4, the scale of the whole"):
        mine(text)


def test_an_edited_file_with_a_slip_is_refused_by_name(mine):
    text = to_conf(draw(DegradationSpec(), 0)).replace("quality:", "qualty:", 1)
    with pytest.raises(ValueError, match=r"degradation.fixed_recipe.\w+.jpeg.qualty: given \d+, wanted the keys"):
        mine(text)
