"""A batch at a time is one by one: the same images, beside any neighbours, in few operators and without a wait."""

# B images, H W sides

import io
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationSequential, RandomHorizontalFlip
from PIL import Image
from torch import Generator, Tensor

from wildsr.data import sample_photographs
from wildsr.degradation import (
    Degradation,
    DegradationSpec,
    OrderSpec,
    Recipe,
    Step,
    degrade,
    make_plan,
    pipeline,
)
from wildsr.degradation.batched.form import BatchStep, shape_of
from wildsr.degradation.operations import Jpeg, Noise, NoiseSpec, ResizeSpec
from wildsr.degradation.operations.jpeg import JpegBatch
from wildsr.degradation.operations.resize import MODES
from wildsr.degradation.taps import resize_taps

PHOTOGRAPH = sample_photographs(["astronaut.png"])[0].float() / 255
SPEC = DegradationSpec()


def crops(count: int, height: int, width: int) -> Tensor:
    places = [(17 * i % (512 - height), 29 * i % (512 - width)) for i in range(count)]
    return torch.stack([PHOTOGRAPH[:, y : y + height, x : x + width] for y, x in places])


def drawn(count: int, seed: int = 0, spec: DegradationSpec = SPEC) -> list[Recipe]:
    return [spec.draw(np.random.default_rng([seed, i])) for i in range(count)]


def only(recipe: Recipe, *kinds: str) -> Recipe:
    """Leave out noise but that of these kinds."""
    return replace(recipe, steps=[s for s in recipe.steps if s.op != "noise" or s.record.kind in kinds])


def batched(images: Tensor, recipes: list[Recipe]) -> Tensor:
    return degrade(images, make_plan(recipes, images.shape))


def one_by_one(images: Tensor, recipes: list[Recipe]) -> Tensor:
    return torch.stack([degrade(image, recipe) for image, recipe in zip(images, recipes, strict=True)])


def test_500_recipes_give_the_images_of_the_one_by_one_path_without_noise_and_with_gaussian_noise():
    resize = {"resize": ResizeSpec(modes=MODES)}
    spec = DegradationSpec(first=OrderSpec(**{**SPEC.orders["first"].operations, **resize}))
    found: dict[bool, list[Tensor]] = {True: [], False: []}
    for seed in range(10):
        recipes, images = [only(recipe, "gaussian") for recipe in drawn(50, seed, spec)], crops(50, 56, 48 + 4 * seed)
        differences = (batched(images, recipes) - one_by_one(images, recipes)).abs().flatten(1).mean(1) * 255
        for recipe, difference in zip(recipes, differences, strict=True):
            found["noise" in {step.op for step in recipe.steps}].append(difference)
    assert min(map(len, found.values())) > 100 and sum(map(len, found.values())) == 500
    for differences in map(torch.stack, found.values()):
        # Where a rounding falls the other way before a JPEG, its block is another.
        assert differences.mean() < 0.15 and (differences < 0.15).float().mean() > 0.95


def test_an_image_has_the_same_bits_alone_and_in_a_batch():
    images, recipes = crops(40, 72, 96), drawn(40)
    together = batched(images, recipes)
    alone = torch.cat([batched(images[i : i + 1], recipes[i : i + 1]) for i in range(40)])
    assert torch.equal(together, alone)
    assert torch.equal(batched(images[5:17], recipes[5:17]), together[5:17])


def test_the_images_and_the_callers_random_numbers_are_left_as_they_were():
    images, recipes = crops(6, 64, 64), drawn(6)
    before, state = images.clone(), torch.get_rng_state()
    batched(images, recipes)
    assert torch.equal(images, before) and torch.equal(torch.get_rng_state(), state)


def noisy(images: Tensor, noise: Noise) -> Tensor:
    recipes = [Recipe(1, seed, [Step("first", NoiseSpec, noise)]) for seed in range(3, 3 + len(images))]
    return pipeline.run_plan(images, make_plan(recipes, images.shape))


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
@pytest.mark.parametrize("grey", [True, False])
def test_noise_differs_between_the_images_of_a_batch(kind, grey):
    noise = noisy(torch.full((2, 3, 64, 64), 0.5), Noise(kind, 0.5, grey)) - 0.5
    correlation = np.corrcoef(noise[0, 0].flatten(), noise[1, 0].flatten())[0, 1]
    assert abs(correlation) < 0.08  # five standard deviations of 4096 independent pairs


