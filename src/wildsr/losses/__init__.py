"""The terms of the generator's objective; each has a weight, and says which target it compares with."""

from wildsr.losses.adversarial import AdversarialLoss
from wildsr.losses.features import BACKBONES, RELEASED_LAYERS, SEGMENTATION_LAYERS
from wildsr.losses.perceptual import PerceptualLoss
from wildsr.losses.released import released_losses
from wildsr.losses.terms import L1Loss, LossTerm, Target, Term

__all__ = [
    "BACKBONES",
    "RELEASED_LAYERS",
    "SEGMENTATION_LAYERS",
    "AdversarialLoss",
    "L1Loss",
    "LossTerm",
    "PerceptualLoss",
    "Target",
    "Term",
    "released_losses",
]
