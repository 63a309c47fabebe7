"""The network inside a file's content: where it stands, and its weights in the released names.

Trainers wrap a state dict in keys (`params_ema`, `state_dict`) and put prefixes before its names (`module.`,
`_orig_mod.`). Both are read alike: as a place, made of words, before a network's own names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from torch import Tensor

from wildsr.io import UserError

State = dict[str, Tensor]
Kind = Literal["generator", "discriminator"]
Place = tuple[str, ...]

AVERAGED = frozenset(("ema", "average", "averaged", "avg", "swa", "shadow"))
OWN: dict[Kind, frozenset[str]] = {
    "generator": frozenset(("generator", "gen", "g")),
    "discriminator": frozenset(("discriminator", "disc", "d")),
}
# A part of a name that is made of these words alone is a wrapper's.
WRAPPERS = AVERAGED | frozenset(
    ("params", "param", "state", "dict", "model", "net", "network", "module", "weights", "orig", "mod", "online", "sr")
)
# Names of a network's first layer: what has one is a network of its kind.
FIRST: dict[Kind, tuple[str, ...]] = {
    "generator": ("conv_first.weight", "body.0.weight"),
    "discriminator": ("conv0.weight", "conv0_0.weight"),
}
# What profilers and averaging leave beside the weights.
COUNTERS = frozenset(("total_ops", "total_params", "n_averaged", "num_batches", "num_updates", "initted", "step"))
PASSED_OVER = re.compile("optim|sched|scaler|hyper|callback|loop", re.IGNORECASE)  # keys of a training's own state
DEEPEST = 8  # parts of a place; a damaged file may hold itself

OLD = "model.1.sub.0.RDB1.conv1.0.weight"  # of ESRGAN's first code, whose layers have numbers
RRDB_TRUNK = "RRDB_trunk.0.RDB1.conv1.weight"  # of its second code, as BSRGAN and RealSR have it
_DENSE = re.compile(r"(?:model\.1\.sub|RRDB_trunk)\.(\d+)\.RDB(\d)\.conv(\d|1x1)(?:\.0)?\.(weight|bias)")
_SECOND = {"trunk_conv": "conv_body", "HRconv": "conv_hr"}


class Found(NamedTuple):
    """Hold a network of a file.

    Attributes:
        state: its weights, in the released names where it is an RRDBNet.
        taken: which of two sets of weights that is, in words; empty where the file has one.
    """

    state: State
    taken: str = ""


def find_network(content: Mapping[object, object], kind: Kind) -> Found | None:
    """Return the network of a kind inside a file's content, its averaged weights where it has such; None: no weights.

    Raises:
        ValueError: it holds several, and no name says which is wanted.
    """
    groups: dict[Place, State] = {}
    for place, name, tensor in _tensors(content, OWN[kind] | WRAPPERS):
        if name.rpartition(".")[2] not in COUNTERS:
            groups.setdefault(place, {})[name] = tensor
    states = {place: released_names(state) for place, state in groups.items()}
    pool = [place for place, state in states.items() if any(name in state for name in FIRST[kind])]
    if states and not pool:  # of no kind that is known here: the likeliest, whose averaged weights have the same names
        likeliest = min(states, key=lambda place: (_rank(place, kind), -len(states[place])))
        pool = [place for place, state in states.items() if state.keys() == states[likeliest].keys()]
    averaged = [place for place in pool if _is_averaged(place)]
    best = averaged or pool
    best = [place for place in best if _words(place) & OWN[kind]] or best
    if len(best) > 1:
        raise UserError(f"several networks in it ({', '.join(map(_shown, best))}); save the one that is wanted alone")
    if not best:
        return None
    state = states[best[0]]
    raw = [place for place in pool if place not in averaged and states[place].keys() == state.keys()]
    if averaged and raw:
        return Found(state, f"{_shown(best[0])}, the averaged weights, not {_shown(raw[0])}")
    return Found(state)


def released_names(state: State) -> State:
    """Return the weights of an RRDBNet in older names, those of ESRGAN's first and second code, in the released ones.

    A state dict of anything else comes back as it is.
    """
    if OLD not in state and RRDB_TRUNK not in state:
        return state
    layers = dict(_SECOND)
    if OLD in state:  # in a row: the first convolution, (1 is the trunk,) those of the enlargements, and two more
        numbers = sorted({int(name.split(".")[1]) for name in state if re.fullmatch(r"model\.\d+\.weight", name)})
        names = ["conv_first", *(f"conv_up{step}" for step in range(1, len(numbers) - 2)), "conv_hr", "conv_last"]
        layers = {f"model.{number}": name for number, name in zip(numbers, names, strict=False)}
    renamed = {}
    for name, tensor in state.items():
        layer, _, ending = name.rpartition(".")
        if dense := _DENSE.fullmatch(name):
            name = "body.{}.rdb{}.conv{}.{}".format(*dense.groups())
        elif re.fullmatch(r"model\.1\.sub\.\d+", layer):
            name = f"conv_body.{ending}"
        elif layer in layers:
            name = f"{layers[layer]}.{ending}"
        elif layer.startswith("upconv"):
            name = f"conv_up{layer.removeprefix('upconv')}.{ending}"
        renamed[name] = tensor
    return renamed


def old_names(state: State) -> State:
    """Return the weights of an RRDBNet in the names of ESRGAN's first code: the reverse of `released_names`."""
    blocks = len({name.split(".")[1] for name in state if name.startswith("body.")})
    steps = len({name.split(".")[0] for name in state if name.startswith("conv_up")})
    layers = {"conv_first": 0, "conv_hr": 3 * steps + 2, "conv_last": 3 * steps + 4}
    layers |= {f"conv_up{step}": 3 * step for step in range(1, steps + 1)}
    renamed = {}
    for name, tensor in state.items():
        layer, _, ending = name.rpartition(".")
        if dense := re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d|1x1)", layer):
            block, inner, conv = dense.groups()
            name = f"model.1.sub.{block}.RDB{inner}.conv{conv}{'' if conv == '1x1' else '.0'}.{ending}"
        elif layer == "conv_body":
            name = f"model.1.sub.{blocks}.{ending}"
        elif layer in layers:
            name = f"model.{layers[layer]}.{ending}"
        renamed[name] = tensor
    return renamed


