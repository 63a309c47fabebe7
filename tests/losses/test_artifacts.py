"""LDL against its formula, computed pixel by pixel in float64, and against figures computed by hand."""

import numpy as np
import pytest
import torch

from wildsr.losses import LDLLoss
from wildsr.losses.artifacts import artifact_map


def images(count: int = 3) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, 12, 9, generator=rng, dtype=torch.float64) for _ in range(count)]


def map_by_loops(sr, target, averaged, window):
    """The paper's map, a window at a time, of one image (C, H, W) in NumPy."""
    residual, stable = np.abs(sr - target).sum(0), np.abs(averaged - target).sum(0)
    half = window // 2
    padded = np.pad(residual, half, mode="reflect")
    wanted = np.zeros_like(residual)
    for y, x in np.ndindex(residual.shape):
        if residual[y, x] >= stable[y, x]:
            wanted[y, x] = residual.var(ddof=1) ** 0.2 * padded[y : y + window, x : x + window].var(ddof=1)
    return wanted


@pytest.mark.parametrize("window", [3, 7])
def test_the_map_and_the_loss_are_the_papers(window: int) -> None:
    sr, target, averaged = images()
    found = artifact_map(sr, target, averaged, window)
    wanted = np.stack([map_by_loops(*(x[i].numpy() for x in (sr, target, averaged)), window) for i in range(2)])
    np.testing.assert_allclose(found[:, 0].numpy(), wanted, rtol=1e-9, atol=1e-12)
    loss = LDLLoss(window=window)(sr, target, averaged)
    assert loss.item() == pytest.approx((wanted[:, None] * (sr - target).abs().numpy()).mean(), rel=1e-9)
    single = LDLLoss(window=window)(*(x.float() for x in (sr, target, averaged)))
    assert single.item() == pytest.approx(loss.item(), rel=1e-5)


def test_one_wrong_pixel_costs_what_one_computes_by_hand() -> None:
    target = torch.zeros(1, 1, 9, 9)
    sr = target.clone()
    sr[..., 4, 4] = 0.5
    # Of n values one is 0.5: the variance is 0.25 / n, as (0.25 - n (0.5 / n)^2) / (n - 1) comes to.
    wanted = (0.25 / 81) ** 0.2 * (0.25 / 9) * 0.5 / 81
    assert LDLLoss(window=3)(sr, target, target).item() == pytest.approx(wanted, rel=1e-5)


def test_nothing_is_held_against_a_generator_that_is_nearer_than_its_average() -> None:
    target, averaged = images(2)
    nearer = target + 0.5 * (averaged - target)
    assert LDLLoss()(nearer, target, averaged).item() == 0
    assert LDLLoss()(averaged, target, nearer).item() > 0


def test_gradients_reach_the_map_and_never_the_average() -> None:
    sr, target, averaged = (image[:1, :1] for image in images())
    sr.requires_grad_(), averaged.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: LDLLoss(window=3)(x, target, averaged.detach()), sr)
    LDLLoss()(sr, target, averaged).backward()
    assert sr.grad.abs().sum() > 0 and averaged.grad is None


def test_equal_images_cost_nothing_and_leave_a_finite_gradient() -> None:
    sr = torch.full((1, 3, 8, 8), 0.25, requires_grad=True)
    loss = LDLLoss()(sr, torch.full((1, 3, 8, 8), 0.25), torch.zeros(1, 3, 8, 8))
    loss.backward()
    assert loss.item() == 0 and sr.grad.isfinite().all()


def test_a_window_that_is_even_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^window: given 4, wanted an odd number from 3"):
        LDLLoss(window=4)
