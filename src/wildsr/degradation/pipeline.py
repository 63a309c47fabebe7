"""A recipe, applied: HQ in, LQ out."""

# B batch, C = 1 or 3, H W image;  n images of a call on a canvas S T

import logging
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from wildsr.degradation.batched.form import shape_of
from wildsr.degradation.batched.plan import Call, Plan, make_plan, scale_of
from wildsr.degradation.recipe import Recipe, Step
from wildsr.degradation.spec import DegradationSpec
from wildsr.degradation.tensors import in_float32

log = logging.getLogger(__name__)

Recipes = Sequence[Recipe] | Plan


class Degradation(nn.Module):
    """A spec as a module: images (B, C, H, W) in [0, 1] and a recipe each -> (B, C, H // scale, W // scale).

    It has no parameters.

    Args:
        spec: what recipes are drawn from.
        generator: draws them where `forward` is given neither recipes nor a generator, as in a container of modules.
    """

    def __init__(self, spec: DegradationSpec, generator: np.random.Generator | None = None) -> None:
        super().__init__()
        self.spec, self.generator = spec, generator

    def forward(
        self, images: Tensor, recipes: Recipes | None = None, generator: np.random.Generator | None = None
    ) -> Tensor:
        """Apply a recipe to each image, as `degrade` does.

        Args:
            recipes: a recipe each, or the plan that was made of them; None draws them.
            generator: draws the recipes, one image after the other.

        Raises:
            ValueError: as `degrade`, or there are neither recipes nor a generator.
        """
        if recipes is None:
            recipes = self.draw(len(images), generator)
        return degrade(images, recipes)

    def draw(self, count: int, generator: np.random.Generator | None = None) -> list[Recipe]:
        """Draw recipes. Raises: ValueError, where there is no generator of NumPy."""
        chosen = self.generator if generator is None else generator
        if chosen is None:
            raise ValueError("recipes: given nothing, wanted a recipe each, or a NumPy generator to draw them")
        if not isinstance(chosen, np.random.Generator):
            raise ValueError(f"generator: given a {type(chosen).__name__}, wanted one of NumPy: np.random.Generator")
        return [self.spec.draw(chosen) for _ in range(count)]


# What is taken as an image in [0, 1]: bicubic interpolation (a = -0.75) overshoots by at most 2 x 1.1875 x 0.1875.
LOWEST, HIGHEST = -0.5, 1.5


@torch.no_grad()
def degrade(image: Tensor, recipe: Recipe | Recipes) -> Tensor:
    """Apply a recipe: (C, H, W) in [0, 1] -> (C, H // scale, W // scale) float32, on 8-bit levels in [0, 1].

    Or a recipe to each image of a batch: (B, C, H, W) -> (B, C, H // scale, W // scale). On a GPU they go through
    their steps together (docs/degradation.md), on a CPU one after the other: its kernels are faster so (cpu.py).
    Apple's GPUs (MPS) lack float64 and `torch.poisson`: images are degraded on the CPU, and come back.

    The same bits for the same image, recipe and kind of device, alone or in a batch of a CPU. Computed in float32
    whatever autocast says; no gradient is kept; nothing waits for the device.

    Args:
        recipe: of an image; of a batch a sequence, or the plan that `make_plan` made of it beforehand.

    Raises:
        ValueError: there is not a recipe of one scale for each image; an image is no tensor (1 or 3, H, W) of floats,
            the scale does not divide H and W, or a value is NaN, below -0.5 or above 1.5, as of 8-bit levels; what
            interpolation overshoots is taken. Values are looked at on the CPU alone, since a GPU would have to be
            waited for.
    """
    if isinstance(image, Tensor) and image.device.type == "mps":
        _log_degraded_on_the_cpu()
        return degrade(image.cpu(), recipe).to(image.device)
    if isinstance(recipe, Recipe):
        return _rounded(_degrade_one(image, recipe))
    if not isinstance(image, Tensor) or image.ndim != 4 or not len(image):
        given = tuple(image.shape) if isinstance(image, Tensor) else f"a {type(image).__name__}"
        raise ValueError(f"images: given {given}, wanted (B, 1 or 3, H, W), as recipes are given for each")
    if image.device.type == "cpu" and not isinstance(recipe, Plan):
        scale_of(recipe, len(image))
        return torch.stack([degrade(one, own) for one, own in zip(image, recipe, strict=True)])
    plan = recipe if isinstance(recipe, Plan) else make_plan(recipe, image.shape)
    if tuple(image.shape) != plan.shape:
        raise ValueError(f"images: given {tuple(image.shape)}, wanted {plan.shape}, as planned")
    for one in image:
        check_image(one, plan.scale)
    return _rounded(run_plan(image, plan))


