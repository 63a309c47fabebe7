"""What only a GPU can show; these tests run where there is one: pytest -m gpu."""

import dataclasses

import numpy as np
import pytest
import torch

from wildsr.degradation import DegradationSpec, degrade, jpeg, sharpen

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
    assert torch.cuda.max_memory_allocated() - before < 40 * 2000 * 1200  # of 140 bytes a pixel in tensor arithmetic


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
