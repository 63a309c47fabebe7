"""Files of weights to state dicts and back: every rule about checkpoint formats lives here."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from wildsr.images import write_whole
from wildsr.networks.ncnn import read_ncnn

READS = (".pth", ".pt", ".safetensors", ".ckpt", ".param")
WRITES = (".pth", ".pt", ".safetensors")
# The released files' keys, the averaged weights first as the better ones; then those of other trainers.
WRAPPERS = ("params_ema", "params-ema", "params", "model_state_dict", "model", "net")

State = dict[str, Tensor]


def read_state(path: Path, prefixes: tuple[str, ...]) -> State:
    """The state dict in a file, on the CPU, in the types it was saved in, its names without a prefix.

    Nothing in the file is executed: only tensors and plain values are read.

    Args:
        path: .pth or .pt (`params_ema`, `params` or bare, `module.` in front of the names or not),
            .safetensors, a .ckpt of training, or an ncnn .param with its .bin.
        prefixes: where a .ckpt of training keeps the network, the best place first.

    Raises:
        ValueError: the file is missing, damaged, of another kind or without weights. The message is one line.
        OSError: the operating system does not let it be read.
    """
    if not path.is_file():
        raise ValueError(f"{path}: {'a folder, no file' if path.is_dir() else 'no such file'}")
    suffix = path.suffix.lower()
    if suffix not in READS:
        raise ValueError(f"{path}: weights cannot be read with suffix {suffix!r}; wanted {', '.join(READS)}")
    if suffix == ".param":
        return read_ncnn(path)
    content = _read_safetensors(path) if suffix == ".safetensors" else _read_torch(path)
    weights = _unwrap(content, prefixes, path)
    odd = [str(name) for name, value in weights.items() if not isinstance(value, Tensor)]
    if odd or not weights:
        raise ValueError(f"{path}: no weights in it, but {some(odd) if odd else 'an empty dict'}")
    return {str(name).removeprefix("module."): tensor for name, tensor in weights.items()}


def write_state(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a state dict whole or not at all: .safetensors, or .pth as `{"params_ema": …}`.

    The metadata goes into the header of a .safetensors, and beside the weights in a .pth.

    Raises:
        ValueError: another suffix, or metadata that is not text.
        OSError: the file cannot be written; nothing half-written is left.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITES:
        raise ValueError(f"{path}: weights cannot be written with suffix {suffix!r}; wanted {', '.join(WRITES)}")
    texts = dict(metadata or {})
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise ValueError(f"{path}: metadata {texts}: wanted names and values of type str")
    # Copies of their own: a view would drag the whole storage behind it into the file.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    if suffix == ".safetensors":
        write_whole(path, lambda file: file.write(safetensors.torch.save(tensors, texts or None)))
    else:
        content = {"params_ema": tensors, **({"metadata": texts} if texts else {})}
        memory = io.BytesIO()  # torch.save into a file turns the OSError of a full disk into a RuntimeError
        torch.save(content, memory)
        write_whole(path, lambda file: file.write(memory.getbuffer()))


def some(names: list[Any], most: int = 3) -> str:
    """A few names for a message: "a, b, c and 4 more"."""
    shown = ", ".join(str(name)[:60] for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _unwrap(content: object, prefixes: tuple[str, ...], path: Path) -> Mapping[str, Tensor]:
    """The mapping of names to weights inside what a file held."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: no weights in it, but a {type(content).__name__}")
    training = content.get("state_dict")
    if isinstance(training, Mapping):
        for prefix in prefixes:
            inside = [name for name in training if str(name).startswith(prefix)]
            if inside:
                return {name.removeprefix(prefix): training[name] for name in inside}
        wanted = " nor ".join(f"{prefix}*" for prefix in prefixes)
        raise ValueError(f"{path}: this checkpoint has no {wanted}; it has {some(list(training))}")
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return content[key]
    return content


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on foreign pickles; the error below is enough
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch answers damage with many types: RuntimeError, EOFError, KeyError, OSError, …
        if isinstance(error, OSError) and error.filename is not None:  # the system's answer, not the unpickler's
            raise
        if "GLOBAL" in str(error):
            raise ValueError(
                f"{path}: refused; it holds Python objects, which could run code, not only weights"
            ) from error
        raise ValueError(f"{path}: not a checkpoint, or damaged") from error


def _read_safetensors(path: Path) -> State:
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: not a .safetensors file, or damaged") from error