def test_each_image_of_a_batch_has_its_own_number_of_levels():
    levels = torch.stack((torch.full((1, 60, 60), 51.0), torch.arange(3600).view(1, 60, 60) % 128.0))
    x = levels.double() / 255
    noise = (noisy(levels / 255, Noise("poisson", 0.25, False)).double() - x) / 0.25
    counts = noise[0] + x[0]  # one level: V = 1
    assert torch.allclose(counts, counts.round(), atol=1e-5) and len(counts.round().unique()) > 2
    assert noise[1].var().item() == pytest.approx(x[1].mean().item() / 128, rel=0.1)


@pytest.mark.parametrize("grey", [False, True])
def test_poisson_noise_has_the_mean_and_the_variance_of_its_formula(grey):
    """x + s (Poisson(x V) / V - x): mean x, variance s² x / V; three levels make V = 4."""
    height, levels = 400, torch.tensor([51.0, 102.0, 255.0])
    image = (levels / 255).repeat_interleave(100)[None, None].expand(3, height, 300)
    images = torch.stack([image, image.flip(2)])
    made = noisy(images, Noise("poisson", 0.5, grey))
    assert torch.equal(made[:, 0], made[:, 1]) == grey
    for x, columns in ((0.2, slice(0, 100)), (0.4, slice(100, 200))):
        found = torch.cat((made[0, 0, :, columns], made[1, 0].flip(1)[:, columns])).double()
        deviation = 0.5 * (x / 4) ** 0.5
        # The lowest is x / 2; only counts from 7 on are clipped, of which there is one in a thousand at x = 0.4.
        assert found.mean() == pytest.approx(x, abs=5 * deviation / found.numel() ** 0.5 + 3e-4)
        assert found.std() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_jpeg_is_libjpegs_bytes_whatever_the_sizes(subsampling, channels):
    sizes = [(64, 48), (33, 17), (16, 16), (7, 5), (5, 3), (1, 1), (50, 4), (2, 90)]
    for group in (sizes[:4] + sizes[7:], sizes[4:7]):  # those at most 4 pixels wide go apart
        canvas = torch.rand(len(group), channels, 64, 90, generator=Generator().manual_seed(0))
        records = [Jpeg(quality, subsampling) for quality in (1, 30, 77, 95, 100)[: len(group)]]
        assert len({JpegBatch.key(record, size) for record, size in zip(records, group, strict=True)}) == 1
        step = BatchStep(records, channels, group, group, (1, 1))
        tables = {name: torch.from_numpy(table) for name, table in JpegBatch.tables(step).items()}
        own = canvas[..., : shape_of(group)[0], : shape_of(group)[1]].clone()
        found = JpegBatch.apply(own, step, tables, [])
        for image, coded, record, (height, width) in zip(canvas, found, records, group, strict=True):
            levels = (image[:, :height, :width] * 255).round().byte().permute(1, 2, 0).numpy()
            file = io.BytesIO()
            picture = Image.fromarray(levels.squeeze(2) if channels == 1 else levels)
            picture.save(file, "JPEG", quality=record.quality, subsampling=subsampling)
            expected = torch.from_numpy(np.array(Image.open(file)).reshape(levels.shape)).permute(2, 0, 1)
            assert torch.equal((coded[:, :height, :width] * 255).round().byte(), expected)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "lanczos"])
def test_taps_are_those_of_interpolate(mode):
    line = torch.rand(1, 1, 400, 1, generator=Generator().manual_seed(0)).repeat(1, 1, 1, 3)  # torch errs on width 1
    for length, wanted in ((400, 400), (400, 61), (400, 399), (83, 100), (7, 30), (2, 3), (1, 5), (120, 3), (31, 1)):
        short = line[:, :, :length]
        expected = F.interpolate(
            short, (wanted, 3), mode=mode.removesuffix("_antialias"), antialias=mode.endswith("antialias")
        )
        places, weights = resize_taps(mode, length, wanted)
        found = (short[0, 0, :, 0][places] * weights).sum(1)
        torch.testing.assert_close(found, expected[0, 0, :, 0], rtol=0, atol=3e-6)
        assert weights.sum(1) == pytest.approx(1, abs=1e-6)


@dataclass(frozen=True)
class Shade:
    amount: float

    def describe(self) -> str:
        return "shade"


@dataclass
class ShadeSpec:
    """An operation of someone's own, without a batched form, and not hashable."""

    name: ClassVar[str] = "shade"
    Record: ClassVar[type] = Shade
    most: float = 1.0

    def draw(self, rng, context):
        return Shade(self.most * float(rng.random()))

    @staticmethod
    def apply(image, record, generator, final_size):
        grain = torch.rand(image.shape, generator=generator, device=image.device)
        return image * record.amount + grain / 10


