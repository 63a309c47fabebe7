"""Networks whose features compare images: which there are, and their frozen weights from a file or torchvision."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, WeightsEnum, resnet50, vgg19
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.segmentation import FCN_ResNet50_Weights
from torchvision.ops import FrozenBatchNorm2d

from wildsr.checks import checked_choice, checked_list
from wildsr.io import UserError, expanded
from wildsr.networks.released import torch_download
from wildsr.networks.states import read_state

# The released training options of Real-ESRGAN.
RELEASED_LAYERS: Mapping[str, float] = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
# One layer for each of ResNet's five depths, weighted as the five of VGG19: what the shallow two see, the pixel loss
# sees as well. After the ReLU of their last block from layer1 on, the form in which the next group and the
# segmentation head read them.
SEGMENTATION_LAYERS: Mapping[str, float] = {"bn1": 0.1, "layer1": 0.1, "layer2": 1.0, "layer3": 1.0, "layer4": 1.0}


class Backbone(NamedTuple):
    """Describe a network of torchvision's, as far as it computes features.

    Attributes:
        title: its name in messages.
        build: builds it, with torchvision's names.
        prefix: of these names in torchvision's state dict.
        places: layer names to torchvision's names of what computes them.
        layers: the default layers and their weights.
        weights: torchvision's, with their address and the normalisation of their images.
    """

    title: str
    build: Callable[[], nn.Module]
    prefix: str
    places: Mapping[str, str]
    layers: Mapping[str, float]
    weights: WeightsEnum


def frozen_features(backbone: Backbone, weights: str | Path | None, layers: Sequence[str]) -> nn.Module:
    """Return a backbone that maps (B, 3, H, W) to the features of some layers by name, and runs no further.

    Its weights are buffers that are not saved. In train mode it computes what it does in eval mode.

    Raises:
        ValueError, FileNotFoundError: as PerceptualLoss.
    """
    for name in checked_list("layers", list(layers)):
        checked_choice("layers", name, backbone.places)
    with torch.device("meta"):  # shapes only; the values are read below
        features = create_feature_extractor(backbone.build(), {backbone.places[name]: name for name in layers})
    state = _read_state(backbone, weights)
    for name, module in features.named_modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # in place, it would overwrite the features that are kept
        _fill(module, f"{backbone.prefix}{name}", state, backbone.title)
    return features


def _vgg19_convolutions() -> dict[str, str]:
    """Map conv1_1 ... conv5_4 to their places in VGG19: a ReLU follows each, and a pooling ends a block."""
    places, place = {}, 0
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1):
        for number in range(1, convolutions + 1):
            places[f"conv{block}_{number}"] = str(place)
            place += 2
        place += 1
    return places


BACKBONES: Mapping[str, Backbone] = {
    "vgg19": Backbone(
        title="VGG19",
        build=lambda: vgg19().features,
        prefix="features.",
        places=_vgg19_convolutions(),
        layers=RELEASED_LAYERS,
        weights=VGG19_Weights.IMAGENET1K_V1,
    ),
    # Of torchvision's segmentation networks the one whose head adds least (two convolutions), so that what tells
    # things apart has to be in the backbone; and the smallest download with a ResNet-50. Dilated from layer3 on,
    # so that features keep an eighth of its side, and with the BatchNorm that normalises by the stored statistics
    # in train mode, too.
    "fcn_resnet50": Backbone(
        title="fcn_resnet50",
        build=partial(resnet50, replace_stride_with_dilation=[False, True, True], norm_layer=FrozenBatchNorm2d),
        prefix="backbone.",
        places={name: name for name in SEGMENTATION_LAYERS},
        layers=SEGMENTATION_LAYERS,
        weights=FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1,
    ),
}


def _fill(module: nn.Module, path: str, state: Mapping[str, Tensor], title: str) -> None:
    """Fill a module's own parameters and buffers from the state dict, as buffers that are not saved."""
    own = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
    for name, tensor in own.items():
        key, wanted = f"{path}.{name}", tensor.shape
        if key not in state or state[key].shape != wanted:
            given = tuple(state[key].shape) if key in state else "nothing"
            raise UserError(f"{title} weights: {key} holds {given}; wanted shape {tuple(wanted)}")
        delattr(module, name)
        module.register_buffer(name, state[key].detach().float(), persistent=False)


def _read_state(backbone: Backbone, weights: str | Path | None) -> Mapping[str, Tensor]:
    """Read the state dict of a file, or of torchvision's download where `weights` is None."""
    folder, title = Path(torch.hub.get_dir()) / "checkpoints", backbone.title
    ways_out = f"put {backbone.weights.url} into {folder}, or name a copy of it with loss.perceptual.file=FILE"
    if weights is None:
        try:
            with torch_download(backbone.weights.url):
                return backbone.weights.get_state_dict(progress=True, check_hash=True)
        except (OSError, HTTPException, RuntimeError) as error:
            raise FileNotFoundError(f"{title}'s weights: {error}; {ways_out}") from error
    path = expanded(weights)
    if not path.is_file():
        raise FileNotFoundError(f"{title}'s weights are not at {path}; {ways_out}")
    try:
        return read_state(path, "generator").state
    except UserError as error:
        raise UserError(f"{error}; {ways_out}") from error
