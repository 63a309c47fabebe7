"""Terms of the generator's objective: a loss, its weight, and which target it compares with."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

Target = Literal["pixel", "perceptual", "adversarial"]


class LossTerm(Protocol):
    """Compare two batches: any callable object with a weight and, unless it is "pixel", the target it wants.

    A term with a method `discriminator_loss(real_logits, fake_logits)` is adversarial: it is called with the
    discriminator's logits for the generator's images, and its method gives the discriminator's own loss.
    """

    weight: float
    target: Target

    def __call__(self, sr: Tensor, target: Tensor, /) -> Tensor: ...


class Term(nn.Module):
    """Make a term of any loss that compares two batches, such as one of torch, torchmetrics or kornia.

    Example:
        >>> import torch
        >>> term = Term(nn.MSELoss(), weight=0.5)
        >>> term(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 2.0)).item()  # the weight is the module's to apply
        4.0

    Args:
        loss: (sr, target) to a scalar.
        weight: of the term in the sum.
        target: which of a pair's targets it compares with.
    """

    def __init__(self, loss: Any, weight: float = 1.0, target: Target = "pixel") -> None:
        super().__init__()
        self.loss, self.weight, self.target = loss, weight, target

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Return the loss before its weight."""
        value: Tensor = self.loss(sr, target)
        return value


class L1Loss(nn.Module):
    """Compare by the mean absolute error."""

    def __init__(self, weight: float = 1.0, target: Target = "pixel") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Return a scalar, not negative, before its weight."""
        return F.l1_loss(sr, target)
