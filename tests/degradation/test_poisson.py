"""Poisson noise against the exact distribution and its formulas."""

import numpy as np
import pytest
import torch
from scipy import stats

from wildsr.degradation.cpu import _tables, poisson_noise
from wildsr.degradation.operations.noise import poisson_on_device


@pytest.mark.parametrize("peak", [1, 4, 64, 256])
def test_the_tables_hold_the_poisson_distribution_of_every_level(peak):
    cut, noise = (table.double() for table in _tables(peak))
    x = torch.arange(256, dtype=torch.float64) / 255
    counts = ((noise.view(256, 512) + x[:, None]) * peak).round().long()
    cut = cut.view(256, 256) / 2**23
    shares = torch.stack((cut, 1 - cut), 2).view(256, 512) / 256
    found = torch.zeros(256, 512, dtype=torch.float64).scatter_add_(1, counts, shares)
    exact = stats.poisson.pmf(np.arange(512)[None], (x * peak).numpy()[:, None])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize("draw", [poisson_noise, poisson_on_device])
def test_mean_is_zero_and_variance_is_x_over_v(draw):
    levels = (torch.arange(16) * 17.0).repeat_interleave(90_000).view(1, 16, 90_000)
    noise = draw(levels, torch.Generator().manual_seed(0))
    assert noise.dtype == torch.float32 and noise.shape == levels.shape
    for level, drawn in zip(range(0, 256, 17), noise[0].double(), strict=True):
        variance = level / 255 / 16
        assert drawn.mean().item() == pytest.approx(0, abs=5 * (variance / 90_000) ** 0.5 + 1e-6)
        assert drawn.var().item() == pytest.approx(variance, rel=0.03, abs=1e-12)


@pytest.mark.parametrize("draw", [poisson_noise, poisson_on_device])
@pytest.mark.parametrize(("distinct", "v"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (64, 64), (65, 128), (256, 256)])
def test_v_is_the_number_of_levels_rounded_up_to_a_power_of_two(draw, distinct, v):
    levels = torch.linspace(255, 255 - distinct + 1, distinct).repeat(200).view(1, 1, -1)
    counts = (draw(levels, torch.Generator().manual_seed(0)).double() + levels / 255) * v
    assert torch.allclose(counts, counts.round(), atol=1e-3)
    assert counts.mean().item() == pytest.approx(levels.mean().item() / 255 * v, rel=0.15)


def test_black_stays_black():
    assert (poisson_noise(torch.zeros(3, 20, 20), torch.Generator()) == 0).all()
