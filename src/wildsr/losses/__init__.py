"""The terms of the generator's objective; each has a weight, and says which target it compares with."""

from wildsr.losses.adversarial import AdversarialLoss, HingeLoss, LeastSquaresLoss
from wildsr.losses.artifacts import LDLLoss
from wildsr.losses.features import BACKBONES, RELEASED_LAYERS, SEGMENTATION_LAYERS
from wildsr.losses.perceptual import PerceptualLoss
from wildsr.losses.released import released_losses
from wildsr.losses.terms import CharbonnierLoss, L1Loss, LossTerm, MSELoss, Target, Term

__all__ = [
    "BACKBONES",
    "RELEASED_LAYERS",
    "SEGMENTATION_LAYERS",
    "AdversarialLoss",
    "CharbonnierLoss",
    "HingeLoss",
    "L1Loss",
    "LDLLoss",
    "LeastSquaresLoss",
    "LossTerm",
    "MSELoss",
    "PerceptualLoss",
    "Target",
    "Term",
    "released_losses",
]
