"""A network's first and last convolution, made for images of other channels or another pixel-unshuffle in front.

Shapes: F features, C channels of the image, r side of the pixel-unshuffle in front, k kernel side.

A network that can start from weights of another scale or other channels has `adapt_ends(state)`: it returns the state
dict for itself, in which what it takes as it is are the very tensors of `state`, and what it cannot make are its own.
Its errors, of type ValueError, begin with a verb: the file's name is put in front of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from wildsr.io import UserError
from wildsr.networks.states import some


class Network(Protocol):
    """Tell what must agree, and how many channels its images have."""

    architecture: str
    channels: int


N = TypeVar("N", bound=Network)


def require_same_architecture(
    network: N, state: Mapping[str, Tensor], from_state: Callable[[Mapping[str, Tensor]], N | None]
) -> N:
    """Return the network that a state dict is of, without memory for its weights.

    Raises:
        UserError: it is of another architecture, or neither network's images are grey where their channels differ.
    """
    with torch.device("meta"):
        given = from_state(state)
    if given is None or given.architecture != network.architecture:
        holds = given.architecture if given else f"another network ({some(list(state))})"
        raise UserError(f"holds {holds}; wanted {network.architecture}")
    check_channels(given.channels, network.channels)
    return given


def check_channels(given: int, wanted: int) -> None:
    """Refuse to adapt where images of neither number of channels are grey."""
    if given != wanted and 1 not in (given, wanted):
        raise UserError(f"is for images of {given} channels; this network, of {wanted}, wanted 1 or {wanted}")


def first_weight(state: Mapping[str, Tensor], name: str, wanted: int) -> dict[str, Tensor]:
    """Return the first convolution of a network without a pixel-unshuffle for images of `wanted` channels.

    An empty dict where nothing is to be made, or nothing can be.

    Raises:
        ValueError: neither number of channels is 1.
    """
    if name not in state or state[name].ndim != 4 or state[name].shape[1] == wanted:
        return {}
    given = state[name].shape[1]
    check_channels(given, wanted)
    return {name: share_inputs(state[name], (given, 1), (wanted, 1))}


def share_inputs(weight: Tensor, given: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Make a convolution's inputs, (F, C r r, k, k): summed where they become one, shared equally where many.

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


def average_outputs(outputs: Tensor, given: int, wanted: int) -> Tensor:
    """Make a convolution's outputs, (C n, …), averaged over C and repeated: one C is 1."""
    return outputs.float().unflatten(0, (given, -1)).mean(0, keepdim=True).repeat_interleave(wanted, 0).flatten(0, 1)


def remade(state: Mapping[str, Tensor], own: Mapping[str, Tensor], given: int, wanted: int) -> dict[str, Tensor]:
    """Return what differs from a network's own weights as the channels of the image do, made for `wanted` channels.

    Inputs are shared or summed, outputs averaged. What differs in another way is left out.
    """
    made: dict[str, Tensor] = {}
    for name in own.keys() & state.keys():
        old, new = state[name].shape, own[name].shape
        if given == wanted or old == new or len(old) != len(new):
            continue
        if old[1:] == new[1:] and old[0] * wanted == new[0] * given and old[0] % given == 0:
            made[name] = average_outputs(state[name], given, wanted)
        elif len(old) == 4 and (old[0], old[2:]) == (new[0], new[2:]):
            side = math.isqrt(old[1] // given)
            if (old[1], new[1]) == (given * side**2, wanted * side**2):
                made[name] = share_inputs(state[name], (given, side), (wanted, side))
    return made


def with_own(state: Mapping[str, Tensor], own: Mapping[str, Tensor], beginnings: tuple[str, ...]) -> dict[str, Tensor]:
    """Return a state dict where names with certain beginnings are a network's own, unless `state` has them alike."""
    adapted = {name: tensor for name, tensor in state.items() if not name.startswith(beginnings)}
    for name, tensor in own.items():
        if name.startswith(beginnings):
            adapted[name] = state[name] if name in state and state[name].shape == tensor.shape else tensor
    return adapted


def adapt_by_shape(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], given: int, wanted: int
) -> dict[str, Tensor]:
    """Return a network's weights from those of another of its kind, whose convolutions at the ends have any names.

    What has the own shape is taken, and what can be is `remade`. All else, such as the layers of another scale, stays
    as it is, and so do whole numbers that differ: they are no weights but choices, such as the scale of FDAT's
    upsampler. An empty dict where nothing is taken.
    """
    taken = {
        name: state[name]
        for name, tensor in own.items()
        if name in state and state[name].shape == tensor.shape
        if tensor.is_floating_point() or torch.equal(state[name], tensor)
    }
    return {**own, **remade(state, own, given, wanted), **taken} if taken else {}
