"""Terms of the objective: any loss, with a weight and the target that it wants."""

import torch
from torch import nn

from wildsr.losses import AdversarialLoss, L1Loss, Term, released_losses


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
