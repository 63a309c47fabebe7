"""Files that bear the name of weights and are something else: what they are, and what to do, in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

HEAD = 512  # bytes; enough to know a file by
AGAIN = "download or copy it again"


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
