"""Several sets of images as one, of which each sample draws one by its weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from wildsr.checks import checked_number
from wildsr.io import UserError

SOURCE = 6  # the stream of random numbers, beside those in `samples`


class WeightedImages:
    """Give images of several sets by one number, one set after the other.

    A sample's set is drawn with a probability proportional to the set's weight, whatever the number of its images, as
    the sample's number says and nothing else; of a set all images are equally likely.

    Args:
        sources: the sets by name.
        weights: of each set, relative; one of 0 is never drawn.

    Raises:
        UserError: a weight is no number, or none is above 0.
    """

    def __init__(self, sources: Mapping[str, Any], weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            checked_number(f"data.train.root.{name}.weight", weight, 0, 1e9)
        if not any(weights.values()):
            raise UserError("data.train.root: given no weight above 0, wanted one at least")
        self.sources = dict(sorted(sources.items()))  # so that the order in which they are given changes no sample
        shares = np.array([weights[name] for name in self.sources], dtype=np.float64)
        self._limits = np.cumsum(shares) / shares.sum()
        self._ends = np.cumsum([len(images) for images in self.sources.values()])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Tensor:
        source, place = self._find(index)
        image: Tensor = self.sources[source][place]
        return image

    def draw(self, seed: int, number: int, stage: int) -> range:
        """Return the numbers of the images of the set that the n-th sample of a stage shows."""
        drawn = np.random.default_rng([seed, SOURCE, number, stage]).random()
        place = int(np.searchsorted(self._limits, drawn, side="right"))
        end = int(self._ends[place])
        return range(end - len(list(self.sources.values())[place]), end)

    def name(self, index: int) -> str:
        """Return the set and the name there of the image behind a number: set/name."""
        source, place = self._find(index)
        return f"{source}/{self.sources[source].name(place)}"

    def _find(self, index: int) -> tuple[str, int]:
        """Return the set of a number, and the number there."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        place = int(np.searchsorted(self._ends, index, side="right"))
        name = list(self.sources)[place]
        return name, index - int(self._ends[place]) + len(self.sources[name])
