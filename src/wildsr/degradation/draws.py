"""Draws from a generator: a pure function of its state each, one random number each unless it says otherwise."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from numpy.random import Generator


def pick(rng: Generator, weights: Iterable[float]) -> int:
    """Draw a place as often as its relative weight says, a weight of 0 never."""
    sums = list(accumulate(weights))
    return bisect_left(sums, (1 - rng.random()) * sums[-1])  # from (0, 1]


def uniform(rng: Generator, ends: Sequence[float]) -> float:
    """Draw a number of a range, both ends possible."""
    return min(ends[0] + (ends[1] - ends[0]) * rng.random(), ends[1])  # rounding may pass the end


def integer(rng: Generator, low: int, high: int) -> int:
    """Draw a whole number of a range, both ends possible."""
    return int(rng.integers(low, high, endpoint=True))


def happens(rng: Generator, prob: float) -> bool:
    """Draw whether something happens; what always does takes no random number."""
    return prob == 1 or rng.random() < prob
