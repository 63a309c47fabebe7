"""The GAN loss: what a discriminator's logits cost the generator, and the discriminator itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.losses.terms import Target


class AdversarialLoss(nn.Module):
    """Compute the vanilla GAN loss: mean binary cross-entropy, in nats, of logits of any shape.

    The generator asks for "real" of its own images; the discriminator for "real" of real ones, plus "fake" of the
    generator's.

    Example:
        >>> round(AdversarialLoss()(torch.zeros(1, 1, 4, 4)).item(), 4)  # log 2
        0.6931

    Args:
        weight: of the term in the generator's sum; the discriminator's loss has none.
        target: the images that are real to the discriminator.
    """

    def __init__(self, weight: float = 0.1, target: Target = "adversarial") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss, a scalar, not negative, before its weight."""
        return cross_entropy(fake_logits, is_real=True)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, the sum for both; 2 log 2 where it cannot tell them apart."""
        return cross_entropy(real_logits, is_real=True) + cross_entropy(fake_logits, is_real=False)


def cross_entropy(logits: Tensor, is_real: bool) -> Tensor:
    """Return the mean binary cross-entropy of logits whose images are all real, or all fake."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))
