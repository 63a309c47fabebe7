"""Draws, counted. Tolerances are five standard deviations of a count; ranges pass a Kolmogorov-Smirnov test."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from wildsr.degradation import DegradationSpec, SharpenSpec
from wildsr.degradation.operations import (
    Blur,
    BlurSpec,
    FinalResizeSpec,
    JpegSpec,
    KernelSpec,
    NoiseSpec,
    Resize,
    ResizeSpec,
    SincSpec,
)
from wildsr.degradation.recipe import Recipe
from wildsr.degradation.spec import OrderSpec

DRAWS = 12_000
MODES = {"area": 1 / 3, "bilinear": 1 / 3, "bicubic": 1 / 3}
SIZES = dict.fromkeys(range(7, 22, 2), 1 / 8)
KINDS = {
    "iso": 0.45, "aniso": 0.25, "generalized_iso": 0.12, "generalized_aniso": 0.03,
    "plateau_iso": 0.12, "plateau_aniso": 0.03,
}  # fmt: skip
ORDERS = {
    "first": {"sigma": 3.0, "up": 1.5, "down": 0.15, "ways": (0.2, 0.7, 0.1), "gaussian": 30, "poisson": 3.0},
    "second": {"sigma": 1.5, "up": 1.2, "down": 0.3, "ways": (0.3, 0.4, 0.3), "gaussian": 25, "poisson": 2.5},
}


@pytest.fixture(scope="module")
def recipes() -> list[Recipe]:
    rng = np.random.default_rng(0)
    return [DegradationSpec().draw(rng) for _ in range(DRAWS)]


def assert_shares(values, shares: dict) -> None:
    """Each value occurs as often as its share says, and no other occurs."""
    counts, total = Counter(values), len(values)
    assert set(counts) <= set(shares)
    for value, share in shares.items():
        assert counts[value] / total == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / total)), value


def assert_uniform(values, low: float, high: float) -> None:
    assert len(values) > 100 and low <= min(values) and max(values) <= high
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4


@pytest.mark.parametrize("order", ORDERS)
def test_blurs(recipes, order):
    blurs = [recipe.records.get(f"{order}.blur") for recipe in recipes]
    prob = {"first": 1.0, "second": 0.8}[order]
    assert_shares([blur is not None for blur in blurs], {True: prob, False: 1 - prob})
    blurs = [blur for blur in blurs if blur]
    assert_shares([blur.size for blur in blurs], SIZES)
    assert_shares([blur.kind == "sinc" for blur in blurs], {True: 0.1, False: 0.9})
    assert_shares([blur.kind for blur in blurs if blur.kind != "sinc"], KINDS)
    sigma = ORDERS[order]["sigma"]
    assert_uniform([blur.sigma_x for blur in blurs if blur.sigma_x], 0.2, sigma)
    assert_uniform([blur.sigma_y for blur in blurs if blur.sigma_y], 0.2, sigma)
    assert_uniform([blur.theta for blur in blurs if blur.theta], -math.pi, math.pi)
    pairs = np.array([(blur.sigma_x, blur.sigma_y) for blur in blurs if blur.sigma_y])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 5 / math.sqrt(len(pairs))


@pytest.mark.parametrize("order", ORDERS)
def test_shapes_beta_as_released(recipes, order):
    blurs = [blur for recipe in recipes if (blur := recipe.records.get(f"{order}.blur")) and blur.beta]
    general = [blur.beta for blur in blurs if blur.kind.startswith("generalized")]
    plateau = [blur.beta for blur in blurs if blur.kind.startswith("plateau")]
    assert_shares([beta < 1 for beta in general], {True: 0.5, False: 0.5})
    assert_uniform([beta for beta in general if beta < 1], 0.5, 1)
    assert_uniform([beta for beta in general if beta >= 1], 1, 4)
    assert_shares([beta == 1 for beta in plateau], {True: 0.5, False: 0.5})
    assert_uniform([beta for beta in plateau if beta > 1], 1, 2)


@pytest.mark.parametrize("order", ORDERS)
def test_the_sincs_cut_off_depends_on_their_size(recipes, order):
    sincs = [blur for recipe in recipes if (blur := recipe.records.get(f"{order}.blur")) and blur.kind == "sinc"]
    assert_uniform([blur.cutoff for blur in sincs if blur.size < 13], math.pi / 3, math.pi)
    assert_uniform([blur.cutoff for blur in sincs if blur.size >= 13], math.pi / 5, math.pi)


@pytest.mark.parametrize("order", ORDERS)
def test_resizes(recipes, order):
    wanted = ORDERS[order]
    resizes = [recipe.records[f"{order}.resize"] for recipe in recipes]
    ways = [(step.factor > 1, step.factor < 1) for step in resizes]
    assert_shares(ways, dict(zip([(True, False), (False, True), (False, False)], wanted["ways"], strict=True)))
    assert_uniform([step.factor for step in resizes if step.factor > 1], 1, wanted["up"])
    assert_uniform([step.factor for step in resizes if step.factor < 1], wanted["down"], 1)
    assert_shares([step.mode for step in resizes], MODES)
    assert {step.relative_to for step in resizes} == {{"first": "input", "second": "final"}[order]}


@pytest.mark.parametrize("order", ORDERS)
def test_noise(recipes, order):
    noises = [recipe.records[f"{order}.noise"] for recipe in recipes]
    assert_shares([noise.kind for noise in noises], {"gaussian": 0.5, "poisson": 0.5})
    assert_shares([noise.grey for noise in noises], {True: 0.4, False: 0.6})
    wanted = ORDERS[order]
    assert_uniform([noise.strength for noise in noises if noise.kind == "gaussian"], 1, wanted["gaussian"])
    assert_uniform([noise.strength for noise in noises if noise.kind == "poisson"], 0.05, wanted["poisson"])


def test_jpeg_and_the_final_order(recipes):
    qualities = dict.fromkeys(range(30, 96), 1 / 66)
    records = [recipe.records for recipe in recipes]
    assert_shares([found["first.jpeg"].quality for found in records], qualities)
    assert not any("second.jpeg" in found for found in records)
    assert_shares([found["final.jpeg"].quality for found in records], qualities)
    orders = [tuple(name for name in found if name.startswith("final.")) for found in records]
    last, first = ("final.resize", "final.sinc", "final.jpeg"), ("final.jpeg", "final.resize", "final.sinc")
    bare = [("final.resize", "final.jpeg"), ("final.jpeg", "final.resize")]
    assert_shares(orders, {last: 0.4, first: 0.4, **dict.fromkeys(bare, 0.1)})
    assert_shares([found["final.resize"].mode for found in records], MODES)
    sincs = [found["final.sinc"] for found in records if "final.sinc" in found]
    assert_shares([sinc.size for sinc in sincs], SIZES)
    assert_uniform([sinc.cutoff for sinc in sincs], math.pi / 3, math.pi)


def test_the_draws_of_one_image_do_not_follow_each_other(recipes):
    records = [recipe.records for recipe in recipes]
    columns = [
        [found["first.resize"].factor, found["first.noise"].strength, found["final.jpeg"].quality] for found in records
    ]
    correlations = np.corrcoef(np.array(columns).T) - np.eye(3)
    assert np.abs(correlations).max() < 5 / math.sqrt(DRAWS)


def test_seeds_differ_and_a_draw_is_a_function_of_the_generators_state(recipes):
    assert len({recipe.seed for recipe in recipes}) == DRAWS
    rng = np.random.default_rng(0)
    assert [DegradationSpec().draw(rng) for _ in range(20)] == recipes[:20]


def test_one_number_sets_the_sampling_of_beta():
    rng = np.random.default_rng(0)
    kernels = KernelSpec(sinc_prob=0, iso=0, aniso=0, plateau_iso=0, plateau_aniso=0, beta_low_prob=0.2)
    betas = [kernels.draw(rng, (1, 2)).beta for _ in range(4000)]
    assert_shares([beta < 1 for beta in betas], {True: 0.2, False: 0.8})


def test_a_weight_of_zero_is_never_drawn():
    rng = np.random.default_rng(0)
    kernels = KernelSpec(sinc_prob=0, iso=0, plateau_aniso=0)
    assert {kernels.draw(rng, (1, 2)).kind for _ in range(3000)} == set(KINDS) - {"iso", "plateau_aniso"}
    assert {ResizeSpec(up=0, keep=0).draw(rng, None).factor <= 1 for _ in range(500)} == {True}


def test_lists_as_yaml_gives_them_are_the_same_spec():
    assert BlurSpec(sigma=[0.2, 3]) == BlurSpec() and hash(BlurSpec(sigma=[0.2, 3])) == hash(BlurSpec())
    assert ResizeSpec(modes=["area", "bilinear", "bicubic"], up_factor=[1, 1.5]) == ResizeSpec()


def test_first_order_and_bicubic_specs_draw_what_they_say():
    keep = ResizeSpec(up=0, down=0, keep=1, relative_to="final")
    order = OrderSpec(blur=BlurSpec(), resize=keep, noise=NoiseSpec(), jpeg=JpegSpec())
    recipe = DegradationSpec(first=order, second=None, final=None).draw(np.random.default_rng(0))
    assert list(recipe.records) == ["first.blur", "first.resize", "first.noise", "first.jpeg"]
    keep = ResizeSpec(up=0, down=0, keep=1, modes=["bicubic_antialias"], relative_to="final")
    bicubic = DegradationSpec(first=OrderSpec(resize=keep), second=None, final=None)
    recipe = bicubic.draw(np.random.default_rng(0))
    assert recipe.records == {"first.resize": Resize(1.0, "bicubic_antialias", "final")}


def test_a_single_arrangement_takes_no_random_number():
    one = OrderSpec([{"weight": 2, "order": ["resize", "jpeg"]}], jpeg=JpegSpec(), resize=FinalResizeSpec())
    two = OrderSpec(
        [{"weight": 1, "order": ["resize", "jpeg"]}, {"weight": 0, "order": ["jpeg", "resize"]}],
        jpeg=JpegSpec(),
        resize=FinalResizeSpec(),
    )
    states = []
    for order in (one, two):
        rng = np.random.default_rng(0)
        drawn = order.draw(rng, None)
        assert [operation.name for operation, _ in drawn] == ["resize", "jpeg"]
        states.append(rng.random())
    rng = np.random.default_rng(0)
    rng.integers(30, 95, endpoint=True)  # the JPEG's quality, which is declared first
    rng.integers(0, 2, endpoint=True)  # the resize's mode
    assert states[0] == rng.random() and states[1] == rng.random()  # with two the next one is the arrangement's


def test_arrangements_are_drawn_as_often_as_their_weights_say():
    lists = {("a", "b", "c"): 1.0, ("c", "b", "a"): 2.0, ("b", "a", "c"): 1.0}
    order = OrderSpec(
        [{"weight": weight, "order": list(names)} for names, weight in lists.items()],
        **{name: JpegSpec((number, number)) for number, name in enumerate("abc", start=1)},
    )
    rng = np.random.default_rng(0)
    drawn = [tuple(" abc"[record.quality] for _, record in order.draw(rng, None)) for _ in range(DRAWS)]
    assert_shares(drawn, {names: weight / 4 for names, weight in lists.items()})


def test_orders_are_applied_as_declared_and_the_final_one_last():
    third = OrderSpec(jpeg=JpegSpec())
    recipe = DegradationSpec(third=third, second=None).draw(np.random.default_rng(1))
    assert list(dict.fromkeys(step.order for step in recipe.steps)) == ["first", "third", "final"]


def test_without_a_scale_a_recipe_needs_no_resize():
    spec = DegradationSpec(1, first=OrderSpec(jpeg=JpegSpec()), second=None, final=None)
    assert list(spec.draw(np.random.default_rng(0)).records) == ["first.jpeg"]


REFUSED = [
    (lambda: NoiseSpec(gaussian_sigma=[10, 1]), "gaussian_sigma: given (10, 1), wanted the lower number first"),
    (lambda: NoiseSpec(poisson_scale=[1]), "poisson_scale: given [1], wanted two numbers, [low, high]"),
    (lambda: NoiseSpec(grey_prob=1.5), "grey_prob: given 1.5, wanted a number from 0 to 1"),
    (lambda: NoiseSpec(gaussian_sigma="1-10"), "gaussian_sigma: given '1-10', wanted two numbers"),
    (lambda: BlurSpec(prob=True), "prob: given True, wanted a number from 0 to 1"),
    (lambda: BlurSpec(sigma=(0, 3)), "sigma: given 0, wanted a number from 0.05 to 50"),
    (lambda: KernelSpec(sizes=(7, 20)), "sizes: given 20, wanted an odd number from 3 to 51"),
    (lambda: KernelSpec(beta_plateau=(1.5, 2)), "beta_plateau: given 1.5, wanted a number from 0.1 to 1"),
    (lambda: KernelSpec(**dict.fromkeys(KINDS, 0)), "iso, aniso, generalized_iso, generalized_aniso, plateau_iso"),
    (lambda: KernelSpec(cutoff_small=(1, 4)), "cutoff_small: given 4, wanted a number from 0.05 to 3.14159"),
    (lambda: ResizeSpec(up=-1), "up: given -1, wanted a number from 0 to 1e+06"),
    (lambda: ResizeSpec(up=0, down=0, keep=0), "up, down, keep: given [0, 0, 0], wanted a weight above 0"),
    (lambda: ResizeSpec(up_factor=(0.5, 2)), "up_factor: given 0.5, wanted a number from 1 to 4"),
    (lambda: ResizeSpec(modes=[]), "modes: given [], wanted a list with something in it"),
    (lambda: ResizeSpec(modes=["area", "cubic"]), "modes: given 'cubic'; choose from area"),
    (lambda: ResizeSpec(prob=1.5), "prob: given 1.5, wanted a number from 0 to 1"),
    (lambda: NoiseSpec(prob=-1), "prob: given -1, wanted a number from 0 to 1"),
    (lambda: JpegSpec(prob="1"), "prob: given '1', wanted a number from 0 to 1"),
    (lambda: JpegSpec(subsampling=["4:1:1"]), "subsampling: given '4:1:1'; choose from 4:4:4, 4:2:2, 4:2:0"),
    (lambda: JpegSpec((30, 95.5)), "quality: given 95.5, wanted a whole number from 1 to 100"),
    (lambda: SincSpec(cutoff=(0, 1)), "cutoff: given 0, wanted a number from 0.05 to 3.14159"),
    (lambda: FinalResizeSpec(modes="area"), "modes: given 'area', wanted a list with something in it"),
    (lambda: OrderSpec(blur={"prob": 1}), "blur: given {'prob': 1}, wanted an operation, with name, Record, draw"),
    (lambda: OrderSpec(blur=BlurSpec), "blur: given <class 'wilds...lur.BlurSpec'>, wanted an operation"),
    (lambda: OrderSpec([], jpeg=JpegSpec()), "arrangements: given [], wanted a list with something in it"),
    (lambda: OrderSpec([["jpeg"]], jpeg=JpegSpec()), "arrangements.0: given ['jpeg'], wanted the keys weight and"),
    (lambda: OrderSpec([{"weight": -1, "order": []}]), "arrangements.0.weight: given -1, wanted a number from 0 to"),
    (lambda: OrderSpec([{"weight": 1, "order": ["jpg"]}], jpeg=JpegSpec()),
     "arrangements.0.order: given ['jpg'], wanted each of jpeg"),
    (lambda: OrderSpec([{"weight": 1, "order": ["jpeg", "jpeg"]}], jpeg=JpegSpec()),
     "arrangements.0.order: given ['jpeg', 'jpeg'], wanted a list of names, each once"),
    (lambda: OrderSpec([{"weight": 0, "order": ["jpeg"]}] * 2, jpeg=JpegSpec()),
     "arrangements: given [0, 0], wanted a weight above 0 for at least one"),
    (lambda: DegradationSpec(finish={"jpeg": 1}), "finish: given {'jpeg': 1}, wanted OrderSpec"),
    (lambda: DegradationSpec(scale=0), "scale: given 0, wanted a whole number from 1 to 16"),
    (lambda: DegradationSpec(final=None), "second.resize: given ResizeSpec(up...al', prob=1.0), wanted a last"),
    (lambda: DegradationSpec(final=None, first=OrderSpec(), second=OrderSpec()),
     "orders: given ['first', 'second'], wanted one that resizes to the final size"),
    (lambda: SharpenSpec(radius=2.5), "radius: given 2.5, wanted a whole number from 1 to 25"),
    (lambda: SharpenSpec(source="yes"), "source: given 'yes', wanted bool"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_an_impossible_spec_is_refused_in_one_line(number):
    make, message = REFUSED[number]
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_specs_and_recipes_are_frozen():
    for record in (KernelSpec(), DegradationSpec(), Blur("iso", 7, sigma_x=1.0)):
        with pytest.raises(AttributeError):
            record.kind = "aniso"


def test_a_fixed_recipe_is_every_images_but_for_the_seed_of_its_noise():
    recipe = DegradationSpec().draw(np.random.default_rng(0))
    spec = DegradationSpec(fixed_recipe=recipe.to_dict())
    rng = np.random.default_rng(1)
    drawn = [spec.draw(rng) for _ in range(5)]
    assert {replace(each, seed=recipe.seed) for each in drawn} == {recipe}
    assert len({each.seed for each in drawn}) == 5
    with pytest.raises(ValueError, match=r"fixed_recipe.scale: given 4, wanted 2, the scale of the whole"):
        DegradationSpec(scale=2, fixed_recipe=recipe)
