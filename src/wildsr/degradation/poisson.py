"""Poisson noise of images on 8-bit levels, which have at most 256 rates: each has an alias table (not on CUDA).

Walker's alias method: of 256 equally likely bins one is drawn; below its cut its own count is taken, above the
count that shares the bin. Exact up to rounding, and several times as fast as `torch.poisson`.
"""

# B batch, C = 1 or 3, H W image, L = 256 levels, K = 256 bins (8 standard deviations around the highest rate, 256)

from functools import cache

import torch
from torch import Generator, Tensor


def poisson_noise(levels: Tensor, generator: Generator) -> Tensor:
    """Draw Poisson(x V) / V - x for x = levels / 255: (C, H, W) or (B, C, H, W) of whole levels -> float32.

    V is the number of an image's distinct levels, rounded up to a power of two. A GPU is not read back.
    """
    if levels.device.type == "cuda":
        return _on_device(levels, generator)
    images = levels.to(torch.int32).reshape(-1, levels.shape[-3:].numel())
    drawn = [_from_tables(image, generator) for image in images]
    return (torch.stack(drawn) if len(drawn) > 1 else drawn[0]).view(levels.shape)


def _on_device(levels: Tensor, generator: Generator) -> Tensor:
    """`poisson_noise` by `torch.poisson`, which MPS lacks."""
    places = levels.flatten(-3).long()
    seen = torch.zeros(*places.shape[:-1], 256, device=levels.device).scatter_(-1, places, 1)
    powers = 1 << torch.arange(9, device=levels.device)
    peak = torch.where(powers >= seen.sum(-1, keepdim=True), powers, 256).amin(-1)[..., None, None, None]
    return torch.poisson(levels / 255 * peak, generator) / peak - levels / 255


def _from_tables(levels: Tensor, generator: Generator) -> Tensor:
    """The noise of one image: int32 levels (C H W) -> float32 (C H W)."""
    distinct = int(torch.bincount(levels, minlength=256).count_nonzero())
    cut, noise = (table.to(levels.device) for table in _tables(1 << (distinct - 1).bit_length()))
    # Two pixels share 63 random bits: 8 choose the bin, 23 stand against its cut.
    random = levels.new_empty((len(levels) + 1) // 2, dtype=torch.int64).random_(generator=generator)
    random = random.view(torch.int32)[: len(levels)]
    place = torch.bitwise_and(random, 255).add_(levels, alpha=256)
    shared = random.bitwise_right_shift_(8).bitwise_and_(2**23 - 1) >= cut.index_select(0, place)
    return noise.index_select(0, place.mul_(2).add_(shared))


@cache  # nine powers of two, 0.8 MB each
def _tables(peak: int) -> tuple[Tensor, Tensor]:
    """For rates level / 255 · peak: cuts (L K) int32, and the noise of bin and sharer (L K 2) float32."""
    x = torch.arange(256, dtype=torch.float64)[:, None] / 255
    count = ((x * peak).floor() - 127).clamp(min=0) + torch.arange(256)
    weights = torch.exp(torch.xlogy(count, x * peak) - x * peak - torch.lgamma(count + 1))
    cut, sharer = _alias(weights * 256 / weights.sum(1, keepdim=True))
    noise = torch.stack((count, count.gather(1, sharer)), 2) / peak - x[:, None]
    return (cut * 2**23).round().int().flatten(), noise.float().flatten()


def _alias(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Cut in [0, 1] and sharer of each bin, both (L, K), for weights (L, K) with a mean of 1 a row."""
    rows = torch.arange(len(weights))
    cut, sharer = torch.zeros_like(weights), torch.zeros_like(weights, dtype=torch.long)
    done = torch.zeros_like(weights)  # infinite where a bin is full
    for _ in range(weights.shape[1]):
        low, high = (weights + done).argmin(1), (weights - done).argmax(1)
        cut[rows, low], sharer[rows, low] = weights[rows, low], high
        weights[rows, high] -= 1 - weights[rows, low]  # the heaviest bin fills the lightest one
        done[rows, low] = torch.inf
    return cut.clamp(0, 1), sharer
