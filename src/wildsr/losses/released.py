"""The objective of the released Real-ESRGAN (paper, section 4.1)."""

from __future__ import annotations

from typing import Any

from wildsr.losses.adversarial import AdversarialLoss
from wildsr.losses.perceptual import PerceptualLoss
from wildsr.losses.terms import L1Loss


def released_losses(perceptual: float = 1.0) -> dict[str, Any]:
    """Return the terms of the GAN stage by name: pixel 1, perceptual 1, adversarial 0.1.

    Args:
        perceptual: another weight of the perceptual term. 0 leaves it out, and with it VGG19 and its download.

    Raises:
        ValueError, FileNotFoundError: as PerceptualLoss.
    """
    terms: dict[str, Any] = {"pixel": L1Loss(), "adversarial": AdversarialLoss()}
    if perceptual:
        terms["perceptual"] = PerceptualLoss(perceptual)
    return terms
