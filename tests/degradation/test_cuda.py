"""What only a GPU can show; these tests run where there is one: pytest -m gpu."""

import dataclasses

import numpy as np
import pytest
import torch

from wildsr.degradation import DegradationSpec, degrade, jpeg, make_plan, sharpen

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def image() -> torch.Tensor:
    return torch.rand(3, 128, 160, generator=torch.Generator().manual_seed(0))


def test_nothing_waits_for_the_device():
    rng, hq = np.random.default_rng(0), image().cuda()
    recipes = [DegradationSpec().draw(rng) for _ in range(50)]
    degrade(hq, recipes[0])  # the first call sets up libraries
    torch.cuda.set_sync_debug_mode("error")
    try:
        for recipe in recipes:
            degrade(hq, recipe)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_jpeg_is_the_same_bytes_as_on_a_cpu():
    levels = (image() * 255).round() / 255
    for quality in (1, 10, 50, 95, 100):
        assert torch.equal(jpeg(levels.cuda(), quality).cpu(), jpeg(levels, quality))


def test_a_whole_photograph_is_coded_in_little_memory():
    picture = torch.rand(3, 2000, 1200, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    device = picture.cuda()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    assert torch.equal(jpeg(device, 70).cpu(), jpeg(picture, 70))
    assert torch.cuda.max_memory_allocated() - before < 40 * 2000 * 1200  # of 150 bytes a pixel in tensor arithmetic


def test_a_recipe_without_noise_is_that_of_a_cpu_to_a_few_pixels():
    hq, rng = image(), np.random.default_rng(1)
    assert torch.allclose(sharpen(hq.cuda()).cpu(), sharpen(hq), atol=1e-5)
    for _ in range(20):
        recipe = DegradationSpec().draw(rng)
        quiet = dataclasses.replace(recipe, steps=[step for step in recipe.steps if step.op != "noise"])
        difference = (degrade(hq.cuda(), quiet).cpu() - degrade(hq, quiet)).abs() * 255
        assert difference.mean() < 0.5  # a level rounded the other way changes a JPEG block


def test_a_recipe_replays_bit_exactly():
    hq, recipe = image().cuda(), DegradationSpec().draw(np.random.default_rng(2))
    assert torch.equal(degrade(hq, recipe), degrade(hq, recipe))


def batch(count: int = 24) -> tuple[torch.Tensor, list]:
    rng = np.random.default_rng(3)
    return torch.rand(count, 3, 128, 160, generator=torch.Generator().manual_seed(0)), [
        DegradationSpec().draw(rng) for _ in range(count)
    ]


def test_a_batch_waits_for_nothing_and_replays_bit_exactly():
    hq, recipes = batch()
    hq = hq.cuda()
    expected = degrade(hq, recipes)  # the first call sets up libraries
    plan = make_plan(recipes, hq.shape).pin_memory()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = degrade(sharpen(hq), plan)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found.shape == expected.shape
    assert torch.equal(degrade(hq, plan), expected)


def test_an_image_is_the_same_alone_and_in_a_batch_but_for_a_rounding_here_and_there():
    """Noise and JPEG are equal, bit for bit; a convolution may add its products in another order."""
    hq, recipes = batch()
    together = degrade(hq.cuda(), recipes)
    alone = torch.cat([degrade(hq[i : i + 1].cuda(), recipes[i : i + 1]) for i in range(len(hq))])
    difference = (together - alone).abs() * 255
    assert difference.mean() < 0.05 and (difference == 0).float().mean() > 0.98


def test_a_batch_is_that_of_a_cpu_to_a_few_pixels_where_it_has_no_noise():
    hq, recipes = batch()
    quiet = [dataclasses.replace(r, steps=[step for step in r.steps if step.op != "noise"]) for r in recipes]
    difference = (degrade(hq.cuda(), quiet).cpu() - degrade(hq, quiet)).abs() * 255
    assert difference.mean() < 0.15


def test_gaussian_noise_is_that_of_an_image_by_itself():
    hq, recipes = batch()
    gaussian = [
        dataclasses.replace(r, steps=[s for s in r.steps if s.op != "noise" or s.record.kind == "gaussian"])
        for r in recipes
    ]
    one_by_one = torch.stack([degrade(image, recipe) for image, recipe in zip(hq.cuda(), gaussian, strict=True)])
    assert (degrade(hq.cuda(), gaussian) - one_by_one).abs().mean() * 255 < 0.15


def test_a_batch_holds_at_most_160_bytes_for_a_pixel_of_its_largest_canvas():
    hq, recipes = batch(48)
    hq, plan = hq.cuda(), make_plan(recipes, hq.shape)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    degrade(hq, plan)
    canvas = max(
        len(call.places) * max(h for h, _ in sizes) * max(w for _, w in sizes)
        for group in plan.groups
        for call in group.calls
        for sizes in (call.step.before, call.step.after)
    )
    assert torch.cuda.max_memory_allocated() - before < 160 * canvas + 2 * hq.numel() * 4 + 2**26
