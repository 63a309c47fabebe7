"""The files in conf/ mean what they say: their defaults are Python's, and each option takes away what it names."""

import numpy as np
import pytest
import torch

from wildsr.config import build, compose_config
from wildsr.degradation import DegradationSpec, Recipe, SharpenSpec, degrade
from wildsr.degradation.kernels import BLUR_FIELDS, Blur
from wildsr.degradation.operations import Resize


def spec_of(*overrides: str) -> DegradationSpec:
    return build(compose_config(list(overrides)).degradation, "degradation")


def drawn(spec: DegradationSpec, count: int = 400) -> list[Recipe]:
    rng = np.random.default_rng(0)
    return [spec.draw(rng) for _ in range(count)]


def kinds_of(recipes: list[Recipe]) -> set[str]:
    records = [record for recipe in recipes for record in recipe.records.values()]
    return {record.kind for record in records if isinstance(record, Blur)}


def test_the_yaml_defaults_equal_the_python_defaults():
    assert spec_of("degradation=second_order", "kernels=mixed") == DegradationSpec()
    assert build(compose_config(["sharpen=plus"]).sharpen, "sharpen") == SharpenSpec()


def test_no_sharpening_is_none():
    none = SharpenSpec(source=False, target_pixel=False, target_perceptual=False)
    assert build(compose_config(["sharpen=none"]).sharpen, "sharpen") == none


def test_scale_reaches_the_spec():
    assert spec_of("scale=2") == DegradationSpec(scale=2)


def test_no_sinc_removes_every_sinc_from_every_order():
    assert kinds_of(drawn(spec_of("kernels=no_sinc"))) == set(BLUR_FIELDS) - {"sinc"}
    assert kinds_of(drawn(spec_of())) == set(BLUR_FIELDS)


def test_gaussian_only_keeps_the_two_gaussians_in_proportion_and_the_sincs():
    kernels = spec_of("kernels=gaussian_only").kernels
    assert kinds_of(drawn(spec_of("kernels=gaussian_only"))) == {"iso", "aniso", "sinc"}
    assert (kernels.iso, kernels.aniso, kernels.sinc_prob) == (0.45, 0.25, 0.1)


def test_first_order_is_blur_resize_to_the_final_size_noise_jpeg():
    for recipe in drawn(spec_of("degradation=first_order"), 50):
        assert list(recipe.records) == ["first.blur", "first.resize", "first.noise", "first.jpeg"]
        resize = recipe.records["first.resize"]
        assert resize.factor == 1 and resize.relative_to == "final"


def test_bicubic_is_one_antialiased_resize():
    for recipe in drawn(spec_of("degradation=bicubic"), 10):
        assert recipe.records == {"first.resize": Resize(1.0, "bicubic_antialias", "final")}


def test_an_ordinary_override_reaches_the_spec():
    spec = spec_of("degradation=first_order", "degradation.first.noise.gaussian_sigma=[1,10]")
    assert spec.operations["first.noise"].gaussian_sigma == (1, 10)
    noises = [recipe.records["first.noise"] for recipe in drawn(spec)]
    assert max(noise.strength for noise in noises if noise.kind == "gaussian") <= 10


def test_mild_has_the_figures_of_those_who_train_diffusion_on_it():
    found = spec_of("degradation=mild").operations
    released = DegradationSpec().operations
    for order, down, sigma, poisson in (("first", 0.3, 15, 2.0), ("second", 0.6, 12, 2.0)):
        resize, noise = found[f"{order}.resize"], found[f"{order}.noise"]
        assert resize.down_factor == (down, 1) and resize.up_factor == released[f"{order}.resize"].up_factor
        assert (noise.gaussian_sigma, noise.poisson_scale) == ((1, sigma), (0.05, poisson))
    assert (found["first.resize"].up_factor, found["second.resize"].up_factor) == ((1, 1.5), (1, 1.2))
    assert (found["first.jpeg"].quality, found["final.jpeg"].quality) == ((60, 95), (60, 100))
    assert (found["first.blur"].prob, found["second.blur"].prob) == (1, 0.5)
    assert list(found) == list(released)


def test_video_ends_with_a_codec_and_has_no_jpeg():
    spec = spec_of("degradation=video")
    assert spec.on_cpu == ["video"]
    recipes = drawn(spec)
    assert {list(recipe.records)[-1] for recipe in recipes} == {"first.video"}
    assert {name for recipe in recipes for name in recipe.records} == {
        "first.blur", "first.resize", "first.noise", "first.halo", "first.video",
    }  # fmt: skip
    assert {recipe.records["first.video"].codec for recipe in recipes} == {"h264", "h265", "mpeg2"}


def test_prob_and_subsampling_are_ordinary_overrides():
    spec = spec_of(
        "degradation.first.noise.prob=0.5", "degradation.final.jpeg.prob=0.25", "degradation.first.resize.prob=0.5",
        'degradation.first.jpeg.subsampling=["4:4:4","4:2:0"]',
    )  # fmt: skip
    recipes = drawn(spec, 1000)
    for name, prob in (("first.noise", 0.5), ("final.jpeg", 0.25), ("first.resize", 0.5), ("second.noise", 1)):
        assert abs(sum(name in recipe.records for recipe in recipes) / 1000 - prob) <= 0.08
    assert {recipe.records["first.jpeg"].subsampling for recipe in recipes} == {"4:4:4", "4:2:0"}


def test_a_finish_without_jpeg():
    recipes = drawn(spec_of("degradation.final.jpeg=null"), 100)
    assert {recipe.steps[-1].op for recipe in recipes} == {"resize", "sinc"}
    assert not any("final.jpeg" in recipe.records for recipe in recipes)


ORDERS = {
    1: ["degradation=first_order"],
    2: [],
    3: ["+degradation.third=${degradation.second}"],
}


@pytest.mark.parametrize("count", ORDERS)
def test_one_two_or_three_orders_compose_and_draw(count):
    recipes = drawn(spec_of(*ORDERS[count]), 100)
    orders = ["first", "second", "third"][:count] + ["final"] * (count > 1)
    assert {tuple(dict.fromkeys(step.order for step in recipe.steps)) for recipe in recipes} == {tuple(orders)}
    image = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))
    for recipe in recipes[:10]:
        assert degrade(image, recipe).shape == (3, 8, 12)
        assert Recipe.from_json(recipe.to_json()) == recipe
