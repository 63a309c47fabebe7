"""Networks of other architectures, through spandrel: trained, evaluated and used beside ours.

Shapes: B batch, C channels of the image (1, 3, or 4 with alpha), H W image, s scale.
"""

from __future__ import annotations

import inspect
import math
import typing
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wildsr.io import UserError, choose_from, first_line
from wildsr.networks.ends import adapt_by_shape, check_channels
from wildsr.networks.layouts import State, old_names
from wildsr.networks.padding import larger, reflect_to
from wildsr.networks.states import some

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

SPANDREL = "spandrel==0.4.2"
# What the constructors of spandrel's networks call the scale, and the channels of input and output.
SCALES = ("scale", "upscale", "upscaling_factor", "up_scale", "upscale_factor")
CHANNELS = (
    "num_in_ch", "num_out_ch", "in_ch", "out_ch", "in_nc", "out_nc", "in_chans", "out_chans", "in_channels",
    "out_channels", "inp_channels", "n_colors", "img_channel",
)  # fmt: skip


class SpandrelNet(nn.Module):
    """Upscale (B, C, H, W) float images in [0, 1] to (B, C, sH, sW), in eval mode in [0, 1].

    Sizes that the network cannot take are padded by reflection, right and below, and the result is cropped. In the
    state dict weights bear the architecture's own names, so that files of them are read by programs that know it.

    Args:
        descriptor: what spandrel loaded; its module is taken over.

    Attributes:
        multiple, least: what the sides of an image are padded to.
        takes_batches: whether, once it is traced, it takes batches of more than one image.
    """

    is_read_by_spandrel = True

    def __init__(self, descriptor: ImageModelDescriptor) -> None:
        super().__init__()
        self.scale, self.channels = descriptor.scale, descriptor.input_channels
        self.architecture = descriptor.architecture.name
        self.model, self.call = descriptor.model, descriptor._call_fn
        sides, options = descriptor.size_requirements, getattr(descriptor.model, "hyperparameters", {})
        # Those with windows pad to them by themselves, in the same way; out here a traced graph can do it, too.
        window = options.get("window_size", 1)
        self.multiple = math.lcm(sides.multiple_of, window if isinstance(window, int) else 1)
        self.least, self.is_square = math.ceil(sides.minimum / self.multiple) * self.multiple, sides.square
        self.takes_batches = not options.keys() & {"window_size", "split_size"}  # once traced
        self.register_state_dict_post_hook(_without_prefix)
        self.register_load_state_dict_pre_hook(_with_prefix)

    def forward(self, lq: Tensor) -> Tensor:
        if self.training:
            return self._enlarge(lq)
        if torch.jit.is_tracing():  # a loop would fix the number of images
            return self._enlarge(lq).clamp(0, 1)
        # One by one: spandrel promises nothing about batches.
        return torch.cat([self._enlarge(image[None]) for image in lq]).clamp(0, 1)

    def _enlarge(self, lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        least = larger(larger(height, width), self.least) if self.is_square else self.least
        fits_any = self.multiple == 1 and not self.least and not self.is_square
        padded = lq if fits_any else reflect_to(lq, self.multiple, least)
        sr: Tensor = self.call(self.model, padded.clone())  # some, such as RCAN, scale their input in place
        return sr[..., : height * self.scale, : width * self.scale]

    def rebuild(self, scale: int, channels: int) -> SpandrelNet:
        """Return a network of the same architecture and options, with random weights, for another scale and channels.

        Raises:
            ValueError: the architecture does not have them.
        """
        options = dict(self.model.hyperparameters)
        return _checked(type(self.model), self.architecture, scale, channels, options)

    def adapt_ends(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights for the own scale and channels; see `networks.ends`. What does not fit keeps its values.

        Raises:
            ValueError: weights of another network, or numbers of channels of which neither is 1.
        """
        try:
            given = load_spandrel(dict(state), "the file")
        except UserError:
            given = None  # a network that spandrel does not know alone: what fits is taken
        if given is not None:
            if given.architecture != self.architecture:
                raise UserError(f"holds {given.architecture}; wanted {self.architecture}")
            check_channels(given.channels, self.channels)
        channels = given.channels if given else self.channels
        if not (adapted := adapt_by_shape(state, self.state_dict(), channels, self.channels)):
            raise UserError(f"holds another network ({some(list(state))}); wanted {self.architecture}")
        return adapted

    def convert_names(self, state: State) -> State:
        """Return a file's weights in the names of this network's own, where spandrel knows another writing of them."""
        own = self.state_dict()
        if own.keys() == state.keys():
            return state
        if self.architecture == "ESRGAN":  # files of it are read in the released names
            return old_names(state)
        try:
            known = load_spandrel(dict(state), "the file").state_dict()
        except UserError:
            return state
        return known if len(own.keys() & known.keys()) > len(own.keys() & state.keys()) else state


def _without_prefix(network: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}model.")]:
        state[prefix + name.removeprefix(f"{prefix}model.")] = state.pop(name)


def _with_prefix(network: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        state[f"{prefix}model.{name.removeprefix(prefix)}"] = state.pop(name)


def build_spandrel(architecture: str | None, scale: int, channels: int = 3, **options: Any) -> SpandrelNet:
    """Build a network of one of spandrel's architectures, with random weights, in train mode.

    Args:
        architecture: its name there, such as SPAN, RealPLKSR or SwinIR, in any case.
        scale, channels: of the image; the architecture's own arguments for them, whatever their names, are set.
        options: the architecture's own arguments.

    Raises:
        ValueError: spandrel is not installed or has no such network; it has no such option, scale or channels; or
            spandrel would not know it by its weights, so that no program could load what is trained. One line.
    """
    classes = _classes()
    found = {name.lower(): name for name in classes}.get(str(architecture).lower())
    if found is None:
        close = get_close_matches(str(architecture), classes, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"architecture: given {architecture}; {choose_from(classes)}{hint}")
    known = inspect.signature(classes[found].__init__).parameters
    if unknown := [name for name in options if name not in known]:
        own = [name for name in known if name not in (*SCALES, *CHANNELS, "self")]
        raise UserError(f"{found} has no option {', '.join(unknown)}; {choose_from(own)}")
    return _checked(classes[found], found, scale, channels, options)


def _classes() -> dict[str, type[nn.Module]]:
    """Return spandrel's networks by name: of an architecture with several, each by the name of its class."""
    try:
        import spandrel
    except ImportError:
        raise UserError(f"networks by their architecture need spandrel; pip install {SPANDREL}") from None
    found: dict[str, type[nn.Module]] = {}
    for support in spandrel.MAIN_REGISTRY.architectures():
        made = typing.get_args(type(support.architecture).__orig_bases__[0])[0]
        several = typing.get_args(made)
        found |= {kind.__name__: kind for kind in several} if several else {support.architecture.id: made}
    return dict(sorted(found.items()))


def _checked(kind: type[nn.Module], name: str, scale: int, channels: int, options: Mapping[str, Any]) -> SpandrelNet:
    """Build a network, and let spandrel find it in its own weights."""
    known = inspect.signature(kind.__init__).parameters
    ends = {key: scale for key in SCALES if key in known} | {key: channels for key in CHANNELS if key in known}
    wanted = f"{name} of scale={scale}, channels={channels}"
    try:
        model = kind(**{**options, **ends})
    except Exception as error:  # its own checks, of many types
        given = ", ".join(f"{key}={value}" for key, value in options.items())
        raise UserError(f"{wanted}{f' with {given}' * bool(given)}: cannot be built: {first_line(error)}") from error
    try:
        network = load_spandrel(dict(model.state_dict()), wanted)
    except UserError as error:
        raise UserError(f"{wanted} would not be known by its weights: {error}") from error
    if (network.scale, network.channels) != (scale, channels) or type(network.model) is not kind:
        raise UserError(
            f"{wanted}: by its weights it is {network.architecture} of scale={network.scale}, "
            f"channels={network.channels}; the architecture does not have what was wanted, or wants other options of "
            f"its own ({', '.join(f'{key}={value}' for key, value in options.items()) or 'none given'})"
        )
    network.model = model  # with the options that weights do not tell, such as drop paths
    return network.train()


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
    network = SpandrelNet(descriptor.float()).eval()
    network.requires_grad_(False)
    return network
