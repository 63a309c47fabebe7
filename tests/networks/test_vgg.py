"""VGGDiscriminator: names, figures one can compute by hand, and its fixed size."""

from __future__ import annotations

import pytest
import torch

from wildsr.networks import VGGDiscriminator


def parameters_by_hand(size: int) -> int:
    widths = [64, 128, 256, 512, 512, 512][: {128: 5, 256: 6}[size]]
    total, inputs = 64, 3  # the one bias, of conv0_0
    for stage, width in enumerate(widths):
        total += inputs * width * 9 + width * width * 16  # conv_0 and conv_1
        total += 2 * width * (1 if stage == 0 else 2)  # BatchNorm: weight and bias
        inputs = width
    return total + (512 * 16 * 100 + 100) + (100 + 1)


@pytest.mark.parametrize("size", [128, 256])
def test_the_number_of_parameters_is_the_one_computed_by_hand(size: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in VGGDiscriminator(size=size).parameters()) == parameters_by_hand(size)


def test_the_layers_bear_the_released_names() -> None:
    layers = [name for name, _ in VGGDiscriminator(features=2, size=128).named_children()]
    stages = [f"{kind}{i}_{half}" for i in range(1, 5) for half in (0, 1) for kind in ("conv", "bn")]
    assert layers == ["conv0_0", "conv0_1", "bn0_1", *stages, "linear1", "linear2"]


def test_only_the_first_convolution_has_a_bias() -> None:
    state = VGGDiscriminator(features=2, size=128).state_dict()
    assert [name for name in state if name.startswith("conv") and name.endswith("bias")] == ["conv0_0.bias"]


@pytest.mark.parametrize("size", [128, 256])
def test_there_is_one_logit_for_an_image_and_every_parameter_learns(size: int) -> None:
    torch.manual_seed(0)
    network = VGGDiscriminator(channels=1, features=2, size=size)
    logits = network(torch.rand(3, 1, size, size))
    assert logits.shape == (3, 1) and logits.unique().numel() == 3
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_another_input_size_says_given_and_wanted() -> None:
    with pytest.raises(ValueError, match="got 128 × 256 pixels: wanted 256 × 256"):
        VGGDiscriminator(features=2)(torch.rand(1, 3, 128, 256))


def test_another_size_of_network_says_given_and_wanted() -> None:
    with pytest.raises(ValueError, match="size 192; choose from 128, 256"):
        VGGDiscriminator(size=192)
