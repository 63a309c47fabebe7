"""CompactNet, the small generator of Real-ESRGAN ("SRVGG"): plain convolutions at LQ size.

Shapes: B batch, C channels of the image (1, 3, or 4 with alpha), H W image, F features, s scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.checks import checked_integer
from wildsr.networks.ends import remade, require_same_architecture, with_own
from wildsr.networks.graph import GraphWriter


class CompactNet(nn.Module):
    """Upscale (B, C, H, W) float images in [0, 1] to (B, C, sH, sW); the output may leave [0, 1] slightly.

    The convolutions compute what is added to the nearest-upsampled input. The parameters bear the released
    names, `body.0` to `body.{2 * convs + 2}`: convolutions at even places, PReLUs with one slope a channel
    at odd ones.

    Args:
        scale: s, any integer from 1 on.
        channels: C of the input and of the output.
        features: F, the channels between the convolutions.
        convs: convolutions between the first and the last; 16 and 32 are released.

    Raises:
        ValueError: a number that is not positive and whole (`convs` may be 0).
    """

    is_read_by_spandrel = True

    def __init__(self, scale: int = 4, channels: int = 3, features: int = 64, convs: int = 16) -> None:
        super().__init__()
        for key, value in {"scale": scale, "channels": channels, "features": features}.items():
            checked_integer(key, value, 1, 10**6)
        checked_integer("convs", convs, 0, 10**6)
        self.scale, self.channels = scale, channels
        self.sizes = {"features": features, "convs": convs}
        self.architecture = f"CompactNet of {features} features, {convs} convolutions"
        layers: list[nn.Module] = []
        for inputs in [channels] + [features] * convs:
            layers += [nn.Conv2d(inputs, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, channels * scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    @property
    def overlap(self) -> int:
        """Return the overlap of tiles, in LQ pixels: the receptive field, one pixel a convolution, so exact."""
        return len(self.body) // 2 + 1

    @property
    def numbers_per_pixel(self) -> int:
        """Return those of the last layer and the one before it, for each LQ pixel."""
        return self.sizes["features"] + self.channels * self.scale**2

    def forward(self, lq: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(lq), self.scale) + F.interpolate(lq, scale_factor=self.scale, mode="nearest")

    def rebuild(self, scale: int, channels: int) -> CompactNet:
        """Return a network of the same architecture, with random weights, for another scale and channels."""
        return CompactNet(scale, channels, **self.sizes)

    def adapt_ends(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights of this architecture for the own scale and channels; see `networks.ends`.

        The last convolution stays its own where the scale differs.

        Raises:
            ValueError: another architecture, or numbers of channels of which neither is 1.
        """
        given = require_same_architecture(self, state, from_state)
        own = self.state_dict()
        adapted = dict(state) | remade(state, own, given.channels, self.channels)
        return adapted if given.scale == self.scale else with_own(adapted, own, (f"body.{len(self.body) - 1}.",))

    def write_graph(self, writer: GraphWriter, lq: str) -> None:
        """Tell a writer what `forward` does."""
        x = lq
        for layer in self.body.children():
            x = writer.prelu(x, layer) if isinstance(layer, nn.PReLU) else writer.conv(x, layer)  # type: ignore[arg-type]
        writer.add(writer.shuffle(x, self.scale), writer.enlarge(lq, self.scale))


def from_state(state: Mapping[str, Tensor]) -> CompactNet | None:
    """Build the CompactNet that a state dict's names and shapes describe, its weights not loaded; else None."""
    layers = sum(name.startswith("body.") and name.endswith(".weight") for name in state)
    first, slopes = state.get("body.0.weight"), state.get("body.1.weight")
    last = state.get(f"body.{layers - 1}.weight")
    if first is None or slopes is None or last is None or layers % 2 == 0:
        return None
    if (first.ndim, slopes.ndim, last.ndim) != (4, 1, 4) or 0 in first.shape:
        return None
    features, channels = first.shape[:2]
    scale = math.isqrt(last.shape[0] // channels)
    if scale < 1 or channels * scale**2 != last.shape[0]:
        return None
    return CompactNet(scale, channels, features, convs=(layers - 3) // 2)
