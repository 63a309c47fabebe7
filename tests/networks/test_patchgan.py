"""PatchGAN: figures one can compute by hand, the published names, and what a logit sees."""

from __future__ import annotations

import pytest
import torch

from wildsr.networks import PatchGAN, adapt_weights


def test_the_default_has_the_published_number_of_parameters() -> None:
    # pix2pix prints 2.769 M with 6 channels, CycleGAN 2.765 M with 3. Convolutions, three with BatchNorm, biases.
    by_hand = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 2 * (128 + 256 + 512) + (64 + 1)
    with torch.device("meta"):
        assert sum(p.numel() for p in PatchGAN().parameters()) == by_hand == 2_765_633
        assert sum(p.numel() for p in PatchGAN(channels=6).parameters()) == 2_768_705
        # Spectral norm has no parameters: BatchNorm's go, the biases that it made needless come.
        assert sum(p.numel() for p in PatchGAN(spectral_norm=True).parameters()) == by_hand - (128 + 256 + 512)


def test_the_layers_bear_the_published_names() -> None:
    names = {name.rpartition(".")[0] for name in PatchGAN(features=2).state_dict()}
    assert names == {f"model.{i}" for i in (0, 2, 3, 5, 6, 8, 9, 11)}  # pix2pix's NLayerDiscriminator


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70), (4, 142)])
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_logit_sees_the_published_patch(layers: int, side: int, spectral_norm: bool) -> None:
    network = PatchGAN(features=2, layers=layers, spectral_norm=spectral_norm).eval()
    image = torch.rand(1, 3, 320, 320, requires_grad=True)
    logits = network(image)
    assert logits.shape[-1] == 320 // 2**layers - 2
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert image.grad is not None
    seen = image.grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [side, side]


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_the_smallest_input_gives_one_logit_and_a_smaller_one_is_refused(spectral_norm: bool) -> None:
    network = PatchGAN(features=2, spectral_norm=spectral_norm)
    assert network(torch.rand(2, 3, 24, 31)).shape == (2, 1, 1, 1)
    with pytest.raises(ValueError, match="PatchGAN got 24 × 23 pixels: wanted at least 24 × 24"):
        network(torch.rand(2, 3, 24, 23))


def test_every_spectrally_normed_weight_has_a_largest_singular_value_of_one() -> None:
    torch.manual_seed(0)
    network = PatchGAN(features=4, spectral_norm=True).train()
    with torch.no_grad():
        for _ in range(100):  # the power iteration converges
            network(torch.rand(1, 3, 24, 24))
        for layer in (0, 2, 4, 6, 8):
            weight = network.get_submodule(f"model.{layer}").get_parameter("parametrizations.weight.original")
            normed = network.get_submodule(f"model.{layer}").weight
            assert torch.linalg.matrix_norm(normed.flatten(1), 2).item() == pytest.approx(1, abs=2e-3)
            assert not torch.equal(normed, weight)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_grey_weights_come_of_colour_ones(spectral_norm: bool, tmp_path) -> None:
    torch.manual_seed(0)
    colour, grey = (PatchGAN(channels, features=2, spectral_norm=spectral_norm).eval() for channels in (3, 1))
    torch.save(colour.state_dict(), tmp_path / "colour.pth")
    adapt_weights(grey, tmp_path / "colour.pth")
    image = torch.rand(1, 1, 32, 32)
    if not spectral_norm:  # a grey image's logits are those of the same image in colour
        torch.testing.assert_close(grey(image), colour(image.expand(-1, 3, -1, -1)))
    assert torch.equal(grey.model[-1].bias, colour.model[-1].bias)