@dataclass(frozen=True)
class Halve(Shade):
    to_final_size = False


class HalveSpec(ShadeSpec):
    """An operation of someone's own that resizes."""

    name, Record = "halve", Halve

    @staticmethod
    def apply(image, record, generator, final_size):
        return image[:, ::2, ::2]


class SilentSpec(HalveSpec):
    """An operation that resizes and does not say so."""

    name, Record = "silent", Shade


def with_own(operation, record) -> list[Recipe]:
    recipes = [only(recipe, "gaussian") for recipe in drawn(6)]
    return [replace(r, steps=[*r.steps[:2], Step("first", operation, record), *r.steps[2:]]) for r in recipes]


@pytest.mark.parametrize(("operation", "record"), [(ShadeSpec(), Shade(0.5)), (HalveSpec(), Halve(0.5))])
def test_an_operation_without_a_batched_form_goes_image_by_image(operation, record):
    images, recipes = crops(6, 64, 80), with_own(operation, record)
    assert (batched(images, recipes) - one_by_one(images, recipes)).abs().mean() * 255 < 0.15


def test_an_operation_that_resizes_without_a_word_is_refused_in_a_batch():
    with pytest.raises(ValueError, match=r"^silent: given \(3, \d+, \d+\), gave \(3, \d+, \d+\); wanted the same size"):
        batched(crops(6, 64, 80), with_own(SilentSpec(), Shade(0.5)))


def test_what_is_no_batch_is_refused():
    images, recipes = crops(3, 64, 64), drawn(3)
    with pytest.raises(ValueError, match=r"^images: given \(3, 64, 64\), wanted \(B, 1 or 3, H, W\)"):
        degrade(images[0], recipes)
    with pytest.raises(ValueError, match=r"^recipes: given 2 of the scales \[4\], wanted 3 of one scale"):
        make_plan(recipes[:2], images.shape)
    mixed = [*recipes[:2], *drawn(1, spec=DegradationSpec(scale=2))]
    with pytest.raises(ValueError, match=r"^recipes: given 3 of the scales \[2, 4\], wanted 3 of one scale"):
        make_plan(mixed, images.shape)
    with pytest.raises(ValueError, match=r"^recipes: given 3 of the scales \[2, 4\], wanted 3 of one scale"):
        degrade(images, mixed)
    with pytest.raises(ValueError, match=r"^images: given \(0, 3, 64, 64\), wanted \(B, 1 or 3, H, W\)"):
        degrade(images[:0], [])
    with pytest.raises(ValueError, match=r"^images: given \(3, 3, 64, 64\), wanted \(2, 3, 64, 64\), as planned"):
        degrade(images, make_plan(recipes[:2], (2, 3, 64, 64)))


def test_the_module_draws_by_a_generator_given_with_the_images_or_before():
    images = crops(3, 64, 64)
    recipes = [SPEC.draw(rng) for rng in [np.random.default_rng(7)] for _ in range(3)]
    expected = Degradation(SPEC)(images, recipes)
    assert torch.equal(Degradation(SPEC)(images, generator=np.random.default_rng(7)), expected)
    assert torch.equal(Degradation(SPEC, np.random.default_rng(7))(images), expected)
    with pytest.raises(ValueError, match=r"^recipes: given nothing, wanted a recipe each, or a NumPy generator"):
        Degradation(SPEC)(images)
    with pytest.raises(ValueError, match=r"^generator: given a Generator, wanted one of NumPy"):
        Degradation(SPEC)(images, generator=torch.Generator())


def test_it_is_a_plain_module_in_kornias_containers():
    images = crops(2, 64, 64)
    chain = AugmentationSequential(
        RandomHorizontalFlip(p=1.0), Degradation(SPEC, np.random.default_rng(7)), data_keys=["input"]
    )
    expected = Degradation(SPEC)(images.flip(3), generator=np.random.default_rng(7))
    assert torch.equal(chain(images), expected)


def test_apples_gpu_is_spared_and_it_is_said(monkeypatch, caplog):
    class OnMps(Tensor):
        device = torch.device("mps")

        def cpu(self):
            return self.as_subclass(Tensor)

    image, recipe = PHOTOGRAPH[:, :64, :64], drawn(1)[0]
    expected, real = degrade(image, recipe), Tensor.to
    back = lambda tensor, *where, **how: tensor if where[0] == torch.device("mps") else real(tensor, *where, **how)  # noqa: E731
    monkeypatch.setattr(Tensor, "to", back)
    assert torch.equal(degrade(image.as_subclass(OnMps), recipe), expected)
    assert "degraded on the CPU" in caplog.text
