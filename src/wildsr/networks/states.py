"""Files of weights to state dicts and back: every rule about checkpoint formats lives here."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from wildsr.io import UserError, choose_from, write_whole
from wildsr.networks.layouts import Found, Kind, find_network, is_training_state
from wildsr.networks.ncnn import read_ncnn

# Where a suffix is not .safetensors or .param, the content decides; net_g.pth.tar and files without one exist.
READS = (".pth", ".pt", ".safetensors", ".ckpt", ".param", ".bin", ".tar", ".state", "")
WRITES = (".pth", ".pt", ".safetensors")
HEAD = 512  # bytes; enough to know a file by
AGAIN = "download or copy it again"


def read_state(path: Path, kind: Kind) -> Found:
    """Read the network in a file: its state dict, on the CPU, in the types it was saved in, in the released names.

    Nothing in the file is executed: only tensors and plain values are read.

    Args:
        path: .pth, .pt, .ckpt and the like as torch saves them, whatever keys and prefixes its trainer put around the
            names; .safetensors; or an ncnn .param with its .bin.
        kind: which network is meant where a file holds more, such as a checkpoint of training.

    Raises:
        ValueError: the file is missing, damaged, of another kind or without weights. The message is one line.
        OSError: the operating system does not let it be read.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, no file' if path.is_dir() else 'no such file'}")
    suffix = path.suffix.lower()
    if suffix == ".onnx" or (suffix not in READS and not suffix[1:].isdigit()):
        hint = " (a graph to be run; wanted the weights it was made from)" if suffix == ".onnx" else ""
        wanted = choose_from(filter(None, READS))
        raise UserError(f"{path}: weights cannot be read with suffix {suffix!r}; {wanted}{hint}")
    if suffix == ".param":
        return Found(read_ncnn(path))
    if what := describe_foreign(path):
        raise UserError(f"{path}: {what}")
    content = _read_safetensors(path) if suffix == ".safetensors" or is_safetensors(path) else _read_torch(path)
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: no weights in it, but a {type(content).__name__}")
    try:
        found = find_network(content, kind)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    if found is None:
        inside = some(list(content)) if content else "an empty dict"
        state = "; a training state, wanted the weights that were saved beside it (net_g_*.pth, params)"
        raise UserError(f"{path}: no weights in it, but {inside}{state * is_training_state(content)}")
    return found


def write_state(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a state dict whole or not at all: .safetensors, or .pth as `{"params_ema": …}`.

    The metadata goes into the header of a .safetensors, and beside the weights in a .pth.

    Raises:
        ValueError: another suffix, or metadata that is not text.
        OSError: the file cannot be written; nothing half-written is left.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITES:
        raise UserError(f"{path}: weights cannot be written with suffix {suffix!r}; {choose_from(WRITES)}")
    texts = dict(metadata or {})
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise UserError(f"{path}: metadata {texts}: wanted names and values of type str")
    # Copies of their own: a view would drag the whole storage behind it into the file.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    if suffix == ".safetensors":
        write_whole(path, lambda file: file.write(safetensors.torch.save(tensors, texts or None)))
    else:
        content = {"params_ema": tensors, **({"metadata": texts} if texts else {})}
        memory = io.BytesIO()  # torch.save into a file turns the OSError of a full disk into a RuntimeError
        torch.save(content, memory)
        write_whole(path, lambda file: file.write(memory.getbuffer()))


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types and numbers, by name: the same for equal weights, whatever their file."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # Flat first: with channels last a 1 x 1 kernel counts as contiguous, and its bytes cannot be viewed.
        digest.update(tensor.flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def some(names: list[Any], most: int = 3) -> str:
    """Return a few names for a message: "a, b, c and 4 more"."""
    shown = ", ".join(str(name)[:60] for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def describe_foreign(path: Path) -> str:
    """Return what a file is that cannot hold weights, and what to do; empty for one that may.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    size = path.stat().st_size
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return f"an empty file; {AGAIN}"
    if head.startswith(b"version https://git-lfs"):
        return "a Git-LFS pointer, not the file itself; git lfs pull brings that, or download it by its own link"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, not weights; download the file itself by its raw or download link"
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x22", b":"):  # ir_version, then another field
        return "an ONNX graph, made to be run; wanted the weights it was made from"
    if is_safetensors(path):
        start = 8 + int.from_bytes(head[:8], "little")
        return f"cut short after {size} bytes, in the header of a .safetensors; {AGAIN}" if size < start else ""
    if head.startswith(b"PK\x03\x04"):
        return _archive(path, size)
    return ""


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as .safetensors do: the length of a header, and a brace."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000  # the format's own limit


def _archive(path: Path, size: int) -> str:
    """Return what is wrong with a zip archive, as torch writes them."""
    if not zipfile.is_zipfile(path):
        return f"cut short after {size} bytes, without the end of a checkpoint; {AGAIN}"
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ""
    if "constants.pkl" in names:
        return "a TorchScript program, made to be run; where it was made, save the network's state_dict() instead"
    if "data.pkl" not in names:
        return f"not a checkpoint, or damaged: a zip archive of {', '.join(sorted(names)[:3]) or 'nothing'}"
    return ""


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on foreign pickles; the error below is enough
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch answers damage with many types: RuntimeError, EOFError, KeyError, OSError, …
        if isinstance(error, OSError) and error.filename is not None:  # the system's answer, not the unpickler's
            raise
        if "GLOBAL" in str(error):
            name = re.search(r"GLOBAL ([\w.]+)", str(error))
            raise UserError(
                f"{path}: refused; it holds Python objects, which could run code, not only weights"
                f"{f' ({name[1]})' if name else ''}; where it was made, "
                "save the network's state_dict() instead"
            ) from error
        raise UserError(f"{path}: not a checkpoint, or damaged") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: not a .safetensors file, or damaged") from error
