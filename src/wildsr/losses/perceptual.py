"""The distance of two images in the eyes of a network that was trained on photographs."""

# B batch, C = 1 or 3, H W image

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.losses.features import BACKBONES, frozen_chain


class PerceptualLoss(nn.Module):
    """Weighted L1 distance between the features of two images.

    The features are VGG19's, as released, or those of a network trained for segmentation. The network is frozen and
    runs only as far as the deepest layer asked for. It is absent from `parameters()` and `state_dict()`, so no
    optimiser and no checkpoint sees it, and still moves with `.to(device)`.

    Example:
        >>> loss = PerceptualLoss("vgg19-dcbb9e9d.pth")  # doctest: +SKIP
        >>> loss(sr, target_perceptual).backward()  # doctest: +SKIP

    Args:
        weights: a file with torchvision's state dict of that network (.pth or .safetensors; the part that computes
            features suffices), or None for torchvision's own download into the cache of torch hub.
        layers: layer name to weight; None takes the backbone's own. VGG19: "conv3_4" is the fourth convolution of
            the third block, before its ReLU; the five blocks have 2, 2, 4, 4 and 4 of them. fcn_resnet50: "bn1" is
            the first convolution before its ReLU, "layer1" to "layer4" are the four groups of blocks.
        backbone: a name in BACKBONES.

    Raises:
        ValueError: a layer is unknown or none is given, or the file does not hold the network's features.
        FileNotFoundError: there is no such file, or the download failed.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        weights: str | Path | None = None,
        layers: Mapping[str, float] | None = None,
        backbone: str = "vgg19",
    ) -> None:
        super().__init__()
        chosen = BACKBONES[backbone]
        layers = chosen.layers if layers is None else layers
        self.features, places = frozen_chain(chosen, weights, list(layers))
        self.layer_weights = {places[name]: weight for name, weight in layers.items()}
        normalisation = chosen.weights.transforms()
        for name, values in (("mean", normalisation.mean), ("std", normalisation.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Distance of `sr` from `target`; gradients reach `sr` only.

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
        distances = [weight * F.l1_loss(given[i], wanted[i]) for i, weight in self.layer_weights.items()]
        return torch.stack(distances).sum()

    def _activations(self, image: Tensor) -> dict[int, Tensor]:
        """Place in `features` to what comes out there, for each layer asked for."""
        x = (image.expand(-1, 3, -1, -1) - self.mean) / self.std
        kept = {}
        for place, module in enumerate(self.features):
            x = module(x)
            if place in self.layer_weights:
                kept[place] = x
        return kept
