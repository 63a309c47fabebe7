"""The n-th sample of a run: image, crop, flip, recipe and window, all drawn from (seed, n) and nothing else.

Shapes: B batch, C = 3, S crop side, P patch side (HQ), both in HQ pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from wildsr.degradation.recipe import Recipe
from wildsr.degradation.spec import DegradationSpec
from wildsr.images import crop_to_multiple

Drawn = TypeVar("Drawn")
ORDER, SAMPLE, PAIR = 0, 1, 2  # streams of random numbers under one seed, so that no two draws share one


class Images(Protocol):
    """Pictures by number, each (3, H, W) uint8."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


@dataclass(frozen=True)
class Sample:
    """What was drawn for one training pair.

    `top`, `left` place the S x S crop in the (padded) image; `window_top`, `window_left` the patch in
    the crop's LQ version, in LQ pixels.
    """

    number: int
    image: int
    top: int
    left: int
    flip: bool
    window_top: int
    window_left: int
    recipe: Recipe

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names, as `json.dumps` takes them."""
        return {**asdict(self), "recipe": self.recipe.to_dict()}


class Batch(Generic[Drawn]):
    """HQ images (B, 3, H, W) uint8 and what was drawn for each: a Sample in training, a Recipe in validation.

    A plain object with `to`, because Lightning tries to write into dataclasses that it moves to a device.
    """

    def __init__(self, hq: Tensor, drawn: Sequence[Drawn]) -> None:
        self.hq = hq
        self.drawn = list(drawn)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch[Drawn]:
        return Batch(self.hq.to(device, non_blocking=non_blocking), self.drawn)

    def pin_memory(self) -> Batch[Drawn]:
        return Batch(self.hq.pin_memory(), self.drawn)

    @staticmethod
    def collate(items: Sequence[tuple[Tensor, Drawn]]) -> Batch[Drawn]:
        return Batch(torch.stack([hq for hq, _ in items]), [drawn for _, drawn in items])


class Samples(Dataset[tuple[Tensor, Sample]]):
    """The endless list of training samples: `samples[n]` is ((3, S, S) uint8, Sample).

    Every image comes once in each round of len(images) samples, in an order that the round's number gives.

    Args:
        images: the HQ pictures.
        spec: what a recipe is drawn from.
        crop: S, the side of the HQ crop that is degraded, a multiple of the scale.
        patch: P, the side of the HQ patch that the networks see, a multiple of the scale, at most S.
        seed: the run's seed.

    Raises:
        ValueError: crop or patch is impossible.
    """

    def __init__(self, images: Images, spec: DegradationSpec, crop: int, patch: int, seed: int) -> None:
        if crop % spec.scale or patch % spec.scale or not 0 < patch <= crop:
            raise ValueError(
                f"data.crop={crop}, data.patch={patch}: wanted multiples of scale={spec.scale} with 0 < patch <= crop"
            )
        self.images, self.spec, self.crop, self.patch, self.seed = images, spec, crop, patch, seed

    def __getitem__(self, number: int) -> tuple[Tensor, Sample]:
        rng = np.random.default_rng([self.seed, SAMPLE, number])
        index = self._image_of(number)
        image = pad_to(self.images[index], self.crop)
        height, width = image.shape[-2:]
        slack = (self.crop - self.patch) // self.spec.scale
        sample = Sample(
            number=number,
            image=index,
            top=int(rng.integers(height - self.crop + 1)),
            left=int(rng.integers(width - self.crop + 1)),
            flip=bool(rng.random() < 0.5),
            window_top=int(rng.integers(slack + 1)),
            window_left=int(rng.integers(slack + 1)),
            recipe=self.spec.draw(rng),
        )
        hq = image[:, sample.top : sample.top + self.crop, sample.left : sample.left + self.crop]
        # In memory of its own: what a store hands out may not be written to.
        return (hq.flip(-1) if sample.flip else hq.clone()).contiguous(), sample

    def _image_of(self, number: int) -> int:
        turn, place = divmod(number, len(self.images))
        return int(_order(self.seed, turn, len(self.images))[place])


@lru_cache(maxsize=2)
def _order(seed: int, turn: int, length: int) -> np.ndarray:
    """The order of the images in one round. Cached: neighbouring samples ask for the same one."""
    return np.random.default_rng([seed, ORDER, turn]).permutation(length)


class RunBatches:
    """Batch sampler: the numbers of the samples of one process, from iteration `start` on, without an end.

    Iteration i of a run takes samples i * batch_size … (i + 1) * batch_size - 1, whatever the number of
    processes; process `rank` of `world` takes an equal, contiguous share.

    Raises:
        ValueError: the batch cannot be divided among the processes.
    """

    def __init__(self, batch_size: int, start: int = 0, rank: int = 0, world: int = 1) -> None:
        if batch_size < 1 or batch_size % world:
            raise ValueError(f"data.batch_size={batch_size}: wanted a positive multiple of {world} processes")
        self.batch_size, self.start, self.share = batch_size, start, batch_size // world
        self.offset = rank * self.share

    def __iter__(self) -> Iterator[list[int]]:
        iteration = self.start
        while True:
            first = iteration * self.batch_size + self.offset
            yield list(range(first, first + self.share))
            iteration += 1


class Pairs(Dataset[tuple[Tensor, Recipe]]):
    """Validation pictures with frozen recipes: `pairs[i]` is ((3, H, W) uint8, Recipe), the same for ever.

    Args:
        images: whole HQ pictures; their sides are cropped at the right and bottom to multiples of the scale.
        spec: what the recipes are drawn from.
        recipes: how many degraded versions of each picture.
        seed: of the recipes; not the run's seed, so that runs are judged on the same pairs.
    """

    def __init__(self, images: Images, spec: DegradationSpec, recipes: int = 1, seed: int = 0) -> None:
        self.images, self.spec, self.recipes, self.seed = images, spec, recipes, seed

    def __len__(self) -> int:
        return len(self.images) * self.recipes

    def __getitem__(self, index: int) -> tuple[Tensor, Recipe]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        image = self.images[index // self.recipes]
        recipe = self.spec.draw(np.random.default_rng([self.seed, PAIR, index]))
        return crop_to_multiple(image, self.spec.scale).contiguous(), recipe


def pad_to(image: Tensor, side: int) -> Tensor:
    """Pad (C, H, W) at the right and bottom by repeated reflection until both sides are at least `side`."""
    rows, columns = (_reflected(length, max(length, side)) for length in image.shape[-2:])
    return image[:, rows][:, :, columns] if side > min(image.shape[-2:]) else image


def _reflected(length: int, wanted: int) -> Tensor:
    """Indices 0 … wanted - 1 folded back into 0 … length - 1, the border pixel not repeated."""
    period = max(2 * (length - 1), 1)
    position = torch.arange(wanted) % period
    return torch.minimum(position, period - position) if length > 1 else torch.zeros(wanted, dtype=torch.long)
