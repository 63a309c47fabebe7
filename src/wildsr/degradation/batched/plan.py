"""Which images of a batch go through which step together, and all small tables of a batch, in one block of memory."""

# B batch, n images of a call, C = 1 or 3, H W image, S T canvas

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wildsr.degradation.batched.form import BatchStep, OneByOne, Size, form_of, shape_of
from wildsr.degradation.recipe import Recipe, Step
from wildsr.degradation.tensors import LARGEST, to_device

GROUPS = 3  # of images about equally large: one canvas for all would be 3 to 5 times as large as they are

Slot = tuple[int, torch.dtype, tuple[int, ...]]  # where a table lies: offset in bytes, dtype and shape


@dataclass(frozen=True)
class Call:
    """A step of some images of a group.

    Args:
        form: a `Form`.
        step: what was drawn for the images, and their sizes.
        places: of the images in the group.
        index: where these lie as a table; None, where it is the whole group.
        tables: where those of the step lie, by name.
    """

    form: Any
    step: BatchStep
    places: Sequence[int]
    index: Slot | None
    tables: dict[str, Slot]


@dataclass(frozen=True)
class Group:
    """Images that share a canvas: where their places in the batch lie, their seeds, and what is done with them."""

    members: Slot
    seeds: Sequence[int]
    calls: Sequence[Call]


class Plan:
    """What a batch of images of one size goes through; `to` sends all of its tables in one piece.

    Args:
        shape: of the batch, (B, C, H, W).
        scale: HQ side / LQ side.
        groups: the images that go together.
        alone: places and recipes of those that do not.
        order: where the place of each image among the groups' and those alone lies.
        block: all tables.
    """

    def __init__(
        self,
        shape: Sequence[int],
        scale: int,
        groups: Sequence[Group],
        alone: Sequence[tuple[int, Recipe]],
        order: Slot,
        block: Tensor,
    ) -> None:
        self.shape, self.scale = tuple(shape), scale
        self.groups, self.alone, self.order, self.block = groups, alone, order, block

    def pin_memory(self) -> Plan:
        return self._with(self.block.pin_memory())

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Plan:
        """Move to a device, without waiting for it."""
        return self._with(to_device(self.block, torch.device(device)))

    def _with(self, block: Tensor) -> Plan:
        return Plan(self.shape, self.scale, self.groups, self.alone, self.order, block)

    def view(self, slot: Slot) -> Tensor:
        """Return a table."""
        offset, dtype, shape = slot
        size = math.prod(shape) * dtype.itemsize
        return self.block[offset : offset + size].view(dtype).view(shape)


class _Block:
    """The tables of a batch, one behind the other."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.size = 0

    def add(self, array: np.ndarray) -> Slot:
        """Add a table: where it will lie."""
        array = np.ascontiguousarray(array)
        slot = (self.size, torch.from_numpy(array).dtype, array.shape)
        padded = -(-array.nbytes // 8) * 8  # each begins where a float64 may
        self.arrays += [array.reshape(-1).view(np.uint8), np.zeros(padded - array.nbytes, np.uint8)]
        self.size += padded
        return slot

    def tensor(self) -> Tensor:
        """Return the whole as bytes."""
        return torch.from_numpy(np.concatenate(self.arrays))


def scale_of(recipes: Sequence[Recipe], count: int) -> int:
    """Return the scale of a batch's recipes. Raises: ValueError, as `make_plan`."""
    scales = {recipe.scale for recipe in recipes}
    if len(recipes) != count or len(scales) != 1:
        raise ValueError(f"recipes: given {len(recipes)} of the scales {sorted(scales)}, wanted {count} of one scale")
    return scales.pop()


