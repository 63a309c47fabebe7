"""Kernels for CPUs, where torch's plain ones are two to five times as slow on one core (benchmarks/degradation.py).

- Correlation: with one channel in and out a convolution leaves the vector units idle; here 16 neighbouring pixels are
  its channels. Up to 21 taps an FFT is no faster, and its last bit depends on the number of threads.
- Area and bicubic resizes, as sums of weighted rows: a third of `interpolate`'s time.
- A batch together, as it goes on a GPU (batched/), takes twice the time of one image after the other by these.
- Poisson noise, by alias tables: images on 8-bit levels have at most 256 rates. Walker's method draws one of 256
  equally likely bins; below its cut its own count is taken, above it the count that shares the bin. Exact up to
  rounding, and several times as fast as `torch.poisson`.

No bit depends on the number of threads.
"""

# C = 1 or 3, H W image, N planes, k kernel side (odd)
# L = 256 levels, K = 256 bins (8 standard deviations around the highest rate, 256)

from functools import cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from wildsr.degradation.taps import resize_taps
from wildsr.degradation.tensors import reflect, to_device


@cache
def keep_freed_memory() -> None:
    """Allocate and free 31 MB once, so that glibc keeps what images free, and hands it out again without fresh pages.

    It gives freed memory back to the system above a threshold, which grows to the largest block freed so far, up to
    32 MiB (mallopt(3)). Without this degrading takes 1.15 times and sharpening 1.3 times as long.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """Correlate (…, C, H, W) with a (k, k) kernel, or with the outer product of (k,) taps; reflect border."""
    keep_freed_memory()
    (height, width), k = image.shape[-2:], kernel.shape[0]
    x = reflect(image, (k // 2, -width % 16 + k // 2, k // 2, -height % 16 + k // 2)).flatten(0, -3)[:, None]
    if kernel.ndim == 1:
        shifted = kernel.new_zeros(16, k + 15)  # each row holds the taps one step further
        shifted.as_strided((16, k), (k + 16, 1)).copy_(kernel)
        x = F.conv2d(x, shifted[:, None, :, None], stride=(16, 1)).flatten(1, 2)[:, None]
        x = F.conv2d(x, shifted[:, None, None], stride=(1, 16))
        x = x.unflatten(2, (16, -1)).permute(0, 3, 2, 4, 1)  # N, H / 16, 16, W / 16, 16
    else:
        shifted = kernel.new_zeros(16, 1, k + 3, k + 3)  # four by four steps
        steps = (4 * (k + 3) ** 2 + k + 3, (k + 3) ** 2 + 1, k + 3, 1)
        shifted.as_strided((4, 4, k, k), steps).copy_(kernel)
        x = F.conv2d(x, shifted, stride=4).unflatten(1, (4, 4)).permute(0, 3, 1, 4, 2)  # N, H / 4, 4, W / 4, 4
    return x.flatten(3).flatten(1, 2)[..., :height, :width].reshape(image.shape)


def resize(planes: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize (N, H, W) to (N, height, width): area, bicubic, or lanczos, which torch has on no other device."""
    keep_freed_memory()
    return _resize_rows(_resize_rows(planes, size[0], mode).mT, size[1], mode).mT.contiguous()


def _resize_rows(planes: Tensor, rows: int, mode: str) -> Tensor:
    """Resize (N, H, W) -> (N, rows, W) as sums of weighted rows."""
    count, height, width = planes.shape
    places, weights = (to_device(taps, planes.device) for taps in resize_taps(mode, height, rows))
    places = places + torch.arange(0, count * height, height, device=planes.device)[:, None, None]
    weights, table = weights.repeat(count, 1), planes.reshape(-1, width)
    bags = F.embedding_bag(places.view(weights.shape), table, per_sample_weights=weights, mode="sum")
    return bags.view(count, rows, width)


def poisson_noise(levels: Tensor, generator: Generator) -> Tensor:
    """Draw Poisson(x V) / V - x for x = levels / 255: (C, H, W) of whole levels -> float32.

    V is the number of distinct levels, rounded up to a power of two.
    """
    keep_freed_memory()
    line = levels.to(torch.int32).flatten()
    distinct = int(torch.bincount(line, minlength=256).count_nonzero())
    cut, noise = (table.to(levels.device) for table in _tables(1 << (distinct - 1).bit_length()))
    # Two pixels share 63 random bits: 8 choose the bin, 23 stand against its cut.
    random = line.new_empty((len(line) + 1) // 2, dtype=torch.int64).random_(generator=generator)
    random = random.view(torch.int32)[: len(line)]
    place = torch.bitwise_and(random, 255).add_(line, alpha=256)
    shared = random.bitwise_right_shift_(8).bitwise_and_(2**23 - 1) >= cut.index_select(0, place)
    return noise.index_select(0, place.mul_(2).add_(shared)).view(levels.shape)


@cache  # nine powers of two, 0.8 MB each
def _tables(peak: int) -> tuple[Tensor, Tensor]:
    """Return for rates level / 255 · peak: cuts (L K) int32, and the noise of bin and sharer (L K 2) float32."""
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
