"""Validation sets of three kinds: synthetic, paired and real. Each is a list of the same items for ever.

Shapes: C = 3, H W image, h w its LQ version, uint8.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from torch.utils.data import Dataset

from wildsr.checks import checked_integer
from wildsr.data.batches import Item
from wildsr.data.paired import PairedFiles, paired_folders
from wildsr.data.photographs import Photographs
from wildsr.data.samples import Images
from wildsr.degradation import DegradationSpec, Recipe
from wildsr.images import crop_to_multiple, to_channels
from wildsr.io import ConfigError

PAIR = 2  # a stream of random numbers beside those of samples.py


class SizedImages(Images, Protocol):
    """Give images by number, each (3, H, W) uint8, what they are called, and the shortest side among them."""

    def smallest(self) -> tuple[int, Path]: ...


class Label(NamedTuple):
    """Name the image of a set that an item shows, and the number of its degraded version; 0 where there is one."""

    picture: str
    version: int


class Pairs(Dataset[Item[Recipe]]):
    """Hold photographs with frozen recipes: a synthetic set. `pairs[i]` is ((C, H, W), Recipe), its LQ to be made.

    Args:
        images: whole HQ images; their sides are cropped at the right and bottom to multiples of the scale.
        spec: what the recipes are drawn from.
        recipes: how many degraded versions of each image.
        seed: of the recipes; not the run's seed, so that runs are evaluated on the same pairs.
        channels: C, 1 (grey, colour by its luma) or 3 (RGB).
    """

    has_hq = True

    def __init__(
        self, images: SizedImages, spec: DegradationSpec, recipes: int = 1, seed: int = 0, channels: int = 3
    ) -> None:
        self.images, self.spec, self.recipes, self.seed = images, spec, recipes, seed
        self.scale, self.channels = spec.scale, channels

    def __len__(self) -> int:
        return len(self.images) * self.recipes

    def __getitem__(self, index: int) -> Item[Recipe]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        image = to_channels(self.images[index // self.recipes], self.channels)
        recipe = self.spec.draw(np.random.default_rng([self.seed, PAIR, index]))
        name = self.images.name(index // self.recipes)
        return Item(crop_to_multiple(image, self.spec.scale, name).contiguous(), recipe)

    def label(self, index: int) -> Label:
        return Label(self.images.name(index // self.recipes), index % self.recipes)

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest HQ side, in pixels, and the image it belongs to."""
        return self.images.smallest()


class PairedImages(Dataset[Item[None]]):
    """Read LQ and HQ as they were found: a paired set. `images[i]` is ((C, H, W), None, (C, h, w))."""

    has_hq = True

    def __init__(self, files: PairedFiles, channels: int = 3) -> None:
        self.files, self.scale, self.channels = files, files.scale, channels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Item[None]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        lq, hq = (to_channels(image, self.channels) for image in self.files[index])
        return Item(hq, None, lq)

    def label(self, index: int) -> Label:
        return Label(self.files.name(index), 0)

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest HQ side, in pixels, and the image it belongs to."""
        return self.files.smallest()


class RealImages(Dataset[Item[None]]):
    """Read LQ alone, evaluated without a reference: a real set. `images[i]` is (None, None, (C, h, w))."""

    has_hq = False

    def __init__(self, images: SizedImages, scale: int, channels: int = 3) -> None:
        self.images, self.scale, self.channels = images, scale, channels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Item[None]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Item(None, None, to_channels(self.images[index], self.channels))

    def label(self, index: int) -> Label:
        return Label(self.images.name(index), 0)

    def smallest(self) -> tuple[int, Path]:
        """Return the shortest side once upscaled, in pixels, and the image it belongs to."""
        side, path = self.images.smallest()
        return side * self.scale, path


ValidationSet = Pairs | PairedImages | RealImages


def validation_set(
    scale: int,
    lq: str | Path | SizedImages | None = None,
    hq: str | Path | SizedImages | None = None,
    recipes: int = 1,
    degradation: DegradationSpec | None = None,
    lq_ending: str = "",
    hq_ending: str = "",
    channels: int = 3,
) -> ValidationSet:
    """Build a set by what there is of it: HQ alone is synthetic, LQ and HQ are paired, LQ alone is real.

    Args:
        lq, hq: folders, or for synthetic and real sets the images themselves.
        recipes: degraded versions of each image of a synthetic set.
        degradation: of a synthetic set; None is the released recipe, whatever a run trains on, so that runs can be
            compared.
        lq_ending, hq_ending: as `paired_folders` takes them.
        channels: of the images, 1 (grey, colour by its luma) or 3 (RGB).

    Raises:
        UserError: neither is given, or a folder or a pair is not as it has to be.
    """
    if hq is not None and lq is not None:
        if not isinstance(lq, str | Path) or not isinstance(hq, str | Path):
            raise ConfigError("a paired set wants two folders, lq and hq")
        return PairedImages(paired_folders(lq, hq, scale, lq_ending, hq_ending), channels)
    if hq is not None:
        checked_integer("recipes", recipes, 1, 10**6)
        return Pairs(_images(hq), degradation or DegradationSpec(scale=scale), recipes, channels=channels)
    if lq is not None:
        return RealImages(_images(lq), scale, channels)
    raise ConfigError("nothing given, wanted a folder as lq (real), as hq (synthetic), or both (paired)")


def _images(given: str | Path | SizedImages) -> SizedImages:
    return Photographs(given) if isinstance(given, str | Path) else given
