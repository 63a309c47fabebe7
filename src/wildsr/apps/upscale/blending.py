"""Strength: a network between two others, weight by weight."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor, nn

from wildsr.images import to_pil
from wildsr.images.sheets import sheet
from wildsr.io import UserError
from wildsr.networks.tiling import Upscaler, upscale

Network = TypeVar("Network", bound=nn.Module)
COLUMNS = 3  # of the sheet


def blend(first: Network, second: nn.Module, strength: float) -> Network:
    """Return the network whose weights are (1 - strength) times the first's plus strength times the second's.

    Of networks that share their beginning, such as the PSNR stage and the GAN stage that started from it, it gives a
    image between theirs; of strangers, noise. (Wang et al., "ESRGAN", section 3.4.) What is no floating-point
    number, such as a table of indices, is the first's.

    Raises:
        ValueError: their scales differ, or the names or shapes of their weights.
    """
    ours, theirs = first.state_dict(), second.state_dict()
    shapes = [{name: tuple(tensor.shape) for name, tensor in state.items()} for state in (ours, theirs)]
    if first.scale != second.scale or shapes[0] != shapes[1]:
        raise UserError(f"{describe(second)} cannot be blended with {describe(first)}; wanted one architecture")
    between = copy.deepcopy(first)
    between.load_state_dict(
        {
            name: torch.lerp(tensor, theirs[name].to(tensor), strength) if tensor.is_floating_point() else tensor
            for name, tensor in ours.items()
        }
    )
    return between


def compare(
    first: nn.Module,
    second: nn.Module,
    strengths: Sequence[float],
    image: Tensor,
    opened: Callable[[nn.Module], Upscaler],
    done: Callable[[], object] = lambda: None,
) -> Image.Image:
    """Lay out one small image, (C, H, W) in [0, 1], at several strengths of the second, beside its Lanczos.

    Args:
        opened: makes an upscaler of a network.
        done: called after each strength.
    """
    height, width = (side * int(first.scale) for side in image.shape[-2:])  # type: ignore[arg-type]
    cells = [(to_pil(image).resize((width, height), Image.Resampling.LANCZOS), "input, by Lanczos")]
    for strength in strengths:
        between = blend(first, second, strength)
        cells.append((to_pil(upscale(opened(between), image, max(image.shape))), f"strength {strength:g}"))
        done()
    return sheet([cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)])


def describe(generator: nn.Module) -> str:
    """Name an architecture in a few words, such as "RRDBNet of 64 features, 23 blocks, growth 32 (x4, 3 channels)"."""
    name = getattr(generator, "architecture", type(generator).__name__)
    return f"{name} (x{generator.scale}, {generator.channels} channels)"
