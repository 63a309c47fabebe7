"""Networks whose features compare images: which there are, and their frozen weights from a file or torchvision."""

import difflib
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, WeightsEnum, resnet50, vgg19
from torchvision.models.segmentation import FCN_ResNet50_Weights
from torchvision.ops import FrozenBatchNorm2d

from wildsr.io import UserError, choose_from, expanded
from wildsr.networks.released import offline_reason

# The released training options of Real-ESRGAN.
RELEASED_LAYERS: Mapping[str, float] = MappingProxyType(
    {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
)
# One layer for each of ResNet's five depths, weighted as the five of VGG19: what the shallow two see, the pixel loss
# sees as well. After the ReLU of their last block from layer1 on, the form in which the next group and the
# segmentation head read them.
SEGMENTATION_LAYERS: Mapping[str, float] = MappingProxyType(
    {"bn1": 0.1, "layer1": 0.1, "layer2": 1.0, "layer3": 1.0, "layer4": 1.0}
)


class Backbone(NamedTuple):
    """Describe a network of torchvision's, as far as it is a chain of modules that computes features.

    Attributes:
        title: its name in messages.
        chain: builds it; its children bear torchvision's names.
        prefix: of the chain in torchvision's state dict.
        places: layer names to their places in the chain.
        layers: the default layers and their weights.
        weights: torchvision's, with their address and the normalisation of their images.
    """

    title: str
    chain: Callable[[], nn.Sequential]
    prefix: str
    places: Callable[[nn.Sequential], dict[str, int]]
    layers: Mapping[str, float]
    weights: WeightsEnum


def frozen_chain(
    backbone: Backbone, weights: str | Path | None, layers: Sequence[str]
) -> tuple[nn.Sequential, dict[str, int]]:
    """Return a backbone up to the deepest of some layers, without parameters, and the places of its layers.

    Its weights are buffers that are not saved. In train mode it computes what it does in eval mode.

    Raises:
        ValueError, FileNotFoundError: as PerceptualLoss.
    """
    with torch.device("meta"):  # shapes only; the values are read below
        chain = backbone.chain()
    places = backbone.places(chain)
    _check_layers(layers, places)
    chain = chain[: max(places[name] for name in layers) + 1]
    state = _read_state(backbone, weights)
    for name, module in chain.named_modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # in place, it would overwrite the features that are kept
        _fill(module, f"{backbone.prefix}{name}", state, backbone.title)
    return chain, places


def _vgg19_chain() -> nn.Sequential:
    return vgg19().features


def _conv_places(features: nn.Sequential) -> dict[str, int]:
    """Map conv1_1 ... conv5_4 to their places in VGG's features; a pooling ends a block."""
    places, block, number = {}, 1, 0
    for place, module in enumerate(features):
        if isinstance(module, nn.Conv2d):
            number += 1
            places[f"conv{block}_{number}"] = place
        elif isinstance(module, nn.MaxPool2d):
            block, number = block + 1, 0
    return places


def _resnet_chain() -> nn.Sequential:
    """Build ResNet-50 as fcn_resnet50 has it: dilated from layer3 on, so that features keep an eighth of its side.

    Its BatchNorm is the frozen one: it normalises by the stored statistics in train mode, too.
    """
    network = resnet50(replace_stride_with_dilation=[False, True, True], norm_layer=FrozenBatchNorm2d)
    return nn.Sequential(OrderedDict((n, m) for n, m in network.named_children() if n not in ("avgpool", "fc")))


def _group_places(features: nn.Sequential) -> dict[str, int]:
    """Map bn1 and layer1 ... layer4 to their places in ResNet."""
    return {n: i for i, (n, _) in enumerate(features.named_children()) if n == "bn1" or n.startswith("layer")}


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "vgg19": Backbone(
            title="VGG19",
            chain=_vgg19_chain,
            prefix="features.",
            places=_conv_places,
            layers=RELEASED_LAYERS,
            weights=VGG19_Weights.IMAGENET1K_V1,
        ),
        # Of torchvision's segmentation networks the one whose head adds least (two convolutions), so that what tells
        # things apart has to be in the backbone; and the smallest download with a ResNet-50.
        "fcn_resnet50": Backbone(
            title="fcn_resnet50",
            chain=_resnet_chain,
            prefix="backbone.",
            places=_group_places,
            layers=SEGMENTATION_LAYERS,
            weights=FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1,
        ),
    }
)


def _check_layers(layers: Sequence[str], known: Mapping[str, int]) -> None:
    if not layers:
        raise UserError(f"no layer given for the perceptual loss; {choose_from(known)}")
    for name in layers:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, cutoff=0.0)
            raise UserError(f"{name!r} is no layer of the perceptual loss; nearest: {', '.join(nearest)}")


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
        if trouble := offline_reason(backbone.weights.url):
            raise FileNotFoundError(f"{title}'s weights: {trouble}; {ways_out}")
        try:
            return backbone.weights.get_state_dict(progress=True, check_hash=True)
        except (OSError, HTTPException, RuntimeError) as error:
            message = f"{title}'s weights could not be downloaded ({error}); {ways_out}"
            raise FileNotFoundError(message) from error
    path = expanded(weights)
    if not path.is_file():
        raise FileNotFoundError(f"{title}'s weights are not at {path}; {ways_out}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise UserError(f"{path} is not a state dict ({error.__class__.__name__}); {ways_out}") from error
