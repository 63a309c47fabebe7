"""The U-Net discriminator of Real-ESRGAN: a logit for every pixel.

Shapes: B batch, C channels of the image (1 or 3), H W image, F features; O I k k weight of a convolution.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wildsr.checks import checked_integer
from wildsr.io import UserError
from wildsr.networks.ends import first_weight

SLOPE = 0.2  # of every leaky ReLU in the released network
SMALLEST = 8  # three halvings


class UNetDiscriminator(nn.Module):
    """Classify (B, C, H, W) images in [0, 1]: (B, 1, H, W) logits, high where a pixel looks real.

    The layers bear the released names, `conv0` to `conv9`; the defaults have 4,376,897 parameters. Any size
    from 8 × 8 on. Sides that are multiples of 8 are the released network exactly; with others a
    halving drops the last row or column, and the way up repeats its neighbour in that place, so that the
    skips stay aligned.

    `conv1` to `conv8` have no bias and, with `spectral_norm`, a weight divided by its largest singular
    value. That value is estimated by power iteration, which in train mode advances **at every forward**: two
    forwards of one image differ slightly, and so do accumulated micro-batches from one batch. In eval mode
    nothing advances.

    Args:
        channels: C.
        features: F, the channels of `conv0`; the deepest layer has 8 F.
        spectral_norm: as released; False is the ablation, the same layers with plain weights.

    Raises:
        ValueError: `channels` or `features` is not positive and whole, or an input is smaller than 8 × 8.
    """

    def __init__(self, channels: int = 3, features: int = 64, spectral_norm: bool = True) -> None:
        super().__init__()
        for key, value in {"channels": channels, "features": features}.items():
            checked_integer(key, value, 1, 10**6)

        def conv(inputs: int, outputs: int, halve: bool = False) -> nn.Module:
            kernel, stride = (4, 2) if halve else (3, 1)
            layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False)
            if spectral_norm:  # unsafe: else registration calls it once, which advances the power iteration
                parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight), unsafe=True)
            return layer

        self.channels = channels
        self.conv0 = nn.Conv2d(channels, features, 3, padding=1)
        self.conv1 = conv(features, 2 * features, halve=True)
        self.conv2 = conv(2 * features, 4 * features, halve=True)
        self.conv3 = conv(4 * features, 8 * features, halve=True)
        self.conv4 = conv(8 * features, 4 * features)
        self.conv5 = conv(4 * features, 2 * features)
        self.conv6 = conv(2 * features, features)
        self.conv7 = conv(features, features)
        self.conv8 = conv(features, features)
        self.conv9 = nn.Conv2d(features, 1, 3, padding=1)

    def adapt_ends(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights for images of the own channels; see `networks.ends`. Raises: ValueError: neither are grey."""
        return dict(state) | first_weight(state, "conv0.weight", self.channels)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if min(height, width) < SMALLEST:
            raise UserError(f"UNetDiscriminator got {height} × {width} pixels: wanted at least {SMALLEST} × {SMALLEST}")
        x0 = _leaky(self.conv0(image))
        x1 = _leaky(self.conv1(x0))
        x2 = _leaky(self.conv2(x1))
        x3 = _leaky(self.conv3(x2))
        x = _leaky(self.conv4(_double(x3, x2))) + x2
        x = _leaky(self.conv5(_double(x, x1))) + x1
        x = _leaky(self.conv6(_double(x, x0))) + x0
        x = _leaky(self.conv8(_leaky(self.conv7(x))))
        return self.conv9(x)


def from_state(state: Mapping[str, Tensor], channels: int) -> UNetDiscriminator | None:
    """Build the discriminator of the features that a state dict has, for images of `channels`; else None."""
    first = state.get("conv0.weight")
    if first is None or first.ndim != 4 or "conv9.weight" not in state:
        return None
    return UNetDiscriminator(channels, first.shape[0], spectral_norm="conv1.weight" not in state)


class SpectralNorm(nn.Module):
    """Divide a weight by its largest singular value, estimated by one step of power iteration a forward in train mode.

    As the released discriminators were trained, with torch's older hook: from random unit vectors, v = Wᵀu and then
    u = Wv, so that the step after a released file is the released one. torch's own parametrisation iterates 15 times
    at construction, and takes u before v. The buffers bear its names. Before the first forward in train mode the
    estimate is a random number.

    Args:
        weight: (O, I, k, k), of the layer that is to have it; seen as a matrix W of O rows.
    """

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, columns = weight.flatten(1).shape
        for name, side in (("_u", rows), ("_v", columns)):
            self.register_buffer(name, F.normalize(weight.detach().new_empty(side).normal_(), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.flatten(1)
        if self.training:
            with torch.no_grad():  # into new tensors: the backward of an earlier forward may have yet to read the old
                self._v = F.normalize(torch.mv(matrix.T, self._u), dim=0)
                self._u = F.normalize(torch.mv(matrix, self._v), dim=0)
        return weight / torch.dot(self._u, torch.mv(matrix, self._v))


def _leaky(x: Tensor) -> Tensor:
    # In place: the convolution before it does not need its output for the gradient.
    return F.leaky_relu(x, SLOPE, inplace=True)


def _double(x: Tensor, skip: Tensor) -> Tensor:
    """Double the size, bilinear; where the skip's side is odd, the last row or column is repeated."""
    x = F.interpolate(x, scale_factor=2, mode="bilinear")
    right, below = skip.shape[-1] - x.shape[-1], skip.shape[-2] - x.shape[-2]
    return F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x
