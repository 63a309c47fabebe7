"""The distance of two images between the features of a network that was trained on photographs."""

# B batch, C = 1 or 3, H W image

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.checks import checked_choice
from wildsr.losses.features import BACKBONES, frozen_features
from wildsr.losses.terms import Target


class PerceptualLoss(nn.Module):
    """Compare by the weighted L1 distance between the features of two images.

    The features are VGG19's, as released, or those of a network trained for segmentation. The network is frozen and
    runs only as far as the deepest layer asked for. It is absent from `parameters()` and `state_dict()`, so no
    optimiser and no checkpoint sees it, and still moves with `.to(device)`.

    Example:
        >>> loss = PerceptualLoss(file="vgg19-dcbb9e9d.pth")  # doctest: +SKIP
        >>> loss(sr, target_perceptual).backward()  # doctest: +SKIP

    Args:
        weight: of the term in the generator's sum. At 0 no network is read, and there is nothing to call.
        target: which of a pair's targets it compares with.
        backbone: a name in BACKBONES.
        layers: layer name to weight; None takes the backbone's own. VGG19: "conv3_4" is the fourth convolution of
            the third block, before its ReLU; the five blocks have 2, 2, 4, 4 and 4 of them. fcn_resnet50: "bn1" is
            the first convolution before its ReLU, "layer1" to "layer4" are the four groups of blocks.
        file: torchvision's state dict of that network (.pth or .safetensors; the part that computes features
            suffices), or None for torchvision's own download into the cache of torch hub.

    Raises:
        ValueError: the backbone or a layer is unknown, no layer is given, or the file does not hold its features.
        FileNotFoundError: there is no such file, or the download failed.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        weight: float = 1.0,
        target: Target = "perceptual",
        backbone: str = "vgg19",
        layers: Mapping[str, float] | None = None,
        file: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.weight, self.target = weight, target
        chosen = BACKBONES[checked_choice("backbone", backbone, BACKBONES)]
        if weight == 0:
            return
        layers = chosen.layers if layers is None else layers
        self.features = frozen_features(chosen, file, list(layers))
        self.layer_weights = dict(layers)
        normalisation = chosen.weights.transforms()
        for name, values in (("mean", normalisation.mean), ("std", normalisation.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Return the distance of `sr` from `target`, before its weight; gradients reach `sr` only.

        Args:
            sr: (B, C, H, W), about [0, 1] and not clamped. Grey counts as RGB of equal channels. VGG19's conv5
                needs at least 16 px a side.
            target: (B, C, H, W) in [0, 1].

        Returns:
            A scalar, not negative.
        """
        with torch.no_grad():
            wanted = self._activations(target)
        given = self._activations(sr)
        distances = [weight * F.l1_loss(given[name], wanted[name]) for name, weight in self.layer_weights.items()]
        return torch.stack(distances).sum()

    def _activations(self, image: Tensor) -> dict[str, Tensor]:
        """Map the names of the layers to what comes out there."""
        features: dict[str, Tensor] = self.features((image.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return features
