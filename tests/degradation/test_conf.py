"""The files in conf/ mean what they say: their defaults are Python's, and each option takes away what it names."""

import numpy as np

from wildsr.config import build, compose_config
from wildsr.degradation import DegradationSpec, Recipe, SharpenSpec
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
