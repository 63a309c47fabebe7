"""RRDBNet, the generator of ESRGAN and Real-ESRGAN: residual in residual dense blocks.

Shapes: B batch, C channels of the image (1 or 3), H W image, F features, G growth, s scale.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESIDUAL_SCALE = 0.2  # of a dense block and of a block of three, in the released networks
SLOPE = 0.2  # of every leaky ReLU in the released networks
INIT_SCALE = 0.1  # the dense blocks start small, so that 23 residual blocks start near the identity
UNSHUFFLE = {1: 4, 2: 2, 4: 1, 8: 1}  # scale -> pixel-unshuffle in front; the body works at LQ size or below


class RRDBNet(nn.Module):
    """Upscale (B, C, H, W) float images in [0, 1] to (B, C, sH, sW); the output may leave [0, 1] slightly.

    The parameters bear the released names; the defaults are the released x4 network (16,697,987
    parameters). x1 and x2 gather 4 × 4 and 2 × 2 pixels into channels first and then run as x4 does; a
    size that does not divide is padded by reflection, to the right and below, and the output cropped. x8
    is an extension of ours: a third up-sampling, `conv_up3`.

    Args:
        scale: s, one of 1, 2, 4, 8.
        channels: C of the input and of the output.
        features: F, the channels of the trunk.
        blocks: the number of RRDBs; the released networks have 23, or 6 for anime.
        growth: G, the channels that each convolution of a dense block adds.

    Raises:
        ValueError: a scale that does not exist.
    """

    def __init__(
        self, scale: int = 4, channels: int = 3, features: int = 64, blocks: int = 23, growth: int = 32
    ) -> None:
        super().__init__()
        if scale not in UNSHUFFLE:
            raise ValueError(f"RRDBNet of scale {scale}: wanted one of {', '.join(map(str, UNSHUFFLE))}")
        self.scale, self.channels = scale, channels
        self.unshuffle = UNSHUFFLE[scale]
        self.conv_first = _conv(channels * self.unshuffle**2, features)
        self.body = nn.Sequential(*(ResidualBlock(features, growth) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.conv_up1 = _conv(features, features)
        self.conv_up2 = _conv(features, features)
        self.conv_up3 = _conv(features, features) if scale == 8 else None
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, channels)

    def forward(self, lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        x = self.conv_first(F.pixel_unshuffle(_reflect_to_multiple(lq, self.unshuffle), self.unshuffle))
        x = x + self.conv_body(self.body(x))
        return self.enlarge(x)[..., : height * self.scale, : width * self.scale]

    def enlarge(self, x: Tensor) -> Tensor:
        """What comes after the trunk, at most a tenth of the work: (B, F, h, w) -> (B, C, …), a picture."""
        for conv_up in (self.conv_up1, self.conv_up2, self.conv_up3):
            if conv_up is not None:
                x = _leaky(conv_up(F.interpolate(x, scale_factor=2, mode="nearest")))
        sr: Tensor = self.conv_last(_leaky(self.conv_hr(x)))
        return sr


class ResidualBlock(nn.Module):
    """Three dense blocks in a row, added to their input at a fifth: (B, F, H, W) -> (B, F, H, W)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features, growth)
        self.rdb2 = DenseBlock(features, growth)
        self.rdb3 = DenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.rdb3(self.rdb2(self.rdb1(x)))


class DenseBlock(nn.Module):
    """Five convolutions, each seeing all before it, added to the input at a fifth: (B, F, H, W) likewise.

    Weights start as Kaiming normal × 0.1, biases at 0.
    """

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv(features, growth)
        self.conv2 = _conv(features + growth, growth)
        self.conv3 = _conv(features + 2 * growth, growth)
        self.conv4 = _conv(features + 3 * growth, growth)
        self.conv5 = _conv(features + 4 * growth, features)
        for conv in self.children():
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.kaiming_normal_(conv.weight)
            conv.weight.data.mul_(INIT_SCALE)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        x1 = _leaky(self.conv1(x))
        x2 = _leaky(self.conv2(torch.cat((x, x1), 1)))
        x3 = _leaky(self.conv3(torch.cat((x, x1, x2), 1)))
        x4 = _leaky(self.conv4(torch.cat((x, x1, x2, x3), 1)))
        return x + RESIDUAL_SCALE * self.conv5(torch.cat((x, x1, x2, x3, x4), 1))


def from_state(state: Mapping[str, Tensor]) -> RRDBNet | None:
    """The RRDBNet that a state dict's names and shapes describe, its weights not loaded; else None."""
    ends = ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_up2.weight", "conv_last.weight")
    if any(name not in state or state[name].ndim != 4 or 0 in state[name].shape for name in ends):
        return None
    features, inputs = state["conv_first.weight"].shape[:2]
    channels = state["conv_last.weight"].shape[0]
    largest = 8 if "conv_up3.weight" in state else 4
    scale = {channels: largest, 4 * channels: 2, 16 * channels: 1}.get(inputs)
    if scale is None:
        return None
    # Counted, not the largest index: an index is only a number, and blocks cost memory.
    blocks = len({name.split(".")[1] for name in state if name.startswith("body.")})
    growth = state["body.0.rdb1.conv1.weight"].shape[0]
    return RRDBNet(scale, channels, features, blocks, growth)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    # In place: the convolution before it does not need its output for the gradient.
    return F.leaky_relu(x, SLOPE, inplace=True)


def _reflect_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad right and below to a multiple, by reflection that repeats where a side is shorter than the pad."""
    for dim in (-2, -1):
        size = x.shape[dim]
        if size % multiple:
            period = max(2 * size - 2, 1)
            steps = torch.arange(size + -size % multiple, device=x.device) % period
            x = x.index_select(dim, torch.minimum(steps, period - steps))
    return x
