"""The losses of the GAN stage beyond torch's `l1_loss`: perceptual (VGG19 features) and adversarial."""

# B batch, C = 1 or 3, H W image

import difflib
import pickle
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg19

_VGG = VGG19_Weights.IMAGENET1K_V1
# The released training options of Real-ESRGAN.
RELEASED_LAYERS: Mapping[str, float] = MappingProxyType(
    {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
)


class PerceptualLoss(nn.Module):
    """Weighted L1 distance between the VGG19 features of two images, taken before each layer's ReLU.

    VGG is frozen and runs only as far as the deepest layer asked for. It is absent from `parameters()` and
    `state_dict()`, so no optimiser and no checkpoint sees it, and still moves with `.to(device)`.

    Example:
        >>> loss = PerceptualLoss("vgg19-dcbb9e9d.pth")  # doctest: +SKIP
        >>> loss(sr, target_perceptual).backward()  # doctest: +SKIP

    Args:
        weights: a file with torchvision's VGG19 state dict (.pth or .safetensors; its `features.*` suffice),
            or None for torchvision's own download into the cache of torch hub.
        layers: layer name to weight. "conv3_4" is the fourth convolution of the third block; the five blocks
            have 2, 2, 4, 4 and 4 of them.

    Raises:
        ValueError: a layer is unknown or none is given, or the file does not hold VGG19's features.
        FileNotFoundError: there is no such file, or the download failed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: str | Path | None = None, layers: Mapping[str, float] = RELEASED_LAYERS) -> None:
        super().__init__()
        with torch.device("meta"):  # shapes only; the values are read below
            vgg = vgg19().features
        indices = _conv_indices(vgg)
        _check_layers(layers, indices)
        self.layer_weights = {indices[name]: weight for name, weight in layers.items()}
        self.features = _freeze(vgg[: max(self.layer_weights) + 1], _read_state(weights))
        normalisation = _VGG.transforms()
        for name, values in (("mean", normalisation.mean), ("std", normalisation.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, sr: Tensor, target: Tensor) -> Tensor:
        """Distance of `sr` from `target`; gradients reach `sr` only.

        Args:
            sr: (B, C, H, W), about [0, 1] and not clamped. Grey counts as RGB of equal channels. conv5 needs
                at least 16 px a side.
            target: (B, C, H, W) in [0, 1].

        Returns:
            A scalar, not negative.
        """
        with torch.no_grad():
            wanted = self._activations(target)
        given = self._activations(sr)
        distances = [weight * F.l1_loss(given[i], wanted[i]) for i, weight in self.layer_weights.items()]
        return torch.stack(distances).sum()

    def _activations(self, image: Tensor) -> dict[int, Tensor]:
        """Index in `features` to what comes out of that convolution, for each layer asked for."""
        x = (image.expand(-1, 3, -1, -1) - self.mean) / self.std
        kept = {}
        for index, module in enumerate(self.features):
            x = module(x)
            if index in self.layer_weights:
                kept[index] = x
        return kept


def adversarial_loss(logits: Tensor, real: bool) -> Tensor:
    """Vanilla GAN loss: mean binary cross-entropy, in nats, of logits that ought to say real (or fake).

    G asks for `real` of its own images; D for `real` of real ones, plus not `real` of G's.

    Example:
        >>> round(adversarial_loss(torch.zeros(1, 1, 4, 4), real=True).item(), 4)  # log 2
        0.6931

    Args:
        logits: any shape.
        real: whether they ought to say "real".

    Returns:
        A scalar, not negative.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def _conv_indices(features: nn.Sequential) -> dict[str, int]:
    """conv1_1 ... conv5_4 to their indices in VGG's features; a pooling ends a block."""
    indices, block, number = {}, 1, 0
    for index, module in enumerate(features):
        if isinstance(module, nn.Conv2d):
            number += 1
            indices[f"conv{block}_{number}"] = index
        elif isinstance(module, nn.MaxPool2d):
            block, number = block + 1, 0
    return indices


def _check_layers(layers: Mapping[str, float], known: Mapping[str, int]) -> None:
    if not layers:
        raise ValueError(f"no layer given for the perceptual loss; wanted some of {', '.join(known)}")
    for name in layers:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, cutoff=0.0)
            raise ValueError(f"{name!r} is no layer of the perceptual loss; nearest: {', '.join(nearest)}")


def _freeze(features: nn.Sequential, state: Mapping[str, Tensor]) -> nn.Sequential:
    """Fill the convolutions from the state dict, as buffers that are not saved."""
    for index, module in enumerate(features):
        if isinstance(module, nn.ReLU):
            module.inplace = False  # in place, it would overwrite the features that are kept
        if isinstance(module, nn.Conv2d):
            for name in ("weight", "bias"):
                key, wanted = f"features.{index}.{name}", getattr(module, name).shape
                if key not in state or state[key].shape != wanted:
                    given = tuple(state[key].shape) if key in state else "nothing"
                    raise ValueError(f"VGG19 weights: {key} holds {given}; wanted shape {tuple(wanted)}")
                delattr(module, name)
                module.register_buffer(name, state[key].detach().float(), persistent=False)
    return features


def _read_state(weights: str | Path | None) -> Mapping[str, Tensor]:
    """The state dict of a file, or of torchvision's download where `weights` is None."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    ways_out = f"put {_VGG.url} into {folder}, or name a copy of it with loss.vgg_weights=FILE"
    if weights is None:
        try:
            return _VGG.get_state_dict(progress=True, check_hash=True)
        except (OSError, HTTPException, RuntimeError) as error:
            message = f"VGG19's weights could not be downloaded ({error}); {ways_out}"
            raise FileNotFoundError(message) from error
    path = Path(weights).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"VGG19's weights are not at {path}; {ways_out}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise ValueError(f"{path} is not a state dict ({error.__class__.__name__}); {ways_out}") from error
