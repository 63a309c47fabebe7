"""Perceptual loss against torchvision's networks hooked by hand, with seeded weights."""

import socket
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg

from wildsr.losses import RELEASED_LAYERS, PerceptualLoss, released_losses
from wildsr.networks.released import TIMEOUT

# Indices in torchvision's vgg19().features, read off its printout.
CONV = {"conv1_1": 0, "conv1_2": 2, "conv2_2": 7, "conv3_4": 16, "conv4_4": 25, "conv5_4": 34}


@pytest.fixture(scope="module")
def features() -> nn.Sequential:
    """VGG19's convolutions, random; built without its classifier, which is 85 % of the parameters."""
    torch.manual_seed(0)
    layers = vgg.make_layers(vgg.cfgs["E"], batch_norm=False)
    for module in layers:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.normal_(module.bias, std=0.1)
    return layers


@pytest.fixture(scope="module")
def weights_file(features: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, path)
    return path


@pytest.fixture
def first_block(features: nn.Sequential) -> dict[str, Tensor]:
    """What conv1_1 and conv1_2 need of the state dict."""
    return {f"features.{key}": value for key, value in features[:3].state_dict().items()}


def images(seed: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, 32, 32, generator=torch.Generator().manual_seed(seed))


def before_relu(features: nn.Sequential, image: Tensor) -> dict[str, Tensor]:
    """What leaves each convolution, cloned by a hook before the in-place ReLU overwrites it."""
    kept: dict[int, Tensor] = {}
    handles = [
        features[i].register_forward_hook(lambda _, __, out, i=i: kept.__setitem__(i, out.clone()))
        for i in CONV.values()
    ]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        features((image - mean) / std)
    for handle in handles:
        handle.remove()
    return {name: kept[i] for name, i in CONV.items()}


def test_perceptual_loss_is_the_weighted_l1_of_features_before_relu(
    features: nn.Sequential, weights_file: Path
) -> None:
    sr, target = images(1) * 1.4 - 0.2, images(2)  # sr leaves [0, 1], and is not clamped
    given, wanted = before_relu(features, sr), before_relu(features, target)
    assert (given["conv5_4"] < 0).any()
    by_hand = {name: (given[name] - wanted[name]).abs().mean().item() for name in CONV}

    loss = PerceptualLoss(file=weights_file)
    weighted = sum(weight * by_hand[name] for name, weight in RELEASED_LAYERS.items())
    assert loss(sr, target).item() == pytest.approx(weighted, rel=1e-5)

    for name in ("conv1_1", "conv3_4"):
        alone = PerceptualLoss(file=weights_file, layers={name: 2.0})
        assert alone(sr, target).item() == pytest.approx(2 * by_hand[name], rel=1e-5)


def test_the_released_weights_are_0_1_0_1_1_1_1() -> None:
    assert RELEASED_LAYERS == {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1, "conv4_4": 1, "conv5_4": 1}


def test_vgg_is_in_no_checkpoint_and_no_optimiser_but_moves_with_the_module(weights_file: Path) -> None:
    loss = PerceptualLoss(file=weights_file)
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    assert {buffer.dtype for buffer in loss.double().buffers()} == {torch.float64}
    assert len(list(loss.buffers())) == 2 * 16 + 2  # weight and bias of 16 convolutions, mean and std


def test_vgg_runs_no_further_than_the_deepest_layer(weights_file: Path) -> None:
    loss = PerceptualLoss(file=weights_file, layers={"conv2_2": 1.0, "conv1_1": 1.0})
    assert [name for name, _ in loss.features.named_children()] == [str(place) for place in range(8)]


def test_gradients_reach_sr_and_not_the_target(weights_file: Path) -> None:
    sr, target = images(1).requires_grad_(), images(2).requires_grad_()
    PerceptualLoss(file=weights_file, layers={"conv2_2": 1.0})(sr, target).backward()
    assert sr.grad is not None and sr.grad.abs().sum() > 0
    assert target.grad is None


def test_an_image_is_at_distance_0_from_itself(weights_file: Path) -> None:
    assert PerceptualLoss(file=weights_file)(images(1), images(1)).item() == 0


def test_grey_counts_as_rgb_of_equal_channels(weights_file: Path) -> None:
    loss = PerceptualLoss(file=weights_file, layers={"conv2_2": 1.0})
    sr, target = images(1, channels=1), images(2, channels=1)
    assert loss(sr, target).item() == loss(sr.repeat(1, 3, 1, 1), target.repeat(1, 3, 1, 1)).item()


def test_safetensors_and_the_hub_cache_give_the_same_loss(
    first_block: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(first_block, tmp_path / "vgg.safetensors")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(first_block, tmp_path / "checkpoints/vgg19-dcbb9e9d.pth")

    layers = {"conv1_2": 1.0}
    given = [PerceptualLoss(layers=layers, file=file) for file in (tmp_path / "vgg.safetensors", None)]
    assert given[0](images(1), images(2)).item() == given[1](images(1), images(2)).item() > 0


def test_without_weights_the_error_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(FileNotFoundError, match=r"weights: not downloaded \(WILDSR_OFFLINE=1\); put https://"):
        PerceptualLoss()
    monkeypatch.delenv("WILDSR_OFFLINE")
    for weights, reason in ((None, "no route to host"), (tmp_path / "absent.pth", "absent.pth")):
        with pytest.raises(FileNotFoundError) as caught:
            PerceptualLoss(file=weights)
        message = str(caught.value)
        assert "\n" not in message
        for part in (
            reason,
            VGG19_Weights.IMAGENET1K_V1.url,
            str(tmp_path / "checkpoints"),
            "loss.perceptual.file=",
        ):
            assert part in message


def test_a_download_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patience: list[float | None] = []

    def silent(*_: object, **__: object) -> None:
        patience.append(socket.getdefaulttimeout())  # what torch's urlopen goes by
        raise TimeoutError("timed out")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", silent)
    monkeypatch.delenv("WILDSR_OFFLINE")
    with pytest.raises(FileNotFoundError, match=r"^VGG19's weights: timed out; put https://"):
        PerceptualLoss()
    assert patience == [TIMEOUT] and socket.getdefaulttimeout() is None


def test_a_file_of_something_else_is_refused(first_block: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "text.safetensors").write_text("not weights")
    for name in ("text.pth", "text.safetensors"):
        with pytest.raises(ValueError, match=rf"{name}: not a (checkpoint|\.safetensors file), or damaged; put http"):
            PerceptualLoss(file=tmp_path / name)
    torch.save(first_block, tmp_path / "short.pth")
    with pytest.raises(ValueError, match=r"features.5.weight holds nothing; wanted shape \(128, 64, 3, 3\)"):
        PerceptualLoss(file=tmp_path / "short.pth")


def test_an_unknown_layer_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"^layers: given 'conv3_5'; choose from conv1_1, .*, conv3_4, "):
        PerceptualLoss(layers={"conv3_5": 1.0})
    with pytest.raises(ValueError, match=r"^layers: given \[\], wanted a list"):
        PerceptualLoss(layers={})


def test_a_weight_of_0_reads_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))  # there is none
    assert PerceptualLoss(weight=0).weight == 0
    assert set(released_losses(perceptual=0)) == {"pixel", "adversarial"}
    with pytest.raises(FileNotFoundError):
        released_losses()


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^backbone: given 'vgg16'; choose from vgg19, fcn_resnet50"):
        PerceptualLoss(backbone="vgg16")
