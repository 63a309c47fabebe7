"""Terms of the objective: any loss, with a weight and the target that it wants."""

import math

import pytest
import torch
from torch import nn

from wildsr.losses import AdversarialLoss, CharbonnierLoss, L1Loss, MSELoss, Term, released_losses


def test_a_term_is_the_loss_it_wraps_before_its_weight() -> None:
    sr, target = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 2.0)
    assert L1Loss(weight=5.0)(sr, target).item() == 2
    term = Term(nn.MSELoss(), weight=5.0, target="perceptual")
    assert (term(sr, target).item(), term.weight, term.target) == (4, 5.0, "perceptual")


def test_the_released_objective_is_l1_plus_a_tenth_of_the_adversarial_loss_when_no_network_is_wanted() -> None:
    terms = released_losses(perceptual=0)
    assert {name: (type(term), term.weight, term.target) for name, term in terms.items()} == {
        "pixel": (L1Loss, 1.0, "pixel"),
        "adversarial": (AdversarialLoss, 0.1, "adversarial"),
    }


def test_pixel_losses_are_their_formulas() -> None:
    sr, target = (
        torch.tensor([0.0, 0.3, 0.5, 1.0]).view(1, 1, 2, 2),
        torch.tensor([0.0, 0.0, 0.9, 1.0]).view(1, 1, 2, 2),
    )
    assert L1Loss()(sr, target).item() == pytest.approx((0.3 + 0.4) / 4)
    assert MSELoss()(sr, target).item() == pytest.approx((0.09 + 0.16) / 4)
    # sqrt(0.3^2 + 0.4^2) = 0.5, sqrt(0.4^2 + 0.4^2) = 0.4 sqrt 2, and epsilon twice.
    wanted = (0.4 + 0.5 + 0.4 * math.sqrt(2) + 0.4) / 4
    assert CharbonnierLoss(epsilon=0.4)(sr, target).item() == pytest.approx(wanted)
    assert CharbonnierLoss()(sr, sr).item() == pytest.approx(1e-3)


def test_charbonniers_gradient_is_that_of_l1_far_from_zero_and_none_at_zero() -> None:
    sr = torch.tensor([0.0, 0.5, -0.5], requires_grad=True)
    CharbonnierLoss()(sr, torch.zeros(3)).backward()
    assert (3 * sr.grad).tolist() == pytest.approx([0.0, 1.0, -1.0], abs=1e-5)  # d / sqrt(d^2 + epsilon^2)


def test_charbonnier_without_an_epsilon_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^epsilon: given 0, wanted a number from 1e-12 to 1"):
        CharbonnierLoss(epsilon=0)
