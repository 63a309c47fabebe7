"""ESRGAN's VGG-style discriminator: one logit for an image. The partner of the U-Net in the ablation.

Shapes: B batch, C channels of the image (1 or 3), S side of the image, F features.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.checks import checked_integer
from wildsr.io import ConfigError, UserError, choose_from
from wildsr.networks.ends import first_weight

SLOPE = 0.2  # of every leaky ReLU in the released network
STAGES = {128: 5, 256: 6}  # side of the image -> halvings, down to 4 × 4
HIDDEN = 100  # between the two linear layers, as released


class VGGDiscriminator(nn.Module):
    """Classify (B, C, S, S) images in [0, 1]: (B, 1) logits, high where an image looks real.

    Each stage i is `conv{i}_0` (3 × 3) and `conv{i}_1` (4 × 4, halving), with BatchNorm after all but the
    first convolution; `linear1` and `linear2` classify the 4 × 4 that remain. The names are the released ones.
    BatchNorm makes the logits of a batch depend on one another in train mode.

    Args:
        channels: C.
        features: F of the first stage; doubled by the next three, 8 F from there on.
        size: S, 128 or 256; the linear layers fix it.

    Raises:
        ValueError: another size, at construction or in an input; `channels` or `features` not positive and whole.
    """

    def __init__(self, channels: int = 3, features: int = 64, size: int = 256) -> None:
        super().__init__()
        for key, value in {"channels": channels, "features": features}.items():
            checked_integer(key, value, 1, 10**6)
        if size not in STAGES:
            raise ConfigError(f"VGGDiscriminator of size {size}; {choose_from(STAGES)}")
        self.channels, self.size, self.stages = channels, size, STAGES[size]
        inputs = channels
        for stage in range(self.stages):
            outputs = features * min(2**stage, 8)
            self.add_module(f"conv{stage}_0", nn.Conv2d(inputs, outputs, 3, padding=1, bias=stage == 0))
            if stage > 0:
                self.add_module(f"bn{stage}_0", nn.BatchNorm2d(outputs))
            self.add_module(f"conv{stage}_1", nn.Conv2d(outputs, outputs, 4, 2, padding=1, bias=False))
            self.add_module(f"bn{stage}_1", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.linear1 = nn.Linear(inputs * 4 * 4, HIDDEN)
        self.linear2 = nn.Linear(HIDDEN, 1)

    def adapt_ends(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights for images of the own channels; see `networks.ends`. Raises: ValueError: neither are grey."""
        return dict(state) | first_weight(state, "conv0_0.weight", self.channels)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[-2:] != (self.size, self.size):
            height, width = image.shape[-2:]
            raise UserError(f"VGGDiscriminator got {height} × {width} pixels: wanted {self.size} × {self.size}")
        x = _leaky(self.get_submodule("conv0_0")(image))
        x = self._step(x, "0_1")
        for stage in range(1, self.stages):
            x = self._step(self._step(x, f"{stage}_0"), f"{stage}_1")
        return self.linear2(_leaky(self.linear1(x.flatten(1))))

    def _step(self, x: Tensor, place: str) -> Tensor:
        return _leaky(self.get_submodule(f"bn{place}")(self.get_submodule(f"conv{place}")(x)))


def from_state(state: Mapping[str, Tensor], channels: int) -> VGGDiscriminator | None:
    """Build the discriminator of the features and size that a state dict has, for images of `channels`; else None."""
    first, stages = state.get("conv0_0.weight"), sum(f"conv{stage}_0.weight" in state for stage in range(10))
    size = next((size for size, known in STAGES.items() if known == stages), None)
    if first is None or first.ndim != 4 or size is None:
        return None
    return VGGDiscriminator(channels, first.shape[0], size)


def _leaky(x: Tensor) -> Tensor:
    # In place: neither BatchNorm nor a convolution needs its output for the gradient.
    return F.leaky_relu(x, SLOPE, inplace=True)
