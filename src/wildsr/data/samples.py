"""The n-th sample of a stage: image, crop, flip, turn, recipe and window, drawn from (seed, n, stage) and nothing else.

Shapes: C = 1 or 3, S crop side, P patch side (HQ), both in HQ pixels, s = S // scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset

from wildsr.data.batches import Item
from wildsr.data.paired import PairedFiles
from wildsr.data.weighted import WeightedImages
from wildsr.degradation import DegradationSpec, Recipe
from wildsr.images import to_channels
from wildsr.io import ConfigError

# Streams of random numbers under one seed, so that no two draws share one; validation has the stream 2. A key is
# [seed, stream, number, stage]: the stage stands last, since NumPy draws [seed, stream, number, 0] as it draws
# [seed, stream, number], the key of 0.1, which knew no stages.
# `weighted` has the stream 6.
ORDER, SAMPLE, PAIRED_ORDER, PAIRED_SAMPLE, MIX, TURN = 0, 1, 3, 4, 5, 7


class Images(Protocol):
    """Give images by number, each (3, H, W) uint8, and what they are called."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...

    def name(self, index: int, /) -> str: ...


@dataclass(frozen=True)
class Sample:
    """Record what was drawn for one training pair.

    `top`, `left` place the S x S crop in the (padded) HQ image, which is then flipped and turned; `window_top`,
    `window_left` place the patch in the crop's LQ version, in LQ pixels; `turns` counts quarter turns to the left,
    after the flip. Without a recipe the LQ was found beside the HQ, as it is: then
    `image` counts the pairs, else the photographs.
    """

    number: int
    image: int
    top: int
    left: int
    flip: bool
    window_top: int
    window_left: int
    recipe: Recipe | None
    turns: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and names, as `json.dumps` takes them."""
        return {**vars(self), "recipe": None if self.recipe is None else self.recipe.to_dict()}


@dataclass(eq=False)
class Samples(Dataset[Item[Sample]]):
    """Cut the endless list of synthetic samples: `samples[n]` is ((C, S, S) uint8, Sample), its LQ still to be made.

    Every image comes once in each round of len(images) samples, in an order that the round's number gives. Of
    `WeightedImages` a sample's set is drawn first.

    Args:
        images: the HQ images.
        spec: what a recipe is drawn from.
        crop: S, the side of the HQ crop that is degraded, a multiple of the scale.
        patch: P, the side of the HQ patch that the networks see, a multiple of the scale, at most S.
        seed: the run's seed.
        stage: the stage's number; stages of different numbers share no order, crop, recipe or noise.
        channels: C, as the network takes them; grey is made of colour by its luma.
        rotate: turn crops by quarter turns, too, all four equally likely; every other draw stays.

    Raises:
        ConfigError: crop or patch is impossible.
    """

    images: Images
    spec: DegradationSpec
    crop: int
    patch: int
    seed: int
    stage: int = 0
    channels: int = 3
    rotate: bool = False

    def __post_init__(self) -> None:
        check_sides(self.crop, self.patch, self.spec.scale)

    def __getitem__(self, number: int) -> Item[Sample]:
        rng = np.random.default_rng([self.seed, SAMPLE, number, self.stage])
        images = self.images
        known = images.draw(self.seed, number, self.stage) if isinstance(images, WeightedImages) else range(len(images))
        index = known[image_of(self.seed, ORDER, number, len(known), self.stage)]
        image = pad_to(self.images[index], self.crop)
        height, width = image.shape[-2:]
        slack = (self.crop - self.patch) // self.spec.scale
        sample = Sample(
            number=number,
            image=index,
            top=int(rng.integers(height - self.crop + 1)),
            left=int(rng.integers(width - self.crop + 1)),
            **_flip_and_window(rng, slack),
            recipe=self.spec.draw(rng),
            turns=turns_of(self.seed, number, self.stage) if self.rotate else 0,
        )
        hq = _cut(image, sample.top, sample.left, self.crop, sample)
        return Item(to_channels(hq, self.channels), sample)

    def name(self, sample: Sample) -> str:
        """Return the image that a sample was cut from."""
        return self.images.name(sample.image)


@dataclass(eq=False)
class PairedSamples(Dataset[Item[Sample]]):
    """Cut the endless list of samples from pairs on disk: `samples[n]` is ((C, S, S), Sample, (C, s, s)), uint8.

    As `Samples`, but the LQ is cut from the pair's own LQ image, in register with the HQ, and nothing degrades it.
    """

    files: PairedFiles
    crop: int
    patch: int
    seed: int
    stage: int = 0
    channels: int = 3
    rotate: bool = False

    def __post_init__(self) -> None:
        check_sides(self.crop, self.patch, self.files.scale)

    def __getitem__(self, number: int) -> Item[Sample]:
        rng = np.random.default_rng([self.seed, PAIRED_SAMPLE, number, self.stage])
        index = image_of(self.seed, PAIRED_ORDER, number, len(self.files), self.stage)
        scale, side = self.files.scale, self.crop // self.files.scale
        lq, hq = self.files[index]
        # The border's own pixel is repeated: else the two reflections would lie scale - 1 HQ pixels apart.
        lq, hq = pad_to(lq, side, repeat_border=True), pad_to(hq, self.crop, repeat_border=True)
        height, width = lq.shape[-2:]
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        sample = Sample(
            number=number,
            image=index,
            top=top * scale,
            left=left * scale,
            **_flip_and_window(rng, (self.crop - self.patch) // scale),
            recipe=None,
            turns=turns_of(self.seed, number, self.stage) if self.rotate else 0,
        )
        hq = _cut(hq, sample.top, sample.left, self.crop, sample)
        lq = _cut(lq, top, left, side, sample)
        return Item(to_channels(hq, self.channels), sample, to_channels(lq, self.channels))

    def name(self, sample: Sample) -> str:
        """Return the pair that a sample was cut from."""
        return self.files.name(sample.image)


@dataclass(eq=False)
class MixedSamples(Dataset[Item[Sample]]):
    """Mix samples from pairs and from photographs: the n-th is the one's or the other's n-th, by a draw.

    Args:
        paired: samples from pairs on disk.
        synthetic: samples from photographs, of the same seed, stage, crop and patch.
        share: the probability of a pair, in [0, 1].
    """

    paired: PairedSamples
    synthetic: Samples
    share: float

    def __getitem__(self, number: int) -> Item[Sample]:
        key = [self.synthetic.seed, MIX, number, self.synthetic.stage]
        is_paired = np.random.default_rng(key).random() < self.share
        return self.paired[number] if is_paired else self.synthetic[number]

    def name(self, sample: Sample) -> str:
        """Return the pair or the image that a sample was cut from."""
        return (self.paired if sample.recipe is None else self.synthetic).name(sample)


TrainingSamples = Samples | PairedSamples | MixedSamples


def check_sides(crop: int, patch: int, scale: int) -> None:
    """Check that the scale divides crop and patch, and that the patch fits. Raises: ConfigError."""
    if crop % scale or patch % scale or not 0 < patch <= crop:
        raise ConfigError(
            f"data.crop={crop}, data.patch={patch}: wanted multiples of scale={scale} with 0 < patch <= crop"
        )


def _flip_and_window(rng: Generator, slack: int) -> dict[str, Any]:
    """Draw a flip and the window's place, with `slack` LQ pixels to move in."""
    return {
        "flip": bool(rng.random() < 0.5),
        "window_top": int(rng.integers(slack + 1)),
        "window_left": int(rng.integers(slack + 1)),
    }


