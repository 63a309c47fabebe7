"""Strength: a network between two others, weight by weight."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from wildsr.images import to_pil
from wildsr.images.sheets import sheet
from wildsr.networks import CommunityNet, CompactNet, RRDBNet
from wildsr.networks.tiling import Upscaler, upscale

Generator = RRDBNet | CompactNet | CommunityNet
COLUMNS = 3  # of the sheet


def blend(first: Generator, second: Generator, strength: float) -> Generator:
    """The network whose weights are (1 - strength) times the first's plus strength times the second's.

    Of networks that share their beginning, such as the PSNR stage and the GAN stage that started from it, it gives a
    picture between theirs; of strangers, noise. (Wang et al., "ESRGAN", section 3.4.)

    Raises:
        ValueError: they differ in architecture, or it is not one of ours.
    """
    if isinstance(first, CommunityNet):
        raise ValueError("wanted RRDBNet or CompactNet; other networks cannot be blended")
    ours, theirs = first.state_dict(), second.state_dict()
    shapes = [{name: tuple(tensor.shape) for name, tensor in state.items()} for state in (ours, theirs)]
    if type(first) is not type(second) or first.scale != second.scale or shapes[0] != shapes[1]:
        raise ValueError(f"{describe(second)} cannot be blended with {describe(first)}; wanted one architecture")
    between = copy.deepcopy(first)
    between.load_state_dict({name: torch.lerp(ours[name], theirs[name], strength) for name in ours})
    return between


def compare(
    first: Generator,
    second: Generator,
    strengths: Sequence[float],
    image: Tensor,
    opened: Callable[[Generator], Upscaler],
    done: Callable[[], object] = lambda: None,
) -> Image.Image:
    """A sheet of one small picture, (C, H, W) in [0, 1], at several strengths of the second, beside its Lanczos.

    Args:
        opened: makes an upscaler of a network.
        done: called after each strength.
    """
    height, width = (side * first.scale for side in image.shape[-2:])
    cells = [(to_pil(image).resize((width, height), Image.Resampling.LANCZOS), "input, by Lanczos")]
    for strength in strengths:
        between = blend(first, second, strength)
        cells.append((to_pil(upscale(opened(between), image, max(image.shape))), f"strength {strength:g}"))
        done()
    return sheet([cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)])


def describe(generator: Generator) -> str:
    """An architecture in a few words, such as "an RRDBNet (x4, 23 blocks, 64 features)"."""
    if isinstance(generator, CommunityNet):
        return f"another network (x{generator.scale})"
    if isinstance(generator, RRDBNet):
        size, name = f"{len(generator.body)} blocks", "an RRDBNet"
    else:
        size, name = f"{(len(generator.body) - 3) // 2} convolutions", "a CompactNet"
    features = next(generator.parameters()).shape[0]
    return f"{name} (x{generator.scale}, {size}, {features} features, {generator.channels} channels)"
