"""LPIPS and DISTS: distances between the features that two images have in a network. Lower is closer.

The networks and their heads are torchmetrics'; their backbones are torchvision's, downloaded once.

Zhang, Isola, Efros, Shechtman, Wang: "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018; here on AlexNet, as papers report it. Ding, Ma, Wang, Simoncelli: "Image Quality Assessment: Unifying Structure
and Texture Similarity", IEEE TPAMI 44 (5), 2022.
"""

# B batch, C = 1 or 3, H W image

import logging
from functools import cache
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.dists import DISTSNetwork
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import AlexNet_Weights, VGG16_Weights

from wildsr.io import first_line
from wildsr.metrics.base import ImageMetric
from wildsr.metrics.pixels import pair_levels
from wildsr.networks.released import torch_download

log = logging.getLogger(__name__)

WEIGHTS = {"lpips": AlexNet_Weights.IMAGENET1K_V1, "dists": VGG16_Weights.IMAGENET1K_V1}  # of the backbones


class LearnedDistance(ImageMetric):
    """Measure the mean distance over images, as a network sees it; lower is closer.

    Args:
        network: (1, 3, H, W) twice, in [0, 1], to the distance of the two.
        border: pixels cut off each side before measuring.
    """

    higher_is_better = False

    def __init__(self, network: nn.Module, border: int = 0) -> None:
        super().__init__()
        self.network, self.border = network, border

    def update(self, sr: Tensor, hq: Tensor) -> None:
        """Score each image; both (B, C, H, W) or (C, H, W) float in [0, 1].

        Raises:
            ValueError: the shapes differ, or are not as above.
            UserError: the border leaves nothing.
        """
        given, wanted = ((x / 255).float().to(self.device) for x in pair_levels(sr, hq, self.border))
        for one, other in zip(given, wanted, strict=True):
            with torch.autocast(self.device.type, enabled=False):  # the same figures whatever a run trains in
                score = self.network(one.expand(1, 3, -1, -1), other.expand(1, 3, -1, -1))
            self.add(score.reshape(1))


class LpipsNetwork(nn.Module):
    """Compute torchmetrics' LPIPS of images in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.net = LearnedPerceptualImagePatchSimilarity(net_type="alex").net

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        distance: Tensor = self.net(sr, hq, normalize=True)
        return distance


@cache
def learned_network(name: str) -> nn.Module | None:
    """Load the network of lpips or dists; None, and a warning that says why, where its weights cannot be had.

    Made once a process and shared. Draws no random number that anything else would miss.
    """
    url = WEIGHTS[name].url
    try:
        with torch_download(url), torch.random.fork_rng(devices=[]):
            network: nn.Module = LpipsNetwork() if name == "lpips" else DISTSNetwork()
    except (OSError, HTTPException, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        log.warning("%s is left out: no weights (%s); put %s into %s", name, first_line(error), url, folder)
        return None
    return network.eval().requires_grad_(False)
