"""Networks from files and from released names, and back: the architecture is read from the weights."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from wildsr.io import UserError, choose_from, expanded
from wildsr.networks import compact, rrdb, unet, vgg
from wildsr.networks.compact import CompactNet
from wildsr.networks.layouts import Found, Kind, State
from wildsr.networks.released import DISCRIMINATORS, GENERATORS, Released, log_once, released_file
from wildsr.networks.rrdb import RRDBNet
from wildsr.networks.spandrel import SpandrelNet, load_spandrel
from wildsr.networks.states import read_state, some, write_state

NAMES: dict[Kind, Mapping[str, Released]] = {"generator": GENERATORS, "discriminator": DISCRIMINATORS}


def load_generator(source: str | Path) -> RRDBNet | CompactNet | SpandrelNet:
    """Load the generator in a file or of a released name: on the CPU, float32, in eval mode.

    Architecture, scale, channels, blocks, features, growth and dilation are read from the weights. What is neither
    an RRDBNet nor a CompactNet is left to spandrel, where that is installed. Nothing in a file is executed, and
    no random number is drawn.

    Args:
        source: a path (.pth, .pt, .ckpt, … of any trainer; .safetensors; an ncnn .param), or a name in GENERATORS:
            see `released_file` for where those come from. Of averaged and raw weights the averaged ones are taken,
            and a line is logged that says so.

    Raises:
        ValueError: an unknown name, a released file that cannot be had, a file that is missing, damaged,
            without weights or of no known architecture. One line, that names the source.
    """
    label, (state, taken) = _read(source, "generator")
    if taken:
        log_once(logging.INFO, f"{label}: {taken}")
    network = _blank(state, label)
    if network is None:
        return load_spandrel(state, label)
    check_fit(network, state, label)
    network.to_empty(device="cpu").load_state_dict(state)
    return network.eval()


def build_like(source: str | Path | None, scale: int, channels: int) -> RRDBNet | CompactNet | SpandrelNet:
    """Build a generator of the architecture and options of the one in a file, with random weights, in train mode.

    Args:
        source: as of `load_generator`.
        scale, channels: of the network to be built; those of the file may differ (see `adapt_weights`).

    Raises:
        ValueError: as `load_generator`; or the architecture does not have this scale or these channels.
    """
    if source is None:
        raise UserError("source: given nothing, wanted a file of weights or a released name; generator.weights=FILE")
    return load_generator(source).rebuild(scale, channels).train()


def build_discriminator_like(source: str | Path | None, channels: int) -> nn.Module:
    """Build a discriminator of the kind and size of the one in a file, with random weights, for images of `channels`.

    Raises:
        ValueError: as `load_weights`; or it is no UNetDiscriminator and no VGGDiscriminator.
    """
    if source is None:
        raise UserError("source: given nothing, wanted a file of weights; discriminator.weights=FILE")
    label, (state, _) = _read(source, "discriminator")
    network = unet.from_state(state, channels) or vgg.from_state(state, channels)
    if network is None:
        raise UserError(f"{label}: neither a UNetDiscriminator nor a VGGDiscriminator; it has {some(list(state))}")
    return network


def save_generator(generator: nn.Module, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Save a generator's weights whole or not at all, in the released names, for `load_generator` and others.

    Args:
        generator: its state dict is saved as it is, in its own types.
        path: .pth or .pt (`{"params_ema": …}`, as released) or .safetensors.
        metadata: texts that travel along, such as the experiment and the iteration.

    Raises:
        ValueError: another suffix, or metadata that is not text.
        OSError: the file cannot be written; nothing half-written is left, and an older file stays.
    """
    write_state(generator.state_dict(), Path(path), metadata)


def load_weights(network: nn.Module, source: str | Path) -> None:
    """Load weights into an existing generator or discriminator, from whatever `load_generator` reads.

    Discriminators of released files, whose spectral norm bears older names, load too. From a .ckpt of
    training a network with a `scale` takes the generator's weights, averaged if there are any, and one
    without takes the discriminator's.

    Raises:
        ValueError: as `load_generator`; or names or shapes differ from the network's, which then stays
            as it was.
    """
    label, (state, _) = read_for(network, source)
    check_fit(network, state, label)
    network.load_state_dict(state)


def read_for(network: nn.Module, source: str | Path) -> tuple[str, Found]:
    """Return what to call a source in messages, and the weights in it that are meant for such a network, not checked.

    Raises:
        ValueError: nothing can be read, as `load_weights`.
    """
    label, found = _read(source, "generator" if hasattr(network, "scale") else "discriminator")
    if any(".parametrizations." in name for name in network.state_dict()):
        found = found._replace(state=_rename_spectral_norm(found.state))
    if hasattr(network, "convert_names"):
        found = found._replace(state=network.convert_names(found.state))  # type: ignore[operator]
    return label, found


def _blank(state: State, label: str) -> RRDBNet | CompactNet | None:
    try:
        # Shapes without memory: nothing is allocated before the file is known to fill it.
        with torch.device("meta"):
            return rrdb.from_state(state) or compact.from_state(state)
    except ValueError as error:
        raise UserError(f"{label}: {error}") from error


def _read(source: str | Path, kind: Kind) -> tuple[str, Found]:
    """Return what to call a source in messages, and the network in it. A Path is never taken for a name."""
    names = NAMES[kind]
    if isinstance(source, str) and source in names:
        return source, read_state(released_file(source), kind)
    if source in GENERATORS or source in DISCRIMINATORS:
        other = "generator" if source in GENERATORS else "discriminator"
        raise UserError(f"{source} is a released {other}; give a file, or {choose_from(names)}")
    path = expanded(source)
    if isinstance(source, str) and not path.exists() and not path.suffix and path.name == source:
        plain = source.lower().replace("_", "-")
        near = difflib.get_close_matches(plain, names, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{source}: neither a file nor a released network ({', '.join(names)}){hint}")
    return str(path), read_state(path, kind)


def _rename_spectral_norm(state: Mapping[str, Tensor]) -> State:
    """Rename the weights of torch's older spectral norm (`weight_orig`, `_u`, `_v`) as its parametrisation has them."""
    endings = {
        ".weight_orig": ".parametrizations.weight.original",
        ".weight_u": ".parametrizations.weight.0._u",
        ".weight_v": ".parametrizations.weight.0._v",
    }
    renamed = {}
    for name, tensor in state.items():
        layer, dot, ending = name.rpartition(".")
        renamed[layer + endings.get(dot + ending, dot + ending)] = tensor
    return renamed


def check_fit(network: nn.Module, state: Mapping[str, Tensor], label: str) -> None:
    """Refuse a state dict whose names or shapes are not the network's, in one line that says which."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    differing = [name for name in wanted if name in given and wanted[name] != given[name]]
    problems = []
    if differing:
        first = differing[0]
        more = f" ({len(differing) - 1} more differ)" if len(differing) > 1 else ""
        problems.append(f"{first} is {given[first]}, the network wants {wanted[first]}{more}")
    if missing:
        problems.append(f"{len(missing)} missing: {some(missing)}")
    if unexpected:
        problems.append(f"{len(unexpected)} unexpected: {some(unexpected)}")
    if problems:
        raise UserError(f"{label} does not fit this {type(network).__name__}: {'; '.join(problems)}")
