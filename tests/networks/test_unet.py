"""UNetDiscriminator against the released implementation's figures."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wildsr.networks import UNetDiscriminator, load_weights
from wildsr.networks.unet import SpectralNorm

GOLDEN = Path(__file__).parents[1] / "golden" / "unet_discriminator.npz"  # 8 features, older spectral norm


def tiny() -> UNetDiscriminator:
    torch.manual_seed(0)
    return UNetDiscriminator(features=4)


def test_the_released_output_is_reproduced_from_the_released_names(tmp_path: Path) -> None:
    network = UNetDiscriminator(features=8)
    with np.load(GOLDEN) as file:
        state = {key[3:]: torch.from_numpy(file[key]) for key in file if key.startswith("sd/")}
        image, logits = torch.from_numpy(file["in"]), torch.from_numpy(file["out"])
    torch.save({"params": state}, tmp_path / "netD.pth")
    load_weights(network, tmp_path / "netD.pth")
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(image), logits, rtol=0, atol=5e-7)


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_the_default_has_the_released_number_of_parameters(spectral_norm: bool) -> None:
    network = UNetDiscriminator(spectral_norm=spectral_norm)
    assert sum(p.numel() for p in network.parameters()) == 4_376_897


def test_without_spectral_norm_the_layers_keep_their_plain_names() -> None:
    biased = {f"conv{i}.bias" for i in (0, 9)}
    names = {f"conv{i}.weight" for i in range(10)} | biased
    assert set(UNetDiscriminator(features=2, spectral_norm=False).state_dict()) == names


def with_the_released_norm(network: UNetDiscriminator) -> UNetDiscriminator:
    """A network of the same weights and vectors, normed by the hook that the released code uses."""
    twin = UNetDiscriminator(features=network.conv0.out_channels, spectral_norm=False).to(network.conv0.weight.dtype)
    for index in range(1, 9):
        nn.utils.spectral_norm(getattr(twin, f"conv{index}"))
    ours = network.state_dict()
    endings = {"weight_orig": "original", "weight_u": "0._u", "weight_v": "0._v"}
    for name, tensor in twin.state_dict().items():
        layer, _, ending = name.rpartition(".")
        tensor.copy_(ours[f"{layer}.parametrizations.weight.{endings[ending]}" if ending in endings else name])
    return twin


def test_spectral_norm_takes_the_released_steps() -> None:
    """Forward, gradients and three steps of Adam beside the released hook, from the same weights and vectors."""
    network = tiny().double().train()
    twin = with_the_released_norm(network)
    assert torch.equal(network.conv0.weight, twin.conv0.weight)
    optimizers = [torch.optim.Adam(one.parameters(), lr=1e-3) for one in (network, twin)]
    for step in range(3):
        images = torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
        logits = []
        for one, optimizer in zip((network, twin), optimizers, strict=True):
            optimizer.zero_grad()
            real, fake = one(images), one(images.flip(-1))  # two forwards, one backward, as a GAN's step
            (F.softplus(-real).mean() + F.softplus(fake).mean()).backward()
            logits.append(torch.cat((real, fake)))
        torch.testing.assert_close(*logits, rtol=0, atol=1e-12)
        for one, other in zip(network.parameters(), twin.parameters(), strict=True):
            assert one.grad is not None and other.grad is not None
            assert (one.grad - other.grad).norm() <= 1e-12 * other.grad.norm()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_spectral_norm_starts_where_the_released_one_does() -> None:
    """The same random unit vectors from the same seed, and no iteration before the first forward."""
    torch.manual_seed(0)
    hooked = nn.utils.spectral_norm(nn.Conv2d(4, 8, 4))
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, 4)
    norm = SpectralNorm(layer.weight)
    assert torch.equal(norm._u, hooked.weight_u) and torch.equal(norm._v, hooked.weight_v)


def test_every_normed_weight_has_a_largest_singular_value_of_one() -> None:
    network = tiny().train()
    with torch.no_grad():
        for _ in range(100):  # the power iteration converges
            network(torch.rand(1, 3, 8, 8))
        for i in range(1, 9):
            weight = getattr(network, f"conv{i}").weight
            assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=2e-3)


def test_in_train_mode_a_forward_advances_the_power_iteration_and_in_eval_mode_it_does_not() -> None:
    network, image = tiny(), torch.rand(1, 3, 16, 16)
    before = copy.deepcopy(network.state_dict())
    network.eval()(image)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    network.train()(image)
    moved = {k for k, v in network.state_dict().items() if not torch.equal(before[k], v)}
    assert moved == {f"conv{i}.parametrizations.weight.0._{v}" for i in range(1, 9) for v in "uv"}


def test_a_copy_after_a_forward_gives_the_same_logits() -> None:
    network, image = tiny().train(), torch.rand(1, 3, 16, 16)
    network(image)
    twin = copy.deepcopy(network)
    assert torch.equal(network.eval()(image), twin.eval()(image))


@pytest.mark.parametrize("size", [(8, 8), (9, 23), (30, 13)])
def test_there_is_a_logit_for_every_pixel_of_any_size(size: tuple[int, int]) -> None:
    assert tiny()(torch.rand(2, 3, *size)).shape == (2, 1, *size)


def test_an_odd_size_is_classified_as_aligned_as_an_even_one() -> None:
    network, image = tiny().eval(), torch.rand(1, 3, 97, 97)
    with torch.no_grad():
        whole, cropped = network(image), network(image[..., :96, :96])
    # Far from the added row and column nothing changes: no stretching of the grid.
    torch.testing.assert_close(whole[..., :32, :32], cropped[..., :32, :32], rtol=0, atol=1e-6)


def test_a_side_below_eight_is_refused_with_the_size_given() -> None:
    with pytest.raises(ValueError, match="got 7 × 40 pixels: wanted at least 8 × 8"):
        tiny()(torch.rand(1, 3, 7, 40))
