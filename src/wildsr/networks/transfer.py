"""Starting a network from weights of another scale or other channels: what fits is taken, the ends are re-made."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from wildsr.io import UserError
from wildsr.networks.layouts import State
from wildsr.networks.states import some
from wildsr.networks.weights import check_fit, read_for


def adapt_weights(network: nn.Module, source: str | Path) -> str:
    """Start a generator or discriminator from weights of its own kind, whose scale and channels may differ.

    A network that has `adapt_ends(state)` makes the ends for itself (see `networks.ends`), and all else must fit. Of
    any other network the weights of equal names and shapes are taken, and the rest keeps its initial values. For those
    of this package features, depth and growth must agree, and the ends follow these rules:

    - More pixels gathered in front (x4 to x2): each weight of the first convolution is shared equally among its
      copies, so the network starts as the old one on the means of 2 × 2 pixels (x4 to x1: of 4 × 4). Fewer
      (x2 to x4): the copies are summed, so it starts as the old one on the image with every pixel doubled.
    - RGB to grey: the first convolution is summed over R, G, B, the last one averaged; the network starts as the
      mean output of the old one on R = G = B. Grey to RGB: the first convolution is shared equally, the last one
      repeated; it starts as the old one on the mean of R, G, B, three times. No weights of luma are involved.
      CompactNet adds its own input to that, as ever.
    - RRDBNet's `conv_up3`, and CompactNet's last convolution where the scale differs, keep their initial values.
    - RRDBNet's dilation may differ, and is reported.

    Returns:
        A report: one line where every tensor was taken, else a short table of what was taken as it is, re-made, left as
        initialised for want of a partner in the source, and not used of it.

    Raises:
        ValueError: as `load_weights`; or another architecture, numbers of channels of which neither is 1, or nothing
            that fits. The network then stays as it was.
    """
    label, (state, choice) = read_for(network, source)
    own = network.state_dict()
    fitting = _adapted(network, state, label)
    check_fit(network, fitting, label)
    taken = [name for name in own if fitting[name] is state.get(name)]
    left = [name for name in own if name not in taken and torch.equal(fitting[name], own[name])]
    remade = [name for name in own if name not in taken and name not in left]
    unused = [name for name in state if name not in own]
    network.load_state_dict(fitting)
    source = f"{label} ({choice})" if choice else label
    if not (remade or left or unused):
        return f"all {len(taken)} tensors taken from {source}"
    rows = [("taken", f"{len(taken)} tensors")]
    rows += [("re-made", f"{name} ({_change(state[name], fitting[name])})") for name in remade]
    rows += [("left as initialised", some(left))] if left else []
    rows += [("not used", some(unused))] if unused else []
    return "\n".join([f"from {source}", *(f"  {what:<19}  {which}" for what, which in rows)])


def _adapted(network: nn.Module, state: State, label: str) -> State:
    """Return a source's weights for a network: made by its `adapt_ends`, or only those that fit, and else its own."""
    if hasattr(network, "adapt_ends"):
        try:
            return network.adapt_ends(state)  # type: ignore[operator]
        except ValueError as error:
            raise UserError(f"{label} {error}") from error
    own = network.state_dict()
    fitting = {name: state[name] for name in own if name in state and state[name].shape == own[name].shape}
    if not fitting:
        raise UserError(f"{label}: none of its weights fits this {type(network).__name__}; it has {some(list(state))}")
    return own | fitting


def _change(before: Tensor, after: Tensor) -> str:
    dim, side = (0, "output") if before.shape[0] != after.shape[0] else (1, "input")
    return f"{before.shape[dim]} to {after.shape[dim]} {side} channels"
