"""What a discriminator's logits cost the generator, and the discriminator itself."""

import torch
import torch.nn.functional as F
from torch import Tensor


def adversarial_loss(logits: Tensor, real: bool) -> Tensor:
    """Vanilla GAN loss: mean binary cross-entropy, in nats, of logits that ought to say real (or fake).

    G asks for `real` of its own images; D for `real` of real ones, plus not `real` of G's.

    Example:
        >>> round(adversarial_loss(torch.zeros(1, 1, 4, 4), real=True).item(), 4)  # log 2
        0.6931

    Args:
        logits: any shape.
        real: whether they ought to say "real".

    Returns:
        A scalar, not negative.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