def make_plan(recipes: Sequence[Recipe], shape: Sequence[int]) -> Plan:
    """Plan a batch of images (B, C, H, W) with a recipe each, on the CPU, without the images.

    Raises:
        ValueError: there is not a recipe for each image, or the recipes are of several scales.
    """
    scale = scale_of(recipes, shape[0])
    size, final_size = (shape[2], shape[3]), (shape[2] // scale, shape[3] // scale)
    together = [place for place, recipe in enumerate(recipes) if all(map(_has_known_size, recipe.steps))]
    sizes = {place: _sizes(recipes[place], size, final_size) for place in together}
    alone = [(place, recipes[place]) for place in range(shape[0]) if place not in sizes]
    block, groups, order = _Block(), [], []
    for members in _divide(together, sizes):
        chosen, own_sizes = [recipes[member] for member in members], [sizes[member] for member in members]
        calls = list(_calls(chosen, own_sizes, shape[1], final_size, block))
        groups.append(Group(block.add(np.array(members)), [recipe.seed for recipe in chosen], calls))
        order += members
    places = block.add(np.argsort(order + [place for place, _ in alone]))
    return Plan(shape, scale, groups, alone, places, block.tensor())


def _has_known_size(step: Step) -> bool:
    """Return whether the size of an image after the step is known beforehand."""
    return not isinstance(form_of(step.operation), OneByOne) or not hasattr(step.record, "to_final_size")


def _sizes(recipe: Recipe, size: Size, final_size: Size) -> list[Size]:
    """Return the sizes of an image before each step, and at the end."""
    sizes = [size]
    for step in recipe.steps:
        form, before = form_of(step.operation), sizes[-1]
        sizes.append(form.output_size(step.record, before, final_size) if hasattr(form, "output_size") else before)
    return sizes


def _divide(places: Sequence[int], sizes: dict[int, list[Size]]) -> Iterator[list[int]]:
    """Divide images into groups of about equally large ones, each of at most LARGEST pixels where it is largest."""
    by_area = sorted(places, key=lambda place: max(height * width for height, width in sizes[place]))
    for some in np.array_split(by_area, min(GROUPS, len(by_area)) or 1):
        if len(some):
            height, width = shape_of([size for place in some for size in sizes[place]])
            parts = min(-(-len(some) * height * width // LARGEST), len(some))
            yield from (part.tolist() for part in np.array_split(some, parts))


def _calls(
    recipes: Sequence[Recipe], sizes: Sequence[list[Size]], channels: int, final_size: Size, block: _Block
) -> Iterator[Call]:
    """Yield the calls of a group, whose tables are added to the block.

    The orders come in turn; of the steps that images wait for in the earliest one the cheapest is next, so that a dear
    one is seldom called: JPEG waits for those that have it later.
    """
    done = [0] * len(recipes)
    numbers = [_order_numbers(recipe) for recipe in recipes]
    while True:
        waiting: dict[tuple[Any, Hashable], list[int]] = {}
        for image, recipe in enumerate(recipes):
            if done[image] < len(recipe.steps):
                drawn = recipe.steps[done[image]]
                form = form_of(drawn.operation)
                waiting.setdefault((form, form.key(drawn.record, sizes[image][done[image]])), []).append(image)
        if not waiting:
            return
        turn = {kind: min(numbers[image][done[image]] for image in images) for kind, images in waiting.items()}
        form, key = min(waiting, key=lambda kind: (turn[kind], kind[0].operators))
        places = waiting[form, key]
        before, after = ([sizes[image][done[image] + end] for image in places] for end in (0, 1))
        records = [recipes[image].steps[done[image]].record for image in places]
        step = BatchStep(records, channels, before, after, final_size)
        index = None if len(places) == len(recipes) else block.add(np.array(places))
        yield Call(form, step, places, index, {name: block.add(table) for name, table in form.tables(step).items()})
        for image in places:
            done[image] += 1


def _order_numbers(recipe: Recipe) -> list[int]:
    """Return for each step how many orders came before its own."""
    names = list(dict.fromkeys(step.order for step in recipe.steps))
    return [names.index(step.order) for step in recipe.steps]
