"""How much memory there is, and how large a tile it allows."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from wildsr.networks import CommunityNet, CompactNet, RRDBNet

SHARE = 0.6  # of the free memory that tiles may take; others want some too
# Tensors of the widest layer that are alive at once. Measured on a CPU from 256 to 768 pixels a side: 3.2 to 3.6 for
# RRDBNet at x4, x2, x1 (its last layers, at full size), 3.1 for CompactNet (at LQ size); ncnn takes 5 and 7.
ALIVE = 5
FLOAT = 4  # bytes
COMMUNITY = 4096  # numbers an LQ pixel in the widest layer of other networks: four times RRDBNet's at x4, a guess
MOST_NUMBERS = 2**31  # in one tensor: beyond it CUDA's convolutions cannot count
PICTURE_COPIES = 3  # of the result: as float, as levels, in the encoder
UNKNOWN = 4 * 2**30  # bytes, where the system does not tell
CONTAINER = Path("/sys/fs/cgroup")  # the control group that this process sees as its own
LEAST_TILE = 32  # LQ pixels; if memory does not suffice for it, `tiles.upscale` goes lower

OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|alloc\w* .*memory|bad_?alloc"
    r"|could not create a (memory|primitive)",  # oneDNN, seen where the address space was limited
    re.IGNORECASE,
)


def bytes_per_pixel(network: nn.Module) -> int:
    """Memory that a network takes while it runs, for each LQ pixel.

    Raises:
        ValueError: a network that `load_generator` does not give.
    """
    return ALIVE * FLOAT * _widest(network)


def tile_side(network: nn.Module, overlap: int, height: int, width: int, free: int) -> int:
    """The side of a tile in LQ pixels, without the overlap, that free memory (bytes) allows for an H x W picture.

    The picture's longer side where it fits as a whole.
    """
    pixels = min(SHARE * free / bytes_per_pixel(network), MOST_NUMBERS / _widest(network))
    if height * width <= pixels:
        return max(height, width)
    return max(math.isqrt(int(pixels)) - 2 * overlap, LEAST_TILE)


def result_bytes(width: int, height: int, planes: int, free: int) -> int:
    """Memory that a result of W x H pixels takes until it is written.

    Raises:
        ValueError: more than is free (bytes).
    """
    needed = PICTURE_COPIES * FLOAT * planes * width * height
    if needed > free:
        raise ValueError(
            f"the result of {width} x {height} pixels would take {needed / 2**30:.1f} GB of memory; "
            f"{free / 2**30:.1f} GB are free"
        )
    return needed


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on a device: what the system would give, caches included, within a container's limit."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return min(_of_the_machine(), _of_the_container())


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory did not suffice, in the words of torch's devices and of other backends."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return OUT_OF_MEMORY.search(str(error)) is not None


def _widest(network: nn.Module) -> int:
    """Numbers in the widest layer for each LQ pixel."""
    if isinstance(network, RRDBNet):
        return network.conv_hr.out_channels * network.scale**2
    if isinstance(network, CommunityNet):
        return COMMUNITY
    if isinstance(network, CompactNet):
        return next(network.parameters()).shape[0] + network.channels * network.scale**2
    raise ValueError(f"{type(network).__name__}: its memory is not known; wanted RRDBNet or CompactNet")


def _of_the_machine() -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN


def _of_the_container() -> int:
    """What a control group leaves: its limit less what is in use, caches apart; a machine's worth without one."""
    with suppress(OSError, ValueError, KeyError):
        counts = dict(line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        used = int((CONTAINER / "memory.current").read_text()) - int(counts["inactive_file"])
        return max(int((CONTAINER / "memory.max").read_text()) - used, 0)  # "max" where there is no limit
    return 2**63
