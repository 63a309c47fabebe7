"""CompactNet against the released implementation's figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from wildsr.networks import CompactNet
from wildsr.networks.compact import from_state

GOLDEN = Path(__file__).parents[1] / "golden" / "compact.npz"  # 8 features, 4 convolutions, x4


def golden() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    with np.load(GOLDEN) as file:
        state = {key[3:]: torch.from_numpy(file[key]) for key in file if key.startswith("sd/")}
        return state, torch.from_numpy(file["in"]), torch.from_numpy(file["out"])


def test_the_released_output_is_reproduced() -> None:
    state, lq, sr = golden()
    network = CompactNet(features=8, convs=4)
    network.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(network(lq), sr, rtol=0, atol=5e-7)


def test_the_default_has_the_parameters_of_the_animevideo_network() -> None:
    first, middle, last = 64 * 27 + 64, 16 * (64 * 576 + 64), 48 * 576 + 48
    assert sum(p.numel() for p in CompactNet().parameters()) == first + middle + last + 17 * 64 == 621_424


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_scale_channels_and_depth_are_read_from_the_weights(scale: int, channels: int) -> None:
    network = from_state(CompactNet(scale, channels, features=5, convs=2).state_dict())
    assert network is not None
    assert (network.scale, network.channels, len(network.body)) == (scale, channels, 7)


def test_with_zero_weights_the_nearest_upsampled_input_remains() -> None:
    network = CompactNet(scale=3, features=4, convs=1)
    for parameter in network.parameters():
        parameter.data.zero_()
    lq = torch.rand(2, 3, 4, 5)
    assert torch.equal(network(lq), lq.repeat_interleave(3, -1).repeat_interleave(3, -2))


def test_a_missing_middle_layer_is_another_architecture() -> None:
    state, _, _ = golden()
    del state["body.4.weight"]
    assert from_state(state) is None


def test_a_scale_below_one_is_named() -> None:
    with pytest.raises(ValueError, match="scale: given 0, wanted a whole number from 1"):
        CompactNet(scale=0)
