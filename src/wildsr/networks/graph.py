"""Tell a writer of graphs, such as ONNX's, what a network does: operation after operation, each with its layer.

A network that has `write_graph(writer, lq)` runs on every backend and is exported in every format alike: it tells the
writer what it does to the tensor named `lq`, and the last operation told makes the result. What pads odd sides may
leave its padding on the result. One whose last convolutions, at full size, cost a runtime more memory than torch has
`write_trunk(writer, lq)` besides, up to where its method `enlarge(x)` goes on.

torch.onnx.export stops at the padding of x2 and x1 networks, and takes half a minute for 23 blocks; written out, it
takes a second, and knows the released names.
"""

from __future__ import annotations

from typing import Protocol

from torch import nn


class GraphWriter(Protocol):
    """Add operations to a graph. What flows between them is known by its name."""

    def conv(self, x: str, layer: nn.Conv2d, slope: float | None = None) -> str:
        """Apply the convolution, then a leaky ReLU where there is a slope."""

    def prelu(self, x: str, layer: nn.PReLU) -> str: ...

    def concat(self, parts: list[str]) -> str:
        """Join two or more, along the channels."""

    def add(self, x: str, y: str, gain: float = 1.0) -> str:
        """Return x + gain * y."""

    def enlarge(self, x: str, scale: int) -> str:
        """Enlarge by nearest neighbour."""

    def shuffle(self, x: str, scale: int) -> str:
        """Shuffle channels to pixels."""

    def unshuffle(self, x: str, channels: int, scale: int) -> str:
        """Shuffle pixels of `channels` to channels, after padding by reflection to a multiple of `scale`."""
