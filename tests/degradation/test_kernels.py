"""Kernels against golden figures and figures computed by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from wildsr.degradation import render_kernel
from wildsr.degradation.kernels import BLUR_FIELDS, Blur, render_kernels, render_taps

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "kernels.npz")


def golden_blur(row: int) -> Blur:
    kind = str(GOLDEN["kind"][row])
    return Blur(kind, int(GOLDEN["size"][row]), **{key: float(GOLDEN[key][row]) for key in BLUR_FIELDS[kind]})


BLURS = [golden_blur(row) for row in range(len(GOLDEN["kind"]))]


def test_a_batch_of_all_kinds_equals_the_golden_kernels_to_a_millionth():
    assert {blur.kind for blur in BLURS} == set(BLUR_FIELDS)
    rendered = render_kernels(BLURS)
    assert rendered.dtype == torch.float32
    np.testing.assert_allclose(rendered, GOLDEN["kernel"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("row", range(len(BLURS)), ids=lambda row: f"{BLURS[row].kind}-{BLURS[row].size}")
def test_a_kernel_alone_has_its_own_size_and_the_same_figures(row):
    kernel = render_kernel(BLURS[row])
    margin = (21 - BLURS[row].size) // 2
    inner = slice(margin, 21 - margin)
    assert kernel.shape == (BLURS[row].size, BLURS[row].size)
    np.testing.assert_allclose(kernel, GOLDEN["kernel"][row][inner, inner], rtol=0, atol=1e-6)


def test_kernels_sum_to_one_are_symmetric_and_negative_only_for_sinc():
    for blur, kernel in zip(BLURS, render_kernels(BLURS), strict=True):
        assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
        assert torch.allclose(kernel, kernel.flip(0, 1), atol=1e-7)
        assert blur.kind == "sinc" or (kernel >= 0).all(), blur


def test_an_iso_kernel_is_the_outer_product_of_its_taps():
    for blur in BLURS:
        if blur.kind == "iso":
            taps = render_taps(blur)
            assert torch.allclose(torch.outer(taps, taps), render_kernel(blur), atol=1e-7)


def test_three_taps_of_sigma_one_by_hand():
    side = math.exp(-0.5)
    centre = 1 / (1 + 2 * side) ** 2
    kernel = render_kernel(Blur("iso", 3, sigma_x=1.0))
    expected = [[side * side, side, side * side], [side, 1, side], [side * side, side, side * side]]
    np.testing.assert_allclose(kernel, centre * np.array(expected), atol=1e-7)


def test_plateau_and_generalised_by_hand():
    # At one pixel from the centre q = 1 / 2² = 1 / 4, on the diagonal 1 / 2.
    plateau = render_kernel(Blur("plateau_iso", 3, sigma_x=2.0, beta=2.0))
    general = render_kernel(Blur("generalized_iso", 3, sigma_x=2.0, beta=2.0))
    assert plateau[1, 0] / plateau[1, 1] == pytest.approx(1 / (1 + 1 / 16), rel=1e-6)
    assert plateau[0, 0] / plateau[1, 1] == pytest.approx(1 / (1 + 1 / 4), rel=1e-6)
    assert general[1, 0] / general[1, 1] == pytest.approx(math.exp(-1 / 32), rel=1e-6)


def test_theta_turns_the_long_axis_from_x_towards_y():
    lying = render_kernel(Blur("aniso", 9, sigma_x=3.0, sigma_y=0.5, theta=0.0))
    standing = render_kernel(Blur("aniso", 9, sigma_x=3.0, sigma_y=0.5, theta=math.pi / 2))
    falling = render_kernel(Blur("aniso", 9, sigma_x=3.0, sigma_y=0.5, theta=math.pi / 4))
    assert lying[4, 8] > 100 * lying[8, 4]
    assert torch.allclose(lying.T, standing, atol=1e-7)
    assert falling[7, 7] > 100 * falling[1, 7]  # y points down, as rows do


def test_a_sinc_passes_low_frequencies_and_stops_high_ones():
    kernel = render_kernel(Blur("sinc", 21, cutoff=math.pi / 2)).double()
    x = torch.arange(-10, 11)
    response = {w: (kernel.sum(0) * torch.cos(w * x)).sum().item() for w in (0.0, math.pi / 4, math.pi)}
    assert response[0.0] == pytest.approx(1, abs=1e-6)
    assert response[math.pi / 4] == pytest.approx(1, abs=0.1)
    assert response[math.pi] == pytest.approx(0, abs=0.1)


def test_the_most_extreme_kernels_are_finite():
    shapes = [{"sigma_x": s, "beta": b} for s in (0.05, 50.0) for b in (0.1, 10.0)]
    blurs = [Blur(kind, 51, **shape) for kind in ("generalized_iso", "plateau_iso") for shape in shapes]
    blurs += [Blur("sinc", size, cutoff=w) for size in (3, 7, 21, 51) for w in np.linspace(0.05, math.pi, 400)]
    kernels = render_kernels(blurs)
    assert kernels.isfinite().all()
    assert kernels.abs().sum((1, 2)).max() < 20  # a sum near 0 would have blown a sinc up
