"""Keeping parts of a network as they are while the rest learns."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from torch import nn

from wildsr.io import ConfigError


def freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Keep the named parts of a network from learning: `requires_grad` of their parameters becomes False.

    Args:
        names: dotted, as in `state_dict()`: a module such as `conv_first` or `body.0` with all that is in it, or
            a single parameter such as `conv_last.bias`.

    Raises:
        ValueError: a name is no part of the network (the nearest ones are named), or nothing is left to learn.
            The network then stays as it was.
    """
    if isinstance(names, str):
        raise ConfigError(f"freeze: given {names!r}, wanted a list of names: [{names}]")
    parameters = dict(network.named_parameters())
    parts = [name.split(".") for name in parameters]
    known = {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4) or sorted({part[0] for part in parts})
            raise ConfigError(
                f"freeze: given {name!r}, which is no part of this {type(network).__name__}; nearest: {', '.join(near)}"
            )
    frozen = [name for name in parameters if any(f"{name}.".startswith(f"{part}.") for part in names)]
    if len(frozen) == len(parameters):
        raise ConfigError(f"freeze: given {', '.join(names)}, which leaves nothing of the network to learn")
    for name in frozen:
        parameters[name].requires_grad_(False)
