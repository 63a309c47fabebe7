"""The degradation as the released training code does it, written anew: what `degradation.py` measures against.

One scale, mode, noise kind and order for the batch, 21 x 21 grouped convolutions, levels counted by `unique`,
DiffJPEG (in `jpeg.py`). Only its sharpening is separable here; as released it takes a dense 51 x 51 kernel.
"""

# B images, H W sides

import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jpeg import released_jpeg
from kornia.filters import gaussian_blur2d
from torch import Tensor

from wildsr.degradation import DegradationSpec, Recipe
from wildsr.degradation.kernels import render_kernels
from wildsr.degradation.operations import Blur, NoiseSpec, Resize

SPEC = DegradationSpec()
Draws = tuple[list[Recipe], list[Tensor], np.random.Generator]
Clock = defaultdict[str, float]  # seconds by operation


def grouped_blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image with its own (21, 21) kernel, as one grouped convolution."""
    count, channels, height, width = images.shape
    planes = F.pad(images, (10, 10, 10, 10), mode="reflect").reshape(1, -1, height + 20, width + 20)
    weights = kernels.repeat_interleave(channels, 0)[:, None]
    return F.conv2d(planes, weights, groups=count * channels).view(images.shape)


def released_draws(rng: np.random.Generator, count: int) -> Draws:
    """Recipes, of which the first decides for the batch, and three kernels an image in 21 x 21 frames."""
    recipes = [SPEC.draw(rng) for _ in range(count)]
    point = Blur("iso", 21, sigma_x=0.05)  # one pixel: where no final sinc is drawn
    rows = [[recipe.records.get("first.blur", point) for recipe in recipes]]
    rows += [[SPEC.kernels.draw(rng, (0.2, 1.5)) for _ in recipes]]
    rows += [[recipe.records.get("final.sinc", point) for recipe in recipes]]
    return recipes, [render_kernels([*row, point])[:-1] for row in rows], rng


def released_sharpen(images: Tensor) -> Tensor:
    """The released formula, its 51 x 51 blur in two passes by kornia."""
    detail = images - gaussian_blur2d(images, (51, 51), (8.0, 8.0))
    soft = gaussian_blur2d((detail.abs() * 255 > 10).float(), (51, 51), (8.0, 8.0))
    return soft * (images + 0.5 * detail).clamp(0, 1) + (1 - soft) * images


def released_resize(images: Tensor, step: Resize, final: int) -> Tensor:
    if step.relative_to == "input":
        return F.interpolate(images, scale_factor=step.factor, mode=step.mode)
    return F.interpolate(images, size=(int(final * step.factor),) * 2, mode=step.mode)


def released_noise(images: Tensor, kind: str, spec: NoiseSpec, rng: np.random.Generator) -> Tensor:
    """Colour noise for all; grey noise for all too as soon as one image wants it; mixed."""
    span = spec.gaussian_sigma if kind == "gaussian" else spec.poisson_scale
    strength = torch.from_numpy(rng.uniform(*span, (len(images), 1, 1, 1))).float()
    grey = torch.from_numpy(rng.random((len(images), 1, 1, 1)) < spec.grey_prob).float()
    if kind == "gaussian":
        noise, strength = torch.randn_like(images), strength / 255
        if grey.sum() > 0:  # one pattern for the whole batch, as released
            noise = noise * (1 - grey) + torch.randn(images.shape[-2:]) * grey
    else:
        noise = _released_poisson(images)
        if grey.sum() > 0:
            luma = (images * torch.tensor([0.2989, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
            noise = noise * (1 - grey) + _released_poisson(luma) * grey
    return (images + noise * strength).clamp(0, 1)


def _released_poisson(images: Tensor) -> Tensor:
    images = (images * 255).round().clamp(0, 255) / 255
    peaks = [2 ** np.ceil(np.log2(len(torch.unique(image)))) for image in images]
    peak = torch.tensor(peaks, dtype=torch.float32).view(-1, 1, 1, 1)
    return torch.poisson(images * peak) / peak - images


def released_jpeg_drawn(images: Tensor, rng: np.random.Generator) -> Tensor:
    return released_jpeg(images.clamp(0, 1), torch.from_numpy(rng.uniform(30, 95, len(images))).float())


def released(images: Tensor, draws: Draws, clock: Clock) -> Tensor:
    """The released batch; adds up the seconds of each operation."""
    recipes, kernels, rng = draws
    chosen, final = recipes[0], images.shape[-1] // SPEC.scale
    x = timed(clock, "sharpen", released_sharpen, images)
    drawn = chosen.records
    for order, kernel in (("first", kernels[0]), ("second", kernels[1])):
        if f"{order}.blur" in drawn:
            x = timed(clock, "blur", grouped_blur, x, kernel)
        x = timed(clock, "resize", released_resize, x, drawn[f"{order}.resize"], final)
        noise = SPEC.operations[f"{order}.noise"]
        x = timed(clock, "noise", released_noise, x, drawn[f"{order}.noise"].kind, noise, rng)
        if f"{order}.jpeg" in drawn:
            x = timed(clock, "jpeg", released_jpeg_drawn, x, rng)
    jpeg_first = list(drawn).index("final.jpeg") < list(drawn).index("final.resize")
    if jpeg_first:
        x = timed(clock, "jpeg", released_jpeg_drawn, x, rng)
    x = timed(clock, "resize", released_resize, x, drawn["final.resize"], final)
    x = timed(clock, "blur", grouped_blur, x, kernels[2])
    if not jpeg_first:
        x = timed(clock, "jpeg", released_jpeg_drawn, x, rng)
    window = images.shape[-1] * 256 // 400
    timed(clock, "sharpen again", released_sharpen, images[..., :window, :window])
    return (x.clamp(0, 1) * 255).round() / 255


def timed(clock: Clock, name: str, operation: Callable[..., Tensor], *arguments: object) -> Tensor:
    start = time.perf_counter()
    result = operation(*arguments)
    clock[name] += time.perf_counter() - start
    return result
