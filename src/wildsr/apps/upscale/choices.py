"""What a call can choose from: backends and ways to enlarge alpha. Known without torch, as wrong words are answered."""

from __future__ import annotations

import importlib.util
import re

from wildsr.io import UserError

# What each needs besides torch, by the names of pip, which are also those of the modules.
BACKENDS: dict[str, tuple[str, ...]] = {
    "torch": (),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "ncnn": ("ncnn",),
}
NAMES = ("auto", *BACKENDS)
# Fastest first, on a CPU; what stands behind torch is never chosen. benchmarks/upscale.py prints this order, and the
# README has its figures. They are those of RRDBNet, which has a trunk, and of CompactNet. OpenVINO leads for the first
# where there are two threads, in half of ncnn's memory; with one thread ncnn, whose Winograd convolutions need a
# quarter of the multiplications, is 5 % before it.
FASTEST = {
    "write_trunk": ("openvino", "ncnn", "torch", "onnxruntime"),
    "write_graph": ("ncnn", "torch", "onnxruntime", "openvino"),
}
ALPHAS = ("network", "interpolate")
DEVICE = re.compile(r"cpu|mps|cuda(?::(\d+))?")


def check_device(name: str) -> str:
    """Return the name of a device, which this machine may lack. Raises: UserError."""
    if not DEVICE.fullmatch(name):
        raise UserError(f"device {name!r}; choose from cpu, cuda, cuda:N (such as cuda:1), mps")
    return name


def is_installed(module: str) -> bool:
    """Return whether an optional module is there; it is not imported."""
    return importlib.util.find_spec(module) is not None
