"""Tell what a run is made from: code and kernels, for whoever compares runs later."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import numpy as np

import wildsr
from wildsr.degradation import DegradationSpec
from wildsr.degradation.operations import Blur

DRAWS = 2000  # recipes behind the kernel mix: a share is right to about a hundredth


def code_version() -> str:
    """Return the package's version, in a clone with the commit, "+" where files differ from it."""
    here = Path(__file__).parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"]
        commit = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return wildsr.__version__
    return f"{wildsr.__version__} ({commit})"


def kernel_mix(spec: DegradationSpec) -> dict[str, float]:
    """Return the share of each kind among the kernels that a spec draws, most frequent first."""
    rng = np.random.default_rng(0)
    records = (record for _ in range(DRAWS) for record in spec.draw(rng).records.values())
    kinds = Counter(record.kind for record in records if isinstance(record, Blur))
    return {kind: round(count / kinds.total(), 3) for kind, count in kinds.most_common()}
