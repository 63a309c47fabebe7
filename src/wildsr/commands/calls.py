"""What all inputs of one call of `wildsr upscale` share: the network, and how it is run."""

from __future__ import annotations

import argparse

import torch

from wildsr.images import Picture
from wildsr.networks import load_generator
from wildsr.upscale.backends import open_backend
from wildsr.upscale.blending import Generator, blend
from wildsr.upscale.enlarging import Way, result_size
from wildsr.upscale.memory import free_memory, result_bytes, tile_side
from wildsr.upscale.tiles import Upscaler

CPU = torch.device("cpu")


class Run:
    """A network, loaded and blended as the call says.

    Raises:
        ValueError: weights that cannot be read or blended.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.way = Way(given.scale, given.alpha, given.batch)
        self.generator = load_generator(given.weights)
        self.second: Generator | None = None
        if given.blend:
            source, share = given.blend
            self.second = load_generator(source)
            try:
                self.generator = blend(self.generator, self.second, share or 0)
            except ValueError as error:
                raise ValueError(f"{source} with {given.weights}: {error}") from error

    def opened(self, generator: Generator) -> Upscaler:
        """A generator on the backend that was asked for."""
        return open_backend(generator, self.given.backend, self.device, self.given.half)

    def tile(self, upscaler: Upscaler, picture: Picture) -> int:
        """The side of a tile in LQ pixels that was asked for, or that memory allows beside the result.

        Raises:
            ValueError: memory does not suffice for the result.
        """
        height, width = picture.colour.shape[-2:]
        rows, columns = result_size(upscaler.scale, picture, self.way)
        planes = picture.colour.shape[0] + (picture.alpha is not None)
        free = free_memory(CPU)
        free -= result_bytes(max(columns, width * upscaler.scale), max(rows, height * upscaler.scale), planes, free)
        if self.device != CPU:
            free = free_memory(self.device)
        return int(self.given.tile or tile_side(self.generator, upscaler.overlap, height, width, free))
