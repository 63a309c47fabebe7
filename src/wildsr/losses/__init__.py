"""The losses of the GAN stage beyond torch's `l1_loss`."""

from wildsr.losses.adversarial import adversarial_loss
from wildsr.losses.features import BACKBONES, RELEASED_LAYERS, SEGMENTATION_LAYERS
from wildsr.losses.perceptual import PerceptualLoss

__all__ = ["BACKBONES", "RELEASED_LAYERS", "SEGMENTATION_LAYERS", "PerceptualLoss", "adversarial_loss"]
