"""The adversarial loss against its formula."""

import math

import pytest
import torch

from wildsr.losses import adversarial_loss


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
def test_adversarial_loss_is_the_cross_entropy_of_the_logit(logit: float, real: bool, wanted: float) -> None:
    assert adversarial_loss(torch.full((2, 1, 4, 4), logit), real).item() == pytest.approx(wanted, rel=1e-6)


def test_adversarial_loss_is_the_mean_over_pixels() -> None:
    logits = torch.tensor([[0.0, 2.0]])
    wanted = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    assert adversarial_loss(logits, real=True).item() == pytest.approx(wanted, rel=1e-6)