@cache
def _log_degraded_on_the_cpu() -> None:
    log.warning("images are degraded on the CPU: MPS lacks float64 and torch.poisson")


def _rounded(lq: Tensor) -> Tensor:
    return lq.clamp(0, 1).mul_(255).round_().div_(255)


def _degrade_one(image: Tensor, recipe: Recipe) -> Tensor:
    lq = image
    for _, _, after in _apply(image, recipe):
        lq = after
    return lq


@torch.no_grad()
def trace(image: Tensor, recipe: Recipe) -> list[tuple[str, Any, Tensor]]:
    """Return the name, the record and the image after every step; the last is LQ before its rounding to 8 bit."""
    return list(_apply(image, recipe))


def _apply(image: Tensor, recipe: Recipe) -> Iterator[tuple[str, Any, Tensor]]:
    """Apply one operation after the other."""
    check_image(image, recipe.scale)
    final_size = (image.shape[1] // recipe.scale, image.shape[2] // recipe.scale)
    channels, generator = len(image), Generator(image.device).manual_seed(recipe.seed)
    for (name, record), step in zip(recipe.records.items(), recipe.steps, strict=True):
        image = _apply_step(image, step, generator, final_size)
        yield name, record, image
    if tuple(image.shape) != (channels, *final_size):
        raise ValueError(f"{name}: gave {tuple(image.shape)}, wanted {(channels, *final_size)} at the end")


def check_image(image: Tensor, scale: int) -> None:
    """Check that an image is what `degrade` takes at this scale. Raises: ValueError."""
    if not isinstance(image, Tensor):
        raise ValueError(f"image: given a {type(image).__name__}, wanted a tensor (1 or 3, H, W) of floats in [0, 1]")
    shape = tuple(image.shape)
    if len(shape) != 3 or shape[0] not in (1, 3) or not image.is_floating_point():
        raise ValueError(f"image: given {shape} {image.dtype}, wanted (1 or 3, H, W) of floats in [0, 1]")
    if 0 in shape or shape[1] % scale or shape[2] % scale:
        raise ValueError(f"image: given {shape}, wanted sides that the scale {scale} divides")
    if image.device.type == "cpu":
        low, high = map(float, image.aminmax())
        if not (low >= LOWEST and high <= HIGHEST):  # NaN obeys neither
            raise ValueError(
                f"image: given values from {low:g} to {high:g}, wanted floats in [0, 1], at most 0.5 beyond"
            )


@in_float32  # whatever the operation is
def _apply_step(image: Tensor, step: Step, generator: Generator, final_size: tuple[int, int]) -> Tensor:
    return step.operation.apply(image, step.record, generator, final_size)


@in_float32
def run_plan(images: Tensor, plan: Plan) -> Tensor:
    """Carry out a plan: (B, C, H, W) about [0, 1] -> (B, C, h, w), not yet rounded to 8 bit.

    Its tables are sent where they are not on the device yet. Nothing is read back.
    """
    plan = plan if plan.block.device == images.device else plan.to(images.device)
    height, width = (side // plan.scale for side in plan.shape[2:])
    done = []
    for group in plan.groups:
        generators = [Generator(images.device).manual_seed(seed) for seed in group.seeds]
        canvas = images.index_select(0, plan.view(group.members))
        for call in group.calls:
            canvas = _apply_call(canvas, call, plan, generators)
        done.append(canvas[..., :height, :width])
    done += [_degrade_one(images[place], recipe)[None] for place, recipe in plan.alone]
    return torch.cat(done).index_select(0, plan.view(plan.order))


def _apply_call(canvas: Tensor, call: Call, plan: Plan, generators: Sequence[Generator]) -> Tensor:
    """Take the images of a call from the group's canvas (n, C, S, T), apply its step, lay them back."""
    tables = {name: plan.view(slot) for name, slot in call.tables.items()}
    height, width = shape_of(call.step.before)
    images = canvas[..., :height, :width]
    index = None if call.index is None else plan.view(call.index)
    if index is not None:
        images = images.index_select(0, index)
    images = call.form.apply(images, call.step, tables, [generators[place] for place in call.places])
    if index is None:
        return images
    tall, wide = images.shape[-2:]
    more = max(wide - canvas.shape[3], 0), max(tall - canvas.shape[2], 0)
    canvas = F.pad(canvas, (0, more[0], 0, more[1])) if any(more) else canvas
    canvas[..., :tall, :wide].index_copy_(0, index, images)
    return canvas
