"""GAN losses: what a discriminator's logits cost the generator, and the discriminator itself.

Shapes: D(x) logits for real images, D(G) those for generated ones, each of any shape; E their mean.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.losses.terms import Target


class AdversarialLoss(nn.Module):
    """Compute the vanilla GAN loss: mean binary cross-entropy, in nats, of logits of any shape.

    Generator: E[-log s(D(G))], s the sigmoid. Discriminator: E[-log s(D(x))] + E[-log(1 - s(D(G)))]. The generator
    asks for "real" of its own images; the discriminator for "real" of real ones, plus "fake" of the generator's.
    Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, with its non-saturating generator; the loss of
    Real-ESRGAN.

    Example:
        >>> round(AdversarialLoss()(torch.zeros(1, 1, 4, 4)).item(), 4)  # log 2
        0.6931

    Args:
        weight: of the term in the generator's sum; the discriminator's loss has none.
        target: the images that are real to the discriminator.
    """

    draw = 2 * math.log(2)  # the discriminator's loss, at best, where it cannot tell real from fake

    def __init__(self, weight: float = 0.1, target: Target = "adversarial") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss, a scalar, not negative, before its weight."""
        return cross_entropy(fake_logits, is_real=True)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, the sum for both; 2 log 2 where it cannot tell them apart."""
        return cross_entropy(real_logits, is_real=True) + cross_entropy(fake_logits, is_real=False)


class LeastSquaresLoss(nn.Module):
    """Compute the least-squares GAN loss, of logits of any shape: fake is 0, real is 1.

    Generator: E[(D(G) - 1)^2] / 2. Discriminator: E[(D(x) - 1)^2] / 2 + E[D(G)^2] / 2. Mao et al., "Least Squares
    Generative Adversarial Networks", ICCV 2017, equation 9. Programs that leave out the halves learn as this one does
    with twice the weight.

    Args:
        weight: of the term in the generator's sum; the discriminator's loss has none.
        target: the images that are real to the discriminator.
    """

    draw = 0.25  # the discriminator's loss, at best, where it cannot tell real from fake

    def __init__(self, weight: float = 0.1, target: Target = "adversarial") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss, a scalar, not negative, before its weight."""
        return (fake_logits - 1).square().mean() / 2

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, not negative; 1/4 at best where it cannot tell them apart."""
        return (real_logits - 1).square().mean() / 2 + fake_logits.square().mean() / 2


class HingeLoss(nn.Module):
    """Compute the hinge GAN loss, of logits of any shape.

    Generator: -E[D(G)], of either sign. Discriminator: E[max(0, 1 - D(x))] + E[max(0, 1 + D(G))], which asks nothing
    more of logits above 1 for real and below -1 for fake images. Lim and Ye, "Geometric GAN", 2017 (arXiv 1705.02894);
    Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018, equations 16 and 17.

    Args:
        weight: of the term in the generator's sum; the discriminator's loss has none.
        target: the images that are real to the discriminator.
    """

    draw = 2.0  # the discriminator's loss, at best, where it cannot tell real from fake

    def __init__(self, weight: float = 0.1, target: Target = "adversarial") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss, a scalar of either sign, before its weight."""
        return -fake_logits.mean()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, not negative; 2 at best where it cannot tell them apart."""
        return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def cross_entropy(logits: Tensor, is_real: bool) -> Tensor:
    """Return the mean binary cross-entropy of logits whose images are all real, or all fake."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))
