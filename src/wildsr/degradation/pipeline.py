"""A recipe, applied: HQ in, LQ out."""

# B batch, C = 1 or 3, H W image

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from wildsr.degradation.recipe import Recipe, Step
from wildsr.degradation.spec import DegradationSpec
from wildsr.degradation.tensors import in_float32


class Degradation(nn.Module):
    """A spec as a module: images (B, C, H, W) in [0, 1] and a recipe each -> (B, C, H // scale, W // scale).

    It has no parameters and draws nothing itself: `spec.draw` does, from the random numbers of each sample.
    """

    def __init__(self, spec: DegradationSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, images: Tensor, recipes: Sequence[Recipe]) -> Tensor:
        """Apply a recipe to each image, as `degrade` does. Raises: ValueError, as `degrade`."""
        return torch.stack([degrade(image, recipe) for image, recipe in zip(images, recipes, strict=True)])


# What is taken as an image in [0, 1]: bicubic interpolation (a = -0.75) overshoots by at most 2 x 1.1875 x 0.1875.
LOWEST, HIGHEST = -0.5, 1.5


@torch.no_grad()
def degrade(image: Tensor, recipe: Recipe) -> Tensor:
    """Apply a recipe: (C, H, W) in [0, 1] -> (C, H // scale, W // scale) float32, on 8-bit levels in [0, 1].

    The same bits for the same image, recipe and kind of device. Computed in float32 whatever autocast says;
    no gradient is kept; nothing waits for the device.

    Raises:
        ValueError: the image is no tensor (1 or 3, H, W) of floats, the scale does not divide H and W, or a value is
            NaN, below -0.5 or above 1.5, as of 8-bit levels; what interpolation overshoots is taken. Values are
            looked at on the CPU alone, since a GPU would have to be waited for.
    """
    lq = image
    for _, _, after in _apply(image, recipe):
        lq = after
    return lq.clamp(0, 1).mul_(255).round_().div_(255)


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
