"""What the machine has to spare: memory, cores."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

UNKNOWN = 4 * 2**30  # bytes, where the system does not tell
CONTAINER = Path("/sys/fs/cgroup")  # the control group that this process sees as its own


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_ram() -> int:
    """Return the bytes of main memory that can be had: what the system would give, caches too, and a container."""
    return min(_of_the_machine(), _of_the_container())


def _of_the_machine() -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN


def _of_the_container() -> int:
    """Return what a control group leaves: its limit less what is in use, caches apart; 2^63 without one."""
    with suppress(OSError, ValueError, KeyError):
        counts = dict(line.split() for line in (CONTAINER / "memory.stat").read_text(encoding="utf-8").splitlines())
        used = int((CONTAINER / "memory.current").read_text(encoding="utf-8")) - int(counts["inactive_file"])
        limit = int((CONTAINER / "memory.max").read_text(encoding="utf-8"))  # "max" where there is none
        return max(limit - used, 0)
    return 2**63
