"""The adversarial loss against its formula."""

import math

import pytest
import torch

from wildsr.losses import AdversarialLoss, HingeLoss, LeastSquaresLoss
from wildsr.losses.adversarial import cross_entropy


@pytest.mark.parametrize(
    ("logit", "real", "wanted"),
    [
        (0.0, True, math.log(2)),
        (0.0, False, math.log(2)),
        (2.0, True, math.log(1 + math.exp(-2))),
        (2.0, False, math.log(1 + math.exp(2))),
        (100.0, False, 100.0),
    ],
)
def test_the_loss_is_the_cross_entropy_of_the_logit(logit: float, real: bool, wanted: float) -> None:
    assert cross_entropy(torch.full((2, 1, 4, 4), logit), real).item() == pytest.approx(wanted, rel=1e-6)


def test_the_loss_is_the_mean_over_pixels() -> None:
    wanted = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    assert AdversarialLoss()(torch.tensor([[0.0, 2.0]])).item() == pytest.approx(wanted, rel=1e-6)


def test_the_generator_asks_for_real_and_the_discriminator_for_both() -> None:
    term, real, fake = AdversarialLoss(), torch.tensor([3.0]), torch.tensor([1.0])
    assert term(fake).item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)
    wanted = math.log(1 + math.exp(-3)) + math.log(1 + math.exp(1))
    assert term.discriminator_loss(real, fake).item() == pytest.approx(wanted, rel=1e-6)


REAL, FAKE = torch.tensor([[3.0, 0.5]]), torch.tensor([[-2.0, 0.5]])


def test_least_squares_are_the_papers_halves() -> None:
    term = LeastSquaresLoss()
    assert term(FAKE).item() == pytest.approx((9 + 0.25) / 2 / 2)  # to 1: -3 and -0.5
    wanted = (4 + 0.25) / 2 / 2 + (4 + 0.25) / 2 / 2  # real to 1: 2 and -0.5; fake to 0: -2 and 0.5
    assert term.discriminator_loss(REAL, FAKE).item() == pytest.approx(wanted)
    undecided = torch.full((1, 4), 0.5)
    assert term.discriminator_loss(undecided, undecided).item() == 0.25


def test_hinge_asks_nothing_beyond_one() -> None:
    term = HingeLoss()
    assert term(FAKE).item() == pytest.approx(0.75)  # -(-2 + 0.5) / 2
    assert term.discriminator_loss(REAL, FAKE).item() == pytest.approx((0 + 0.5) / 2 + (0 + 1.5) / 2)
    assert term.discriminator_loss(torch.zeros(4), torch.zeros(4)).item() == 2
    real = REAL.clone().requires_grad_()
    term.discriminator_loss(real, FAKE).backward()
    assert real.grad.tolist() == [[0.0, -0.5]]


@pytest.mark.parametrize("term", [AdversarialLoss(), LeastSquaresLoss(), HingeLoss()], ids=lambda t: type(t).__name__)
def test_a_step_down_each_loss_moves_logits_the_right_way(term) -> None:
    real, fake, generated = (torch.zeros(3, requires_grad=True) for _ in range(3))
    term.discriminator_loss(real, fake).backward()
    term(generated).backward()
    assert (real.grad < 0).all() and (fake.grad >= 0).all() and (generated.grad < 0).all()


@pytest.mark.parametrize("term", [AdversarialLoss(), LeastSquaresLoss(), HingeLoss()], ids=lambda t: type(t).__name__)
def test_a_draw_is_the_least_loss_of_logits_that_are_alike(term) -> None:
    found = [
        term.discriminator_loss(torch.full((1,), v), torch.full((1,), v)).item() for v in (-1.0, -0.5, 0.0, 0.5, 1.0)
    ]
    assert min(found) == pytest.approx(term.draw)
