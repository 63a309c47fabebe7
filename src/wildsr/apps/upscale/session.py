"""What all inputs of one call of `wildsr upscale` share: the network, and how it is run."""

from __future__ import annotations

import argparse
import sys

import torch
from torch import nn

from wildsr.apps.upscale.backends import open_backend
from wildsr.apps.upscale.blending import blend
from wildsr.apps.upscale.enlarging import UpscaleOptions, fitting_tile
from wildsr.images import Picture
from wildsr.io import UserError
from wildsr.networks import load_generator
from wildsr.networks.overlap import Tiling
from wildsr.networks.tiling import Upscaler

WITH_SEAMS = 64  # LQ pixels that tiles overlap where no overlap is enough


class UpscaleSession:
    """A network, loaded and blended as the call says.

    Raises:
        ValueError: weights that cannot be read or blended.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.options = UpscaleOptions(given.scale, given.alpha, given.batch)
        self.generator = load_generator(given.weights)
        self.second: nn.Module | None = None
        if given.blend:
            source, share = given.blend
            self.second = load_generator(source)
            try:
                self.generator = blend(self.generator, self.second, share or 0)
            except ValueError as error:
                raise UserError(f"{source} with {given.weights}: {error}") from error

    def opened(self, generator: nn.Module) -> Upscaler:
        """Open a generator on the backend that was asked for."""
        return open_backend(generator, self.given.backend, self.device, self.given.half)

    def tile(self, upscaler: Upscaler, picture: Picture) -> int:
        """Return the side of a tile in LQ pixels that was asked for, or that memory allows. Raises as `fitting_tile`.

        Tiles that were asked for are cut even where no overlap is enough, and a line says so.
        """
        largest = fitting_tile(upscaler, picture, self.options, self.device)
        if self.given.tile is None:
            return largest
        if self.given.tile < max(picture.colour.shape[-2:]) and upscaler.tiling.overlap is None:
            print(f"--tile {self.given.tile}: this network's tiles may show their seams", file=sys.stderr)
            upscaler.tiling = Tiling(WITH_SEAMS)  # type: ignore[misc]
        return int(self.given.tile)
