"""Starting a network from weights of another scale or other channels: what fits is taken, the ends are re-made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from wildsr.io import UserError
from wildsr.networks.layouts import State
from wildsr.networks.states import some
from wildsr.networks.weights import check_fit, read_for


@dataclass(frozen=True)
class Transfer:
    """Report what became of the weights in a source.

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
        """Return one line where every tensor was taken, else a short table."""
        if not (self.remade or self.left or self.unused):
            return f"all {len(self.taken)} tensors taken from {self.source}"
        rows = [("taken", f"{len(self.taken)} tensors")]
        rows += [("re-made", f"{name} ({change})") for name, change in self.remade.items()]
        rows += [("left as initialised", some(self.left))] if self.left else []
        rows += [("not used", some(self.unused))] if self.unused else []
        return "\n".join([f"from {self.source}", *(f"  {what:<19}  {which}" for what, which in rows)])


def adapt_weights(network: nn.Module, source: str | Path) -> Transfer:
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
    remade = {name: _change(state[name], fitting[name]) for name in own if name not in taken and name not in left}
    network.load_state_dict(fitting)
    unused = [name for name in state if name not in own]
    return Transfer(f"{label} ({choice})" if choice else label, taken, remade, left, unused)


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
