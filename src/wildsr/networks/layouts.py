"""The network inside a file's content: where it stands, and its weights in the released names.

Trainers wrap a state dict in keys (`params_ema`, `state_dict`) and put prefixes before its names (`module.`,
`_orig_mod.`). Both are read alike: as a place, made of words, before a network's own names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
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

FIRST_CODE = "model.1.sub.0.RDB1.conv1.0.weight"  # of ESRGAN's first code, whose layers have numbers
SECOND_CODE = "RRDB_trunk.0.RDB1.conv1.weight"  # of its second code, as BSRGAN and RealSR have it
# Parts of the second code's names, and of the released ones.
SECOND_WORDS = {
    "RRDB_trunk.": "body.",
    ".RDB": ".rdb",
    "trunk_conv": "conv_body",
    "HRconv": "conv_hr",
    "upconv": "conv_up",
}


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
    if FIRST_CODE in state:
        blocks = len({name.split(".")[3] for name in state if name.startswith("model.1.sub.") and ".RDB" in name})
        convolutions = sum(bool(re.fullmatch(r"model\.\d+\.weight", name)) for name in state)
        layers = _first_code(blocks, steps=convolutions - 3)  # the first one and the last two aside
        return _renamed(state, {older: released for released, older in layers.items()})
    if SECOND_CODE in state:
        renamed = {}
        for name, tensor in state.items():
            for older, released in SECOND_WORDS.items():
                name = name.replace(older, released)
            renamed[name] = tensor
        return renamed
    return state


def old_names(state: State) -> State:
    """Return the weights of an RRDBNet in the names of ESRGAN's first code: the reverse of `released_names`."""
    blocks = len({name.split(".")[1] for name in state if name.startswith("body.")})
    steps = len({name.split(".")[0] for name in state if name.startswith("conv_up")})
    return _renamed(state, _first_code(blocks, steps))


def _first_code(blocks: int, steps: int) -> dict[str, str]:
    """Map the released names of layers to the first code's: places in a row, three of them a step of enlargement."""
    layers = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    layers |= {f"conv_up{step}": f"model.{3 * step}" for step in range(1, steps + 1)}
    layers |= {"conv_hr": f"model.{3 * steps + 2}", "conv_last": f"model.{3 * steps + 4}"}
    for block, dense in product(range(blocks), (1, 2, 3)):
        released, older = f"body.{block}.rdb{dense}", f"model.1.sub.{block}.RDB{dense}"
        layers |= {f"{released}.conv{conv}": f"{older}.conv{conv}.0" for conv in range(1, 6)}
        layers[f"{released}.conv1x1"] = f"{older}.conv1x1"  # of ESRGAN+
    return layers


def _renamed(state: State, layers: Mapping[str, str]) -> State:
    renamed = {}
    for name, tensor in state.items():
        layer, _, ending = name.rpartition(".")
        renamed[f"{layers[layer]}.{ending}" if layer in layers else name] = tensor
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
