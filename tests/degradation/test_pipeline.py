"""What degrade guarantees, for every spec, seed and size."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from wildsr.data import sample_photographs
from wildsr.degradation import (
    Degradation,
    DegradationSpec,
    Recipe,
    Step,
    degrade,
    make_plan,
    pipeline,
    sharpen,
    trace,
)
from wildsr.degradation.operations import (
    BlurSpec,
    FinalResizeSpec,
    JpegSpec,
    KernelSpec,
    NoiseSpec,
    Resize,
    ResizeSpec,
    SincSpec,
)
from wildsr.degradation.spec import OrderSpec, final_order

PHOTOGRAPH = sample_photographs(["astronaut.png"])[0].float() / 255
SCALES = (1, 2, 3, 4, 8)


def draw(seed: int, spec: DegradationSpec | None = None) -> Recipe:
    return (spec or DegradationSpec()).draw(np.random.default_rng(seed))


def assert_guarantees(lq: Tensor, hq: Tensor, scale: int) -> None:
    assert lq.shape == (hq.shape[0], hq.shape[1] // scale, hq.shape[2] // scale)
    assert lq.dtype == torch.float32 and lq.is_contiguous() and not lq.requires_grad
    levels = lq * 255
    assert levels.isfinite().all() and lq.min() >= 0 and lq.max() <= 1
    assert torch.equal(lq, levels.round() / 255)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", SCALES)
def test_range_size_levels_and_determinism_from_32_pixels_on(scale, channels):
    for seed, (height, width) in enumerate([(32, 32), (33, 48), (40, 200), (120, 96)] * 3):
        hq = PHOTOGRAPH[:channels, : height // scale * scale, : width // scale * scale]
        recipe = draw(seed, DegradationSpec(scale=scale))
        lq = degrade(hq, recipe)
        assert_guarantees(lq, hq, scale)
        assert torch.equal(lq, degrade(hq, recipe))


def test_a_recipe_replays_bit_exactly_from_json():
    for seed in range(20):
        recipe = draw(seed)
        hq = PHOTOGRAPH[:, :128, :128]
        assert torch.equal(degrade(hq, recipe), degrade(hq.clone(), Recipe.from_json(recipe.to_json())))


def test_the_seed_of_a_recipe_decides_its_noise_and_nothing_else_does():
    recipe, hq = draw(3), PHOTOGRAPH[:, :64, :64]
    other = replace(recipe, seed=recipe.seed + 1)
    torch.manual_seed(0)
    lq = degrade(hq, recipe)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(lq, degrade(hq, recipe))
    torch.manual_seed(0)
    degrade(hq, recipe)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(lq, degrade(hq, other))


def test_the_input_is_left_as_it_was_and_no_graph_is_kept():
    hq = PHOTOGRAPH[:, :64, :64].clone().requires_grad_()
    before = hq.detach().clone()
    for seed in range(10):
        assert not degrade(hq, draw(seed)).requires_grad
    assert torch.equal(hq.detach(), before)


def test_autocast_is_ignored_and_halves_are_taken():
    hq, recipe = PHOTOGRAPH[:, :64, :64], draw(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(degrade(hq, recipe), degrade(hq, recipe))
        inside = degrade(hq, recipe)
    assert torch.equal(inside, degrade(hq, recipe))
    assert torch.equal(degrade(hq.half(), recipe), degrade(hq.half().float(), recipe))


def test_no_bit_depends_on_the_number_of_threads():
    for seed in range(12):
        torch.set_num_threads(2)
        lq = degrade(sharpen(PHOTOGRAPH[:, :256, :256]), draw(seed))
        torch.set_num_threads(1)
        assert torch.equal(lq, degrade(sharpen(PHOTOGRAPH[:, :256, :256]), draw(seed)))


def test_a_trace_names_every_step_and_ends_at_lq():
    hq = PHOTOGRAPH[:, :96, :128]
    for seed in range(10):
        recipe = draw(seed)
        steps = trace(hq, recipe)
        assert {name: record for name, record, _ in steps} == recipe.records
        assert [record for _, record, _ in steps] == [step.record for step in recipe.steps]
        assert torch.equal((steps[-1][2].clamp(0, 1) * 255).round() / 255, degrade(hq, recipe))


def test_sizes_follow_the_factors_floored():
    resizes = [Resize(0.37, "area", "input"), Resize(1.1, "area", "final"), Resize(1.0, "area", "final")]
    recipe = Recipe(3, 0, [Step("first", ResizeSpec, resize) for resize in resizes])
    steps = trace(PHOTOGRAPH[:, :96, :63], recipe)
    assert [name for name, _, _ in steps] == ["first.resize", "first.resize_2", "first.resize_3"]
    sizes = [tuple(image.shape[1:]) for _, _, image in steps]
    assert sizes == [(35, 23), (35, 23), (32, 21)]


def test_bicubic_is_torchs_antialiased_resize_rounded():
    keep = ResizeSpec(up=0, down=0, keep=1, modes=["bicubic_antialias"], relative_to="final")
    spec = DegradationSpec(first=OrderSpec(resize=keep), second=None, final=None)
    expected = F.interpolate(PHOTOGRAPH[None], (128, 128), mode="bicubic", antialias=True)[0]
    difference = degrade(PHOTOGRAPH, draw(0, spec)) - expected.clamp(0, 1)
    assert difference.abs().max() <= 0.501 / 255


def test_the_module_applies_a_recipe_to_each_image():
    images = torch.stack([PHOTOGRAPH[:, :64, :48], PHOTOGRAPH[:, 64:128, :48]])
    recipes, module = [draw(0), draw(1)], Degradation(DegradationSpec())
    assert not list(module.parameters())
    found = module(images, recipes)
    assert found.shape == (2, 3, 16, 12)
    assert all(torch.equal(lq, degrade(*pair)) for lq, *pair in zip(found, images, recipes, strict=True))
    with pytest.raises(ValueError, match=r"^recipes: given 1 of the scales \[4\], wanted 2 of one scale"):
        module(images, recipes[:1])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 30, 32), "image: given (3, 30, 32), wanted sides that the scale 4 divides"),
        (torch.zeros(3, 0, 32), "image: given (3, 0, 32), wanted sides that the scale 4 divides"),
        (torch.zeros(2, 32, 32), "image: given (2, 32, 32) torch.float32, wanted (1 or 3, H, W) of floats"),
        (torch.zeros(1, 3, 32, 32), "image: given (1, 3, 32, 32) torch.float32, wanted (1 or 3, H, W)"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), "image: given (3, 32, 32) torch.uint8, wanted"),
        (np.zeros((3, 32, 32), np.float32), "image: given a ndarray, wanted a tensor (1 or 3, H, W) of floats in"),
        (None, "image: given a NoneType, wanted a tensor"),
        (PHOTOGRAPH[:, :32, :32] * 255, "image: given values from "),
        (torch.full((3, 32, 32), 255.0), "image: given values from 255 to 255, wanted floats in [0, 1]"),
        (torch.linspace(-1, 1, 3072).view(3, 32, 32), "image: given values from -1 to 1, wanted floats in [0, 1]"),
        (torch.zeros(3, 32, 32).index_fill(2, torch.tensor(5), torch.nan), "image: given values from nan to nan,"),
        (torch.zeros(1, 32, 32).index_fill(2, torch.tensor(5), torch.inf), "image: given values from 0 to inf,"),
    ],
)
def test_an_impossible_image_is_refused(image, message):
    for function in (degrade, trace):
        with pytest.raises(ValueError) as error:
            function(image, draw(0))
        assert str(error.value).startswith(message)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_what_interpolation_overshoots_is_taken(dtype):
    """The furthest that bicubic interpolation goes beyond [0, 1], at half a pixel in both directions."""
    taps = torch.tensor([-0.09375, 0.59375, 0.59375, -0.09375])  # Keys' cubic, a = -0.75
    weights = torch.outer(taps, taps)
    high, low = weights.clamp(min=0).sum().item(), weights.clamp(max=0).sum().item()
    assert (low, high) == pytest.approx((-0.4453125, 1.4453125))
    image = torch.tensor([low, high]).repeat(3, 32, 16).to(dtype)
    assert_guarantees(degrade(image, draw(0)), image, 4)


def test_a_gpu_is_never_waited_for(monkeypatch):
    """On fake CUDA tensors, which have no values, whatever reads one back raises; blocking copies are counted."""
    blocking = []

    class Copies(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if func.overloadpacket is torch.ops.aten._to_copy and kwargs.get("device") not in (None, args[0].device):
                blocking.append(not kwargs.get("non_blocking"))
            return func(*args, **kwargs)

    monkeypatch.setattr(pipeline, "Generator", lambda device: Generator())  # there is no device to have one
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    with FakeTensorMode(), Copies():
        hq = torch.empty(3, 64, 64, device="cuda")
        for seed in range(12):
            lq = degrade(sharpen(hq), draw(seed))
            assert lq.device.type == "cuda" and lq.shape == (3, 16, 16)
        with pytest.raises(DataDependentOutputException):
            lq.sum().item()
    assert blocking and not any(blocking)


def span(low: float, high: float) -> st.SearchStrategy:
    numbers = st.floats(low, high, allow_nan=False)
    return st.tuples(numbers, numbers).map(lambda pair: tuple(sorted(pair)))


PROBS = st.floats(0, 1)
QUALITIES = st.tuples(st.integers(1, 100), st.integers(1, 100)).map(lambda pair: tuple(sorted(pair)))
MODES = st.lists(
    st.sampled_from(["area", "bilinear", "bicubic", "nearest", "bicubic_antialias"]), min_size=1, max_size=3
)
SIZES = st.tuples(st.integers(1, 25), st.integers(1, 25)).map(lambda pair: tuple(2 * n + 1 for n in sorted(pair)))
ORDERS = st.builds(
    OrderSpec,
    blur=st.none() | st.builds(BlurSpec, prob=PROBS, sigma=span(0.05, 50)),
    resize=st.none()
    | st.builds(
        ResizeSpec,
        up=st.floats(0, 1), down=st.floats(0, 1), keep=st.floats(0.1, 1),
        up_factor=span(1, 3), down_factor=span(0.01, 1), modes=MODES, relative_to=st.sampled_from(["input", "final"]),
    ),
    noise=st.none()
    | st.builds(
        NoiseSpec,
        gaussian_prob=PROBS, gaussian_sigma=span(0, 255), poisson_scale=span(0, 100), grey_prob=PROBS,
    ),
    jpeg=st.none() | st.builds(JpegSpec, quality=QUALITIES),
)  # fmt: skip
SPECS = st.builds(
    DegradationSpec,
    scale=st.sampled_from(SCALES),
    kernels=st.builds(
        KernelSpec,
        sizes=SIZES, sinc_prob=PROBS, cutoff_small=span(0.05, 3.14), cutoff_large=span(0.05, 3.14),
    ),
    first=ORDERS,
    second=st.none() | ORDERS,
    final=st.builds(
        OrderSpec,
        st.just(final_order().arrangements),
        resize=st.builds(FinalResizeSpec, modes=MODES),
        sinc=st.builds(SincSpec, prob=PROBS, cutoff=span(0.05, 3.14)),
        jpeg=st.builds(JpegSpec, quality=QUALITIES),
    ),
)  # fmt: skip


def assert_any_spec_keeps_the_guarantees(spec, seed, sides, channels):
    sides = [max(side // spec.scale, 1) * spec.scale for side in sides]
    hq = torch.rand(channels, *sides, generator=Generator().manual_seed(seed))
    rng = np.random.default_rng(seed)
    recipes = [spec.draw(rng) for _ in range(2)]
    lq = degrade(hq, recipes[0])
    assert_guarantees(lq, hq, spec.scale)
    degrade(hq.flip(1), recipes[1])  # a neighbour in the batch
    again = Recipe.from_json(recipes[0].to_json())
    assert torch.equal(lq, degrade(hq, again))
    images = torch.stack((hq, hq.flip(1)))
    together, alone = (
        degrade(images, make_plan(recipes, images.shape)),
        degrade(hq[None], make_plan([again], (1, *hq.shape))),
    )
    assert_guarantees(together[0], hq, spec.scale)
    assert torch.equal(together[:1], alone)


@settings(max_examples=150, deadline=None)
@given(SPECS, st.integers(0, 2**32), st.tuples(st.integers(1, 80), st.integers(1, 80)), st.sampled_from([1, 3]))
def test_any_valid_spec_seed_and_size_keeps_the_guarantees(spec, seed, sides, channels):
    assert_any_spec_keeps_the_guarantees(spec, seed, sides, channels)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(SPECS, st.integers(0, 2**32), st.tuples(st.integers(1, 300), st.integers(1, 300)), st.sampled_from([1, 3]))
def test_very_many_specs_seeds_and_sizes_keep_the_guarantees(spec, seed, sides, channels):
    assert_any_spec_keeps_the_guarantees(spec, seed, sides, channels)
