"""How much memory there is, and how much a network takes."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

from wildsr.memory import free_ram

PROBE = 64  # pixels a side of the image that is passed through a network: whole windows of whichever size
FLOAT = 4  # bytes

OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|alloc\w* .*memory|bad_?alloc"
    r"|could not create a (memory|primitive)",  # oneDNN, seen where the address space was limited
    re.IGNORECASE,
)


def numbers_per_pixel(network: nn.Module) -> int:
    """Return how many numbers the widest layer of a network in eval mode gives for each LQ pixel.

    A network may say so by an attribute of this name; else a small image is passed through it, and its modules are
    watched. What is computed between modules is not seen; ALIVE leaves room for it, and so does halving tiles.
    """
    if hasattr(network, "numbers_per_pixel"):
        return int(network.numbers_per_pixel)  # type: ignore[arg-type]
    widest = 0

    def watch(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal widest
        widest = max(widest, output.numel() if isinstance(output, Tensor) else 0)

    hooks = [module.register_forward_hook(watch) for module in network.modules()]
    try:
        with torch.inference_mode():
            like = next(network.parameters(), torch.empty(0))
            network(torch.zeros(1, int(network.channels), PROBE, PROBE, device=like.device))  # type: ignore[arg-type]
    finally:
        for hook in hooks:
            hook.remove()
    return math.ceil(widest / PROBE**2)


def free_memory(device: torch.device) -> int:
    """Return the bytes that can be had on a device; on a CPU as `wildsr.memory` counts them."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return free_ram()


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory did not suffice, in the words of any device or backend."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return OUT_OF_MEMORY.search(str(error)) is not None