def turns_of(seed: int, number: int, stage: int) -> int:
    """Return how many quarter turns the n-th sample is turned, 0 to 3, where samples are."""
    return int(np.random.default_rng([seed, TURN, number, stage]).integers(4))


def _cut(image: Tensor, top: int, left: int, side: int, sample: Sample) -> Tensor:
    """Cut a square out of (C, H, W); flip and turn it as the sample says."""
    crop = image[:, top : top + side, left : left + side]
    # In memory of its own: what a store hands out may not be written to.
    return torch.rot90(crop.flip(-1) if sample.flip else crop.clone(), sample.turns, (-2, -1)).contiguous()


def image_of(seed: int, stream: int, number: int, length: int, stage: int) -> int:
    """Return which of `length` images the n-th sample shows: each once a round, in the round's own order."""
    turn, place = divmod(number, length)
    return int(_order(seed, stream, turn, length, stage)[place])


@lru_cache(maxsize=16)
def _order(seed: int, stream: int, turn: int, length: int, stage: int) -> np.ndarray:
    """Draw the order of the images in one round. Cached: neighbouring samples ask for the same one of each set."""
    return np.random.default_rng([seed, stream, turn, stage]).permutation(length)


def pad_to(image: Tensor, side: int, repeat_border: bool = False) -> Tensor:
    """Pad (C, H, W) at the right and bottom by repeated reflection until both sides are at least `side`."""
    rows, columns = (_reflected(length, max(length, side), repeat_border) for length in image.shape[-2:])
    return image[:, rows][:, :, columns] if side > min(image.shape[-2:]) else image


def _reflected(length: int, wanted: int, repeat_border: bool) -> Tensor:
    """Return indices 0 … wanted - 1 folded back into 0 … length - 1, the border pixel repeated or not."""
    if length == 1:
        return torch.zeros(wanted, dtype=torch.long)
    period = 2 * length if repeat_border else 2 * (length - 1)
    position = torch.arange(wanted) % period
    return torch.minimum(position, period - int(repeat_border) - position)