def _tensors(
    content: Mapping[object, object], wrappers: frozenset[str], place: Place = ()
) -> Iterator[tuple[Place, str, Tensor]]:
    """Yield every tensor with its place and its own name there."""
    for key, value in content.items():
        parts = tuple(str(key).split("."))
        if isinstance(value, Mapping):
            if len(place) < DEEPEST and not PASSED_OVER.search(str(key)):
                yield from _tensors(value, wrappers, place + parts)
        elif isinstance(value, Tensor):
            depth = 0
            # A number after a word makes it a container of the network's own: model.0 of ESRGAN's first code.
            while len(parts) > depth + 1 and _wraps(parts[depth], wrappers) and not parts[depth + 1].isdigit():
                depth += 1
            yield place + parts[:depth], ".".join(parts[depth:]), value


def _shown(place: Place) -> str:
    return ".".join(place) or "bare names"


def _words(place: Place) -> set[str]:
    """Return the words in a place, in small letters: net and g in `net_g` and in `netG`."""
    return {word.lower() for part in place for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", part)}


def _wraps(part: str, wrappers: frozenset[str]) -> bool:
    words = _words((part,))
    return bool(words) and words <= wrappers


def _rank(place: Place, kind: Kind) -> int:
    """Order places by their words: those of a kind first, those of the other kind last."""
    words = _words(place)
    return 0 if words & OWN[kind] else 2 if any(words & own for own in OWN.values()) else 1


def _is_averaged(place: Place) -> bool:
    words = _words(place)
    return bool(words & AVERAGED) and "online" not in words
