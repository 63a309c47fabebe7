"""What all inputs of one call of `wildsr upscale` share: the network, and how it is run."""

from __future__ import annotations

import argparse
import logging
from functools import cached_property

from torch import nn

from wildsr.apps.upscale.backends import find_device, open_backend
from wildsr.apps.upscale.blending import blend
from wildsr.apps.upscale.enlarging import UpscaleOptions, fitting_tile
from wildsr.apps.upscale.images.content import ImageContent
from wildsr.io import UserError
from wildsr.networks import load_generator
from wildsr.networks.overlap import Tiling
from wildsr.networks.tiling import Upscaler

WITH_SEAMS = 64  # LQ pixels that tiles overlap where no overlap is enough

log = logging.getLogger(__name__)


class UpscaleSession:
    """A network, loaded and blended as the call says when it is first asked for."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.options = UpscaleOptions(
            given.scale, given.alpha, given.batch, given.width, given.height, given.max_side
        )  # fmt: skip

    @cached_property
    def generator(self) -> nn.Module:
        """Return the network that runs. Raises: UserError: weights that cannot be read or blended."""
        generator = load_generator(self.given.weights)
        if self.second is None:
            return generator
        source, share = self.given.blend
        try:
            return blend(generator, self.second, share or 0)
        except ValueError as error:
            raise UserError(f"{source} with {self.given.weights}: {error}") from error

    @cached_property
    def second(self) -> nn.Module | None:
        """Return the network that is mixed in, if one was asked for. Raises: UserError: it cannot be read."""
        return load_generator(self.given.blend[0]) if self.given.blend else None

    @property
    def suffix(self) -> str:
        """Return what a result's name ends in, where neither its place nor its suffix was given: such as _x4."""
        given = self.given
        if given.suffix is not None:
            return str(given.suffix)
        if given.output is not None:
            return ""
        if given.width and given.height:
            return f"_{given.width}x{given.height}"
        sizes = {"w": given.width, "h": given.height, "max": given.max_side}
        if named := [f"_{name}{pixels}" for name, pixels in sizes.items() if pixels]:
            return named[0]
        return f"_x{given.scale or self.generator.scale:g}"

    def opened(self, generator: nn.Module) -> Upscaler:
        """Open a generator on the backend that was asked for."""
        return open_backend(generator, self.given.backend, find_device(self.given.device), self.given.half)

    @cached_property
    def upscaler(self) -> Upscaler:
        """Return what enlarges: the network that runs, on its backend. Raises as `open_backend`."""
        return self.opened(self.generator)

    def tile(self, image: ImageContent) -> int:
        """Return the side of a tile in LQ pixels that was asked for, or that memory allows. Raises as `fitting_tile`.

        Tiles that were asked for are cut even where no overlap is enough, and a line says so.
        """
        largest = fitting_tile(self.upscaler, image, self.options)
        if self.given.tile is None:
            return largest
        if self.given.tile < max(image.colour.shape[-2:]) and self.upscaler.tiling.overlap is None:
            log.warning(f"--tile {self.given.tile}: this network's tiles may show their seams")
            self.upscaler.tiling = Tiling(WITH_SEAMS)  # type: ignore[misc]
        return int(self.given.tile)
