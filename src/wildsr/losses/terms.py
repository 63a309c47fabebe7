"""Terms of the generator's objective: a loss, its weight, and which target it compares with."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.checks import checked_number

Target = Literal["pixel", "perceptual", "adversarial"]


class LossTerm(Protocol):
    """Compare two batches: any callable object with a weight and, unless it is "pixel", the target it wants.

    A term with a method `discriminator_loss(real_logits, fake_logits)` is adversarial: it is called with the
    discriminator's logits for the generator's images, and its method gives the discriminator's own loss.
    A term with `needs_average = True` is given a third batch: what the averaged generator makes of the same input.
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
    """Compare by the mean absolute error: mean |sr - target|.

    The pixel loss of Real-ESRGAN (Wang et al. 2021, section 4.1) and of most since EDSR (Lim et al., "Enhanced Deep
    Residual Networks for Single Image Super-Resolution", CVPRW 2017).
    """

    def __init__(self, weight: float = 1.0, target: Target = "pixel") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Return a scalar, not negative, before its weight."""
        return F.l1_loss(sr, target)


class CharbonnierLoss(nn.Module):
    """Compare by an absolute error that is smooth at 0: mean sqrt((sr - target)^2 + epsilon^2).

    About |sr - target| where that is far above epsilon, a parabola below; epsilon where the two are equal.
    Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP 1994;
    in super-resolution since LapSRN (Lai et al., CVPR 2017), which has 0.001 for epsilon.

    Args:
        weight: of the term in the generator's sum.
        target: which of a pair's targets it compares with.
        epsilon: where the parabola goes over into the straight line, of images in [0, 1].

    Raises:
        ValueError: epsilon is not a positive number.
    """

    def __init__(self, weight: float = 1.0, target: Target = "pixel", epsilon: float = 1e-3) -> None:
        super().__init__()
        self.weight, self.target = weight, target
        self.epsilon = checked_number("epsilon", epsilon, 1e-12, 1.0)

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Return a scalar, at least epsilon, before its weight."""
        return ((sr - target).square() + self.epsilon**2).sqrt().mean()


class MSELoss(nn.Module):
    """Compare by the mean squared error: mean (sr - target)^2, which PSNR is the logarithm of.

    The loss of SRCNN (Dong et al., "Learning a Deep Convolutional Network for Image Super-Resolution", ECCV 2014).
    """

    def __init__(self, weight: float = 1.0, target: Target = "pixel") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Return a scalar, not negative, before its weight."""
        return F.mse_loss(sr, target)
