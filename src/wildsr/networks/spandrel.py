"""Networks of other architectures, through spandrel: to be evaluated and used beside ours.

Shapes: B batch, C channels of the image (1, 3, or 4 with alpha), H W image, s scale.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wildsr.images import first_line
from wildsr.io import UserError
from wildsr.networks.layouts import State, old_names
from wildsr.networks.states import some

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

SPANDREL = "spandrel==0.4.2"


class SpandrelNet(nn.Module):
    """Upscale (B, C, H, W) float images in [0, 1] to (B, C, sH, sW) in [0, 1], without gradients.

    Sizes that the network cannot take are padded by reflection and cropped again. In the state dict weights bear the
    architecture's own names, so that files of them are read by programs that know it.

    Args:
        descriptor: what spandrel loaded; it is moved and cast with this module.
    """

    is_read_by_spandrel = True

    def __init__(self, descriptor: ImageModelDescriptor) -> None:
        super().__init__()
        self.scale, self.channels = descriptor.scale, descriptor.input_channels
        self.architecture = descriptor.architecture.name
        self.model, self.descriptor = descriptor.model, descriptor
        self.register_state_dict_post_hook(_without_prefix)
        self.register_load_state_dict_pre_hook(_with_prefix)

    def forward(self, lq: Tensor) -> Tensor:
        if torch.jit.is_tracing():  # a loop would fix the number of images
            return self.descriptor(lq.clone())
        # One by one: spandrel promises nothing about batches. Copies: some, such as RCAN, scale their input in place.
        return torch.cat([self.descriptor(image[None].clone()) for image in lq])


def _without_prefix(network: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}model.")]:
        state[prefix + name.removeprefix(f"{prefix}model.")] = state.pop(name)


def _with_prefix(network: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        state[f"{prefix}model.{name.removeprefix(prefix)}"] = state.pop(name)


def load_spandrel(state: State, label: str) -> SpandrelNet:
    """Return the network that spandrel finds in a state dict: on the CPU, float32, in eval mode, without a random draw.

    Raises:
        ValueError: spandrel is not installed or does not know the network, or that is not one image to one image.
    """
    neither = f"{label}: neither an RRDBNet nor a CompactNet"
    try:
        import spandrel
    except ImportError:
        raise UserError(
            f"{neither} (it has {some(list(state))}); for other architectures pip install {SPANDREL}"
        ) from None
    if any(".conv1x1." in name for name in state):  # ESRGAN+, which spandrel takes for ESRGAN in any other names
        state = old_names(state)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's remarks on foreign code
        try:
            descriptor = spandrel.ModelLoader(device="cpu").load_from_state_dict(state)
        except spandrel.UnsupportedModelError:
            raise UserError(f"{neither}, nor known to spandrel; it has {some(list(state))}") from None
        except Exception as error:  # spandrel guesses by a few names, and fails in many ways where it guessed wrong
            raise UserError(f"{neither}, and spandrel cannot load it ({first_line(error)[:200]})") from error
    name = descriptor.architecture.name
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.purpose == "FaceSR":
        raise UserError(f"{label}: {name} is for {descriptor.purpose}; wanted one image in, one image out")
    if descriptor.input_channels != descriptor.output_channels:
        raise UserError(
            f"{label}: {name} makes {descriptor.output_channels} channels of {descriptor.input_channels}; "
            "wanted as many out as in"
        )
    return SpandrelNet(descriptor.float()).eval()
