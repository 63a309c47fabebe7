"""Starting a network from weights of another scale or other channels: what fits is taken, the ends are re-made.

Shapes: F features, C channels of the image, r side of the pixel-unshuffle in front, k kernel side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from wildsr.networks.compact import CompactNet
from wildsr.networks.layouts import State
from wildsr.networks.rrdb import DILATED, RRDBNet
from wildsr.networks.states import some
from wildsr.networks.vgg import VGGDiscriminator
from wildsr.networks.weights import check_fit, describe, read_for

Generator = RRDBNet | CompactNet


@dataclass(frozen=True)
class Transfer:
    """What became of the weights in a source.

    Attributes:
        source: the file or the name.
        taken: tensors that were taken as they are.
        remade: tensors that were computed from the source's, and what changed.
        left: tensors that have no partner in the source and keep their own initial values.
        unused: tensors of the source that have no place here.
    """

    source: str
    taken: list[str]
    remade: dict[str, str]
    left: list[str]
    unused: list[str]

    @property
    def report(self) -> str:
        """One line where every tensor was taken, else a short table."""
        if not (self.remade or self.left or self.unused):
            return f"all {len(self.taken)} tensors taken from {self.source}"
        rows = [("taken", f"{len(self.taken)} tensors")]
        rows += [("re-made", f"{name} ({change})") for name, change in self.remade.items()]
        rows += [("left as initialised", some(self.left))] if self.left else []
        rows += [("not used", some(self.unused))] if self.unused else []
        return "\n".join([f"from {self.source}", *(f"  {what:<19}  {which}" for what, which in rows)])


def adapt_weights(network: nn.Module, source: str | Path) -> Transfer:
    """Start a generator or discriminator from weights of its own trunk, whose scale and channels may differ.

    Kind, features, depth and growth must agree. Every tensor that fits is taken, and the rest follows these rules:

    - More pixels gathered in front (x4 to x2): each weight of the first convolution is shared equally among its
      copies, so the network starts as the old one on the means of 2 × 2 pixels (x4 to x1: of 4 × 4). Fewer
      (x2 to x4): the copies are summed, so it starts as the old one on the picture with every pixel doubled.
    - RGB to grey: the first convolution is summed over R, G, B, the last one averaged; the network starts as the
      mean output of the old one on R = G = B. Grey to RGB: the first convolution is shared equally, the last one
      repeated; it starts as the old one on the mean of R, G, B, three times. No weights of luma are involved.
      CompactNet adds its own input to that, as ever.
    - RRDBNet's `conv_up3`, and CompactNet's last convolution where the scale differs, keep their initial values.
    - RRDBNet's dilation may differ, and is reported.

    Raises:
        ValueError: as `load_weights`; or another trunk, or numbers of channels of which neither is 1. The
            network then stays as it was.
    """
    label, (state, choice) = read_for(network, source)
    own = network.state_dict()
    spare: tuple[str, ...] = ()  # beginnings of names that one side may lack
    if isinstance(network, Generator):
        given = describe(state, label)
        check_fit(given, state, label)
        if given.trunk != network.trunk:
            raise ValueError(f"{label} holds {given.trunk}; wanted {network.trunk}")
        spare = _spare(given, network)
        remade = _remade_ends(given, network, state, label)
    else:
        remade = _remade_first(network, state, label)
    fitting = {name: tensor for name, tensor in (state | remade).items() if not name.startswith(spare)}
    for name, tensor in own.items():
        if name.startswith(spare):
            same = name in state and state[name].shape == tensor.shape
            fitting[name] = state[name] if same else tensor
    check_fit(network, fitting, label)
    network.load_state_dict(fitting)
    left = [name for name in own if fitting[name] is own[name]]
    taken = [name for name in own if name not in left and name not in remade]
    changes = {name: _change(state[name], tensor) for name, tensor in remade.items()}
    return Transfer(
        f"{label} ({choice})" if choice else label, taken, changes, left, [name for name in state if name not in own]
    )


def _spare(given: Generator, network: Generator) -> tuple[str, ...]:
    if isinstance(network, RRDBNet):
        return ("conv_up3.", DILATED)
    return () if given.scale == network.scale else (f"{_ends(network)[1]}.",)


def _ends(network: Generator) -> tuple[str, str]:
    """The names of the first and the last convolution."""
    return ("conv_first", "conv_last") if isinstance(network, RRDBNet) else ("body.0", f"body.{len(network.body) - 1}")


def _remade_ends(given: Generator, network: Generator, state: State, label: str) -> State:
    """The first and the last convolution of `state` for the channels and the unshuffle of `network`."""
    first, last = _ends(network)
    _check_channels(given.channels, network.channels, label)
    sides = [net.unshuffle if isinstance(net, RRDBNet) else 1 for net in (given, network)]
    remade = {}
    if given.channels != network.channels or sides[0] != sides[1]:
        name = f"{first}.weight"
        remade[name] = _shared(state[name], (given.channels, sides[0]), (network.channels, sides[1]))
    if given.channels != network.channels:
        for name in (f"{last}.weight", f"{last}.bias"):
            if not name.startswith(_spare(given, network)):
                remade[name] = _averaged(state[name], given.channels, network.channels)
    return remade


def _remade_first(network: nn.Module, state: Mapping[str, Tensor], label: str) -> State:
    """The first convolution of a discriminator for its channels."""
    name = "conv0_0.weight" if isinstance(network, VGGDiscriminator) else "conv0.weight"
    wanted = network.state_dict()[name].shape[1]
    if name not in state or state[name].ndim != 4 or state[name].shape[1] == wanted:
        return {}
    given = state[name].shape[1]
    _check_channels(given, wanted, label)
    return {name: _shared(state[name], (given, 1), (wanted, 1))}


def _check_channels(given: int, wanted: int, label: str) -> None:
    if given != wanted and 1 not in (given, wanted):
        raise ValueError(f"{label} is for images of {given} channels; this network, of {wanted}, wanted 1 or {wanted}")


def _shared(weight: Tensor, given: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """A convolution's inputs, (F, C r r, k, k), summed where they become one, shared equally where they become many.

    Args:
        given, wanted: C and r before and after. One r divides the other; one C is 1, or both are the same.
    """
    (channels, side), (wanted_channels, wanted_side) = given, wanted
    inputs = weight.float().unflatten(1, (channels, side, side))
    if channels != wanted_channels:
        inputs = inputs.sum(1, keepdim=True).repeat_interleave(wanted_channels, 1) / wanted_channels
    for dim in (2, 3):
        if wanted_side > side:
            copies = wanted_side // side
            inputs = inputs.repeat_interleave(copies, dim) / copies
        elif wanted_side < side:
            inputs = inputs.unflatten(dim, (wanted_side, -1)).sum(dim + 1)
    return inputs.flatten(1, 3)


def _averaged(outputs: Tensor, given: int, wanted: int) -> Tensor:
    """A convolution's outputs, (C n, …), averaged over C and repeated: one C is 1."""
    return outputs.float().unflatten(0, (given, -1)).mean(0, keepdim=True).repeat_interleave(wanted, 0).flatten(0, 1)


def _change(before: Tensor, after: Tensor) -> str:
    dim, side = (0, "output") if before.shape[0] != after.shape[0] else (1, "input")
    return f"{before.shape[dim]} to {after.shape[dim]} {side} channels"
