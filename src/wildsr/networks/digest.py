"""Equal weights have one digest, whatever file they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types and numbers, by name: of equal weights one, whatever their file."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # Flat first: with channels last a 1 x 1 kernel counts as contiguous, and its bytes cannot be viewed.
        digest.update(tensor.flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
