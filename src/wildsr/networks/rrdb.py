"""RRDBNet, the generator of ESRGAN and Real-ESRGAN: residual in residual dense blocks.

Shapes: B batch, C channels of the image (1 or 3), H W image, F features, G growth, s scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.checks import checked_integer
from wildsr.io import ConfigError, choose_from
from wildsr.networks.ends import remade, require_same_architecture, share_inputs, with_own
from wildsr.networks.graph import GraphWriter
from wildsr.networks.padding import reflect_to

RESIDUAL_SCALE = 0.2  # of a dense block and of a block of three, in the released networks
SLOPE = 0.2  # of every leaky ReLU in the released networks
INIT_SCALE = 0.1  # the dense blocks start small, so that 23 residual blocks start near the identity
UNSHUFFLE = {1: 4, 2: 2, 4: 1, 8: 1}  # scale -> pixel-unshuffle in front; the body works at LQ size or below
GRID = 4  # tiles start at multiples of it
MOST_DILATION = 64  # as wide as a whole LQ patch of the released recipe
# The buffer that only a dilated network has; its length is the dilation, so that where names and shapes are compared
# no other fits. Programs that pick weights by name, such as spandrel, take it for a weight and stop, too.
DILATED = "body.0.rdb1.conv2.weight_dilation"


class RRDBNet(nn.Module):
    """Upscale (B, C, H, W) float images in [0, 1] to (B, C, sH, sW); the output may leave [0, 1] slightly.

    The parameters bear the released names; the defaults are the released x4 network (16,697,987
    parameters). x1 and x2 gather 4 × 4 and 2 × 2 pixels into channels first and then run as x4 does; a
    size that does not divide is padded by reflection, to the right and below, and the output cropped. x8
    is an extension of ours: a third up-sampling, `conv_up3`.

    Dilation d, an extension too, spreads the 3 × 3 taps of `conv2` and `conv4` of every dense block d pixels
    apart. A dense block then sees 3 + 2d pixels to each side instead of 5, so that the trunk's receptive field
    grows by 6 (d - 1) pixels to each side and block, and a repeated pattern is seen together with more of its
    surroundings. Every dilated convolution stands between two dense ones, which close the holes between its
    taps; a chain of dilated ones alone would draw a grid of its own (Wang et al., "Understanding Convolution
    for Semantic Segmentation", arXiv 1702.08502). Parameters and multiplications stay the same in number; it
    costs the fast algorithms that libraries have for dense 3 × 3 kernels only, and tiles need more overlap. A
    buffer (DILATED), there where d > 1, keeps such weights out of networks that would run them undilated.

    Args:
        scale: s, one of 1, 2, 4, 8.
        channels: C of the input and of the output.
        features: F, the channels of the trunk.
        blocks: the number of RRDBs; the released networks have 23, or 6 for anime.
        growth: G, the channels that each convolution of a dense block adds.
        dilation: d; 1 is the released network.

    Raises:
        ValueError: a scale that does not exist, or a number that is not positive and whole.
    """

    def __init__(
        self,
        scale: int = 4,
        channels: int = 3,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        if scale not in UNSHUFFLE:
            raise ConfigError(f"RRDBNet of scale {scale}; {choose_from(UNSHUFFLE)}")
        sizes = {"channels": channels, "features": features, "blocks": blocks, "growth": growth}
        for key, value in sizes.items():
            checked_integer(key, value, 1, 10**6)
        checked_integer("dilation", dilation, 1, MOST_DILATION)
        self.scale, self.channels, self.dilation = scale, channels, dilation
        self.sizes = {"features": features, "blocks": blocks, "growth": growth}
        self.architecture = f"RRDBNet of {features} features, {blocks} blocks, growth {growth}"
        self.unshuffle = UNSHUFFLE[scale]
        self.conv_first = _conv(channels * self.unshuffle**2, features)
        self.body = nn.Sequential(*(ResidualBlock(features, growth, dilation) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.conv_up1 = _conv(features, features)
        self.conv_up2 = _conv(features, features)
        self.conv_up3 = _conv(features, features) if scale == 8 else None
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, channels)
        if dilation > 1:
            module, _, name = DILATED.rpartition(".")
            self.get_submodule(module).register_buffer(name, torch.zeros(dilation, dtype=torch.uint8))

    @property
    def overlap(self) -> int:
        """Return the overlap of tiles, in LQ pixels, beyond which their error stays below one 8-bit level.

        Measured on a photograph with the released weights (`benchmarks/tiles.py`), in pixels of the body: 96 with 23
        blocks, 64 with 6. The body of an x2 or x1 network sees the image at a half or a quarter of its sides. Dilation
        widens that as it widens a dense block.
        """
        undilated = (96 if len(self.body) > 6 else 64) * self.unshuffle
        return math.ceil(undilated * (3 + 2 * self.dilation) / 5 / GRID) * GRID

    @property
    def is_read_by_spandrel(self) -> bool:
        """Return whether spandrel reads it: that knows the released growth, and neither dilation nor x8."""
        return self.sizes["growth"] == 32 and self.dilation == 1 and self.scale < 8

    @property
    def numbers_per_pixel(self) -> int:
        """Return those of the last layers, which work at full size, for each LQ pixel."""
        return self.sizes["features"] * self.scale**2

    def forward(self, lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        x = self.conv_first(F.pixel_unshuffle(reflect_to(lq, self.unshuffle), self.unshuffle))
        x = x + self.conv_body(self.body(x))
        return self.enlarge(x)[..., : height * self.scale, : width * self.scale]

    def enlarge(self, x: Tensor) -> Tensor:
        """Compute what comes after the trunk, at most a tenth of the work: (B, F, h, w) -> (B, C, …), an image."""
        for conv_up in (self.conv_up1, self.conv_up2, self.conv_up3):
            if conv_up is not None:
                x = _leaky(conv_up(F.interpolate(x, scale_factor=2, mode="nearest")))
        sr: Tensor = self.conv_last(_leaky(self.conv_hr(x)))
        return sr

    def rebuild(self, scale: int, channels: int) -> RRDBNet:
        """Return a network of the same architecture, with random weights, for another scale and channels."""
        return RRDBNet(scale, channels, **self.sizes, dilation=self.dilation)

    def adapt_ends(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights of this architecture for the own scale and channels; see `networks.ends`.

        Raises:
            ValueError: another architecture, or numbers of channels of which neither is 1.
        """
        given = require_same_architecture(self, state, from_state)
        own = self.state_dict()
        adapted = dict(state) | remade(state, own, given.channels, self.channels)
        if given.unshuffle != self.unshuffle:
            sides = [(network.channels, network.unshuffle) for network in (given, self)]
            adapted["conv_first.weight"] = share_inputs(state["conv_first.weight"], *sides)
        return with_own(adapted, own, ("conv_up3.", DILATED))

    def write_graph(self, writer: GraphWriter, lq: str) -> None:
        """Tell a writer what `forward` does, the cropping aside."""
        x = self.write_trunk(writer, lq)
        for conv_up in (self.conv_up1, self.conv_up2, self.conv_up3):
            if conv_up is not None:
                x = writer.conv(writer.enlarge(x, 2), conv_up, SLOPE)
        writer.conv(writer.conv(x, self.conv_hr, SLOPE), self.conv_last)

    def write_trunk(self, writer: GraphWriter, lq: str) -> str:
        """Tell a writer what comes before `enlarge`; return the name of that."""
        x = writer.unshuffle(lq, self.channels, self.unshuffle) if self.unshuffle > 1 else lq
        x = first = writer.conv(x, self.conv_first)
        for block in self.body.children():
            inner = x
            for dense in block.children():
                inner = dense.write_graph(writer, inner)  # type: ignore[operator]
            x = writer.add(x, inner, RESIDUAL_SCALE)
        return writer.add(first, writer.conv(x, self.conv_body))


class ResidualBlock(nn.Module):
    """Run three dense blocks in a row, added to their input at a fifth: (B, F, H, W) -> (B, F, H, W)."""

    def __init__(self, features: int, growth: int, dilation: int = 1) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features, growth, dilation)
        self.rdb2 = DenseBlock(features, growth, dilation)
        self.rdb3 = DenseBlock(features, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.rdb3(self.rdb2(self.rdb1(x)))


class DenseBlock(nn.Module):
    """Run five convolutions, each seeing all before it, added to the input at a fifth: (B, F, H, W) likewise.

    Weights start as Kaiming normal × 0.1, biases at 0. `dilation` applies to `conv2` and `conv4`.
    """

    def __init__(self, features: int, growth: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv(features, growth)
        self.conv2 = _conv(features + growth, growth, dilation)
        self.conv3 = _conv(features + 2 * growth, growth)
        self.conv4 = _conv(features + 3 * growth, growth, dilation)
        self.conv5 = _conv(features + 4 * growth, features)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            assert conv.bias is not None
            nn.init.kaiming_normal_(conv.weight)
            conv.weight.data.mul_(INIT_SCALE)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        x1 = _leaky(self.conv1(x))
        x2 = _leaky(self.conv2(torch.cat((x, x1), 1)))
        x3 = _leaky(self.conv3(torch.cat((x, x1, x2), 1)))
        x4 = _leaky(self.conv4(torch.cat((x, x1, x2, x3), 1)))
        return x + RESIDUAL_SCALE * self.conv5(torch.cat((x, x1, x2, x3, x4), 1))

    def write_graph(self, writer: GraphWriter, x: str) -> str:
        """Tell a writer what `forward` does; return the name of the result."""
        seen = [writer.conv(x, self.conv1, SLOPE)]
        for layer in (self.conv2, self.conv3, self.conv4):
            seen.append(writer.conv(writer.concat([x, *seen]), layer, SLOPE))
        return writer.add(x, writer.conv(writer.concat([x, *seen]), self.conv5), RESIDUAL_SCALE)


def from_state(state: Mapping[str, Tensor]) -> RRDBNet | None:
    """Build the RRDBNet that a state dict's names and shapes describe, its weights not loaded; else None."""
    ends = ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_up2.weight", "conv_last.weight")
    if any(name not in state or state[name].ndim != 4 or 0 in state[name].shape for name in ends):
        return None
    features, inputs = state["conv_first.weight"].shape[:2]
    channels = state["conv_last.weight"].shape[0]
    largest = 8 if "conv_up3.weight" in state else 4
    scale = {channels: largest, 4 * channels: 2, 16 * channels: 1}.get(inputs)
    if scale is None or any(name.startswith("conv_up4.") or ".conv1x1." in name for name in state):
        return None  # no network of ours: x16 in four steps, ESRGAN+
    # Counted, not the largest index: an index is only a number, and blocks cost memory.
    blocks = len({name.split(".")[1] for name in state if name.startswith("body.")})
    growth = state["body.0.rdb1.conv1.weight"].shape[0]
    dilation = state[DILATED].numel() if DILATED in state else 1
    return RRDBNet(scale, channels, features, blocks, growth, dilation)


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


def _leaky(x: Tensor) -> Tensor:
    # In place: the convolution before it does not need its output for the gradient.
    return F.leaky_relu(x, SLOPE, inplace=True)
