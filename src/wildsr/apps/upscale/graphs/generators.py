"""The generators' forward passes, told to a writer of another program's graph, one operation a call.

torch.onnx.export does it for any network, in half a minute for 23 blocks, but stops at the padding of x2 and x1
networks; written out, it takes a second, knows the released names, and serves every format alike.
"""

from __future__ import annotations

from typing import Protocol

from torch import nn

from wildsr.networks import CompactNet, RRDBNet
from wildsr.networks.rrdb import RESIDUAL_SCALE, SLOPE, DenseBlock


class Writer(Protocol):
    """Adds operations to a graph. What flows between them is known by its name."""

    def conv(self, x: str, layer: nn.Conv2d, slope: float | None = None) -> str:
        """The convolution, then a leaky ReLU where there is a slope."""

    def prelu(self, x: str, layer: nn.PReLU) -> str: ...

    def concat(self, parts: list[str]) -> str:
        """Two or more, along the channels."""

    def add(self, x: str, y: str, gain: float = 1.0) -> str:
        """x + gain * y"""

    def enlarge(self, x: str, scale: int) -> str:
        """Nearest neighbour."""

    def shuffle(self, x: str, scale: int) -> str:
        """Pixel shuffle: channels to pixels."""

    def unshuffle(self, x: str, channels: int, scale: int) -> str:
        """Pixel unshuffle of `channels`, after padding by reflection to a multiple of `scale`."""


def write_generator(generator: nn.Module, writer: Writer, lq: str) -> None:
    """Tell a writer what the generator does to `lq`; the last operation told makes the result.

    What an x2 or x1 RRDBNet pads stays on the result.

    Raises:
        ValueError: neither an RRDBNet nor a CompactNet.
    """
    if isinstance(generator, RRDBNet):
        _enlarge(generator, writer, write_trunk(generator, writer, lq))
    elif isinstance(generator, CompactNet):
        _compact(generator, writer, lq)
    else:
        raise ValueError(f"{type(generator).__name__}: cannot be converted; wanted an RRDBNet or a CompactNet")


def write_trunk(network: RRDBNet, writer: Writer, lq: str) -> str:
    """Tell a writer what an RRDBNet does before it enlarges; returns the name of that."""
    x = writer.unshuffle(lq, network.channels, network.unshuffle) if network.unshuffle > 1 else lq
    x = first = writer.conv(x, network.conv_first)
    for block in network.body:
        inner = x
        for dense in block.children():
            assert isinstance(dense, DenseBlock)
            inner = _dense(dense, writer, inner)
        x = writer.add(x, inner, RESIDUAL_SCALE)
    return writer.add(first, writer.conv(x, network.conv_body))


def _enlarge(network: RRDBNet, writer: Writer, x: str) -> None:
    for conv_up in (network.conv_up1, network.conv_up2, network.conv_up3):
        if conv_up is not None:
            x = writer.conv(writer.enlarge(x, 2), conv_up, SLOPE)
    writer.conv(writer.conv(x, network.conv_hr, SLOPE), network.conv_last)


def _dense(block: DenseBlock, writer: Writer, x: str) -> str:
    seen = [writer.conv(x, block.conv1, SLOPE)]
    for layer in (block.conv2, block.conv3, block.conv4):
        seen.append(writer.conv(writer.concat([x, *seen]), layer, SLOPE))
    return writer.add(x, writer.conv(writer.concat([x, *seen]), block.conv5), RESIDUAL_SCALE)


def _compact(network: CompactNet, writer: Writer, lq: str) -> None:
    x = lq
    for layer in network.body:
        if isinstance(layer, nn.Conv2d):
            x = writer.conv(x, layer)
        else:
            assert isinstance(layer, nn.PReLU)
            x = writer.prelu(x, layer)
    writer.add(writer.shuffle(x, network.scale), writer.enlarge(lq, network.scale))
