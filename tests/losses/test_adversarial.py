"""The adversarial loss against its formula."""

import math

import pytest
import torch

from wildsr.losses import AdversarialLoss
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
