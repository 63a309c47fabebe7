"""UNetDiscriminator against the released implementation's figures."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from wildsr.networks import UNetDiscriminator, load_weights

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


def test_an_odd_size_is_judged_as_aligned_as_an_even_one() -> None:
    network, image = tiny().eval(), torch.rand(1, 3, 97, 97)
    with torch.no_grad():
        whole, cropped = network(image), network(image[..., :96, :96])
    # Far from the added row and column nothing changes: no stretching of the grid.
    torch.testing.assert_close(whole[..., :32, :32], cropped[..., :32, :32], rtol=0, atol=1e-6)


def test_a_side_below_eight_is_refused_with_the_size_given() -> None:
    with pytest.raises(ValueError, match="got 7 × 40 pixels: wanted at least 8 × 8"):
        tiny()(torch.rand(1, 3, 7, 40))
