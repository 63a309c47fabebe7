"""Features of a network trained for segmentation against torchvision's fcn_resnet50 hooked by hand."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.segmentation import FCN_ResNet50_Weights, fcn_resnet50

from wildsr.losses import RELEASED_LAYERS, SEGMENTATION_LAYERS, PerceptualLoss


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """fcn_resnet50 with seeded random weights and statistics, rounded to half precision, in eval mode."""
    torch.manual_seed(0)
    network = fcn_resnet50(weights=None, weights_backbone=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.half().float().eval()


@pytest.fixture(scope="module")
def weights_file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("segmentation") / "fcn.pth"
    torch.save({name: tensor.half() for name, tensor in network.state_dict().items()}, path)
    return path


def images(seed: int) -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def hooked(network: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """What leaves each layer, cloned by a hook before an in-place operation overwrites it."""
    kept: dict[str, Tensor] = {}
    handles = [
        network.get_submodule(f"backbone.{name}").register_forward_hook(
            lambda _, __, out, name=name: kept.__setitem__(name, out.clone())
        )
        for name in SEGMENTATION_LAYERS
    ]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        network((image - mean) / std)
    for handle in handles:
        handle.remove()
    return kept


def test_the_loss_is_the_weighted_l1_of_the_segmentation_networks_features(
    network: nn.Module, weights_file: Path
) -> None:
    sr, target = images(1) * 1.4 - 0.2, images(2)
    given, wanted = hooked(network, sr), hooked(network, target)
    assert (given["bn1"] < 0).any()  # before its ReLU
    assert {name: tuple(feature.shape[1:]) for name, feature in given.items()} == {
        "bn1": (64, 16, 16), "layer1": (256, 8, 8), "layer2": (512, 4, 4), "layer3": (1024, 4, 4),
        "layer4": (2048, 4, 4),
    }  # fmt: skip
    by_hand = {name: (given[name] - wanted[name]).abs().mean().item() for name in SEGMENTATION_LAYERS}
    loss = PerceptualLoss(file=weights_file, backbone="fcn_resnet50")
    weighted = sum(weight * by_hand[name] for name, weight in SEGMENTATION_LAYERS.items())
    assert loss(sr, target).item() == pytest.approx(weighted, rel=1e-5)
    alone = PerceptualLoss(backbone="fcn_resnet50", layers={"layer1": 2.0}, file=weights_file)
    assert alone(sr, target).item() == pytest.approx(2 * by_hand["layer1"], rel=1e-5)


def test_the_five_depths_weigh_what_vggs_do() -> None:
    assert list(SEGMENTATION_LAYERS.values()) == list(RELEASED_LAYERS.values()) == [0.1, 0.1, 1, 1, 1]


def test_the_statistics_are_the_stored_ones_in_train_mode_too(weights_file: Path) -> None:
    loss = PerceptualLoss(backbone="fcn_resnet50", layers={"layer1": 1.0}, file=weights_file)
    before = {name: buffer.clone() for name, buffer in loss.named_buffers()}
    evaluated = loss.eval()(images(1), images(2)).item()
    assert loss.train()(images(1), images(2)).item() == evaluated > 0
    assert all(torch.equal(buffer, before[name]) for name, buffer in loss.named_buffers())


def test_it_is_in_no_checkpoint_and_no_optimiser_and_gradients_reach_sr_only(weights_file: Path) -> None:
    loss = PerceptualLoss(backbone="fcn_resnet50", layers={"layer1": 1.0}, file=weights_file)
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    assert [name for name, _ in loss.features.named_children()] == ["conv1", "bn1", "relu", "maxpool", "layer1"]
    sr, target = images(1).requires_grad_(), images(2).requires_grad_()
    loss(sr, target).backward()
    assert sr.grad is not None and sr.grad.abs().sum() > 0
    assert target.grad is None


def test_without_weights_the_error_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(FileNotFoundError, match=r"weights: not downloaded \(WILDSR_OFFLINE=1\); put https://"):
        PerceptualLoss(backbone="fcn_resnet50")
    monkeypatch.delenv("WILDSR_OFFLINE")
    for weights, reason in ((None, "no route to host"), (tmp_path / "absent.pth", "absent.pth")):
        with pytest.raises(FileNotFoundError) as caught:
            PerceptualLoss(file=weights, backbone="fcn_resnet50")
        message = str(caught.value)
        assert "\n" not in message
        for part in (
            reason,
            FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.url,
            str(tmp_path / "checkpoints"),
            "loss.perceptual.file=",
        ):
            assert part in message


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    wanted = r"fcn_resnet50 weights: backbone\.conv1\.weight holds nothing; wanted shape \(64, 3, 7, 7\)"
    with pytest.raises(ValueError, match=wanted):
        PerceptualLoss(file=tmp_path / "vgg.pth", backbone="fcn_resnet50")
