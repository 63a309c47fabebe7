"""Schedules of the learning rate that torch has the parts of."""

from __future__ import annotations

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LinearLR, LRScheduler, SequentialLR

from wildsr.checks import checked_integer, checked_number


def warm_up(
    optimizer: Optimizer,
    iterations: int,
    start_factor: float = 1e-3,
    then: Callable[[Optimizer], LRScheduler] | None = None,
) -> LRScheduler:
    """Return a schedule that rises in a straight line to the optimizer's rate, and goes on by another one.

    Args:
        optimizer: whose rate is scheduled.
        iterations: until the whole rate is reached.
        start_factor: of the whole rate, in the first iteration.
        then: called with the optimizer; counts its iterations from the end of the warm-up. None: a constant rate.

    Raises:
        UserError: a number is impossible.
    """
    checked_integer("schedule.iterations", iterations, 1, 10**9)
    checked_number("schedule.start_factor", start_factor, 1e-9, 1)
    rise = LinearLR(optimizer, start_factor, total_iters=iterations)
    return rise if then is None else SequentialLR(optimizer, [rise, then(optimizer)], milestones=[iterations])
