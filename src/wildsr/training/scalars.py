"""Scalars of an iteration: their sums over its parts, their means over processes, statistics of logits."""

from __future__ import annotations

from collections.abc import Mapping

import lightning as L
import torch
from torch import Tensor

Scalars = dict[str, Tensor]


def sum_losses(parts: list[Scalars]) -> Scalars:
    """Sum what the parts of a batch have contributed to each loss."""
    return {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}


def mean_scalars(trainer: L.Trainer, scalars: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return scalars as means over all processes, on the CPU: each process has to ask. It waits for the device.

    Lightning reads what is shown on a progress bar in every iteration; from the CPU that costs nothing.
    """
    if not scalars:
        return {}
    means = trainer.strategy.reduce(torch.stack([value.float() for value in scalars.values()]))
    return dict(zip(scalars, means.cpu(), strict=True))


def logit_statistics(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Return mean and standard deviation of the discriminator's logits for real and for generated images."""
    logits = {"discriminator/real": real, "discriminator/fake": fake}
    spreads = {f"{name}_std": values.std(correction=0) for name, values in logits.items()}
    return {name: values.mean() for name, values in logits.items()} | spreads
