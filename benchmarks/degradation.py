"""How fast the degradation is, beside the same work done the released way.

    python benchmarks/degradation.py                          # 12 crops of 400 x 400 to x4: 2 to 3 minutes
    python benchmarks/degradation.py --parts speed --rounds 20 --threads 1

`ours` draws a recipe for each image, sharpens the image and degrades it, one after the other. `in workers` does
the same in as many processes as there are threads, as a data loader would on a machine without a GPU.
`released` is the released training code's way, written anew: one scale, mode, noise kind and order for the batch,
21 x 21 grouped convolutions, levels counted by `unique`, DiffJPEG, and a second sharpening of a window of 256 in
400 for the targets. It is helped: its sharpening is separable (as released it takes a dense 51 x 51 kernel, tens
of times slower), and its draws, its kernels and its queue of pairs are left off the clock.
`yardstick` is one 21 x 21 grouped convolution of the batch.

They are timed in turns, a batch each a round, because a machine's speed drifts. The time of a released batch
hangs on a single draw of its scale: the more rounds, the steadier the ratios.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from jpeg import released_jpeg
from kornia.filters import filter2d, gaussian_blur2d
from skimage import data
from torch import Generator, Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from wildsr.degradation import DegradationSpec, Recipe, degrade, libjpeg, pipeline, render_kernel, sharpen
from wildsr.degradation.kernels import render_kernels, render_taps
from wildsr.degradation.ops import _by_fft, blur
from wildsr.degradation.recipe import Blur, Resize
from wildsr.degradation.spec import NoiseSpec

# B images, H W sides

SPEC = DegradationSpec()
PARTS = ("speed", "shares", "operators", "memory", "filters")
Draws = tuple[list[Recipe], list[Tensor], np.random.Generator]
Clock = defaultdict[str, float]  # seconds by operation
WAITS = {"_local_scalar_dense", "_unique2", "nonzero", "bincount", "is_nonzero", "equal"}  # of a GPU


def photographs(count: int, side: int) -> Tensor:
    """(B, 3, side, side) in [0, 1]: crops of photographs, turned."""
    whole = [torch.from_numpy(p.copy()) for p in (data.astronaut(), data.coffee(), data.rocket())]
    crops = [p[:side, :side].permute(2, 0, 1).contiguous() / 255 for p in whole]
    return torch.stack([torch.rot90(crops[i % 3], i // 3, (1, 2)) for i in range(count)])


# Ours, and the yardstick


def ours(images: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.stack([degrade(sharpen(image), SPEC.draw(rng)) for image in images])


def grouped_blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image with its own (21, 21) kernel, as one grouped convolution."""
    count, channels, height, width = images.shape
    planes = F.pad(images, (10, 10, 10, 10), mode="reflect").view(1, -1, height + 20, width + 20)
    weights = kernels.repeat_interleave(channels, 0)[:, None]
    return F.conv2d(planes, weights, groups=count * channels).view(images.shape)


# The released way


def released_draws(rng: np.random.Generator, count: int) -> Draws:
    """Recipes, of which the first decides for the batch, and three kernels an image in 21 x 21 frames."""
    recipes = [SPEC.draw(rng) for _ in range(count)]
    point = Blur("iso", 21, sigma_x=0.05)  # one pixel: where no final sinc is drawn
    rows = [[recipe.first.blur or point for recipe in recipes]]
    rows += [[SPEC.kernels.draw(rng, (0.2, 1.5)) for _ in recipes]]
    rows += [[recipe.finish.sinc or point if recipe.finish else point for recipe in recipes]]
    return recipes, [render_kernels([*row, point])[:-1] for row in rows], rng


def released_sharpen(images: Tensor) -> Tensor:
    """The released formula, its 51 x 51 blur in two passes by kornia."""
    detail = images - gaussian_blur2d(images, (51, 51), (8.0, 8.0))
    soft = gaussian_blur2d((detail.abs() * 255 > 10).float(), (51, 51), (8.0, 8.0))
    return soft * (images + 0.5 * detail).clamp(0, 1) + (1 - soft) * images


def released_resize(images: Tensor, step: Resize, final: int) -> Tensor:
    if step.of == "input":
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
    for order, kernel, spec in ((chosen.first, kernels[0], SPEC.first), (chosen.second, kernels[1], SPEC.second)):
        assert order and order.resize and order.noise and spec and spec.noise
        if order.blur:
            x = timed(clock, "blur", grouped_blur, x, kernel)
        x = timed(clock, "resize", released_resize, x, order.resize, final)
        x = timed(clock, "noise", released_noise, x, order.noise.kind, spec.noise, rng)
        if order.jpeg:
            x = timed(clock, "jpeg", released_jpeg_drawn, x, rng)
    assert chosen.finish
    if chosen.finish.jpeg_first:
        x = timed(clock, "jpeg", released_jpeg_drawn, x, rng)
    x = timed(clock, "resize", released_resize, x, chosen.finish.resize, final)
    x = timed(clock, "blur", grouped_blur, x, kernels[2])
    if not chosen.finish.jpeg_first:
        x = timed(clock, "jpeg", released_jpeg_drawn, x, rng)
    window = images.shape[-1] * 256 // 400
    timed(clock, "sharpen again", released_sharpen, images[..., :window, :window])
    return (x.clamp(0, 1) * 255).round() / 255


def timed(clock: Clock, name: str, operation: Callable[..., Tensor], *arguments: object) -> Tensor:
    start = time.perf_counter()
    result = operation(*arguments)
    clock[name] += time.perf_counter() - start
    return result


# The parts


def _start_worker(images: Tensor, workers: int) -> None:
    torch.set_num_threads(1)
    _work.images, _work.workers = images, workers


def _work(seed: tuple[int, int, int]) -> np.ndarray:
    """A worker's part of the batch, which it holds; LQ travels back."""
    with torch.no_grad():
        return ours(_work.images[seed[2] :: _work.workers], np.random.default_rng(seed)).numpy()


def speed(images: Tensor, rounds: int, threads: int, seed: int) -> Clock:
    """Print images a second of each way; returns the released way's seconds by operation."""
    rng, clock, seconds = np.random.default_rng(seed), defaultdict(float), defaultdict(list)
    kernels = render_kernels([Blur("iso", 21, sigma_x=2.0)] * len(images))
    with multiprocessing.get_context("fork").Pool(threads, _start_worker, (images, threads)) as pool:
        torch.set_num_threads(threads)
        for turn in range(rounds + 1):  # the first makes tables and constants, and does not count
            draws = released_draws(rng, len(images))
            seeds = [(seed, int(rng.integers(2**32)), worker) for worker in range(threads)]
            ways: dict[str, Callable[[], object]] = {
                "ours": lambda: ours(images, rng),
                "in workers": lambda seeds=seeds: pool.map(_work, seeds, chunksize=1),
                "released": lambda draws=draws: released(images, draws, clock),
                "yardstick": lambda: grouped_blur(images, kernels),
            }
            for name in [name for name in ways if threads > 1 or name != "in workers"]:
                start = time.perf_counter()
                ways[name]()
                seconds[name].append(time.perf_counter() - start)
            if turn == 0:
                seconds.clear()
                clock.clear()
    mean = {name: statistics.mean(values) for name, values in seconds.items()}
    print(f"\nSpeed: {threads} thread(s), {rounds} rounds of {len(images)} images")
    print(f"{'':12}{'s a batch':>12}{'images/s':>12}{'to released':>14}{'to yardstick':>14}")
    for name, value in mean.items():
        ratios = f"{mean['released'] / value:12.1f} x{mean['yardstick'] / value:12.2f} x"
        print(f"{name:12}{value:12.3f}{len(images) / value:12.1f}{ratios}", flush=True)
    return clock


def shares(images: Tensor, rounds: int, seed: int, other: Clock) -> None:
    """Print what part of the time each operation takes, ours and the released way's."""
    rng, clock, preparing = np.random.default_rng(seed), defaultdict(float), 0.0
    for image in images.repeat(rounds, 1, 1, 1):
        start = time.perf_counter()
        recipe = SPEC.draw(rng)
        clock["draw"] += time.perf_counter() - start
        for _, step in recipe.steps:
            if isinstance(step, Blur):
                render_taps(step) if step.kind == "iso" else render_kernel(step)
        preparing += time.perf_counter() - start
        image = timed(clock, "sharpen", sharpen, image)
        start = time.perf_counter()
        for name, step, _ in pipeline._apply(image, recipe):
            clock["blur" if isinstance(step, Blur) else name.split(".")[1]] += time.perf_counter() - start
            start = time.perf_counter()
    count, mine, theirs = rounds * len(images), sum(clock.values()), sum(other.values())
    print(f"\nShares: ms an image\n{'':12}{'ours':>12}{'':>12}{'released':>14}{'':>14}")
    clock["sharpen again"] = 0.0
    for name in sorted(clock, key=lambda name: -clock[name]):
        left = f"{clock[name] / count * 1e3:12.2f}{clock[name] / mine:12.0%}"
        print(f"{name:12}{left}{other[name] / count * 1e3:14.2f}{other[name] / theirs:14.0%}")
    print(f"drawing and rendering together: {preparing / mine:.1%}")
    once, bare = theirs - other["sharpen again"], mine - clock["sharpen"]
    print(f"ours is {once / mine:.1f} x as fast where the released way sharpens once,")
    print(f"{(once - other['sharpen']) / bare:.1f} x where neither sharpens", flush=True)


class Operators(TorchDispatchMode):
    """Counts operators, views left out, and those that make a GPU wait: reading back, and blocking copies to it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        moves = name == "_to_copy" and kwargs.get("device") not in (None, args[0].device)
        self.count += not func.is_view
        self.waits += name in WAITS or (moves and not kwargs.get("non_blocking"))
        return func(*args, **kwargs)


def operators(images: Tensor, seed: int) -> None:
    """Print operators and waits a batch. A GPU is imitated by tensors without values: reading one back raises."""
    rng = np.random.default_rng(seed)
    with Operators() as cpu:
        ours(images, rng)
    with Operators() as baseline:
        released(images, released_draws(rng, len(images)), defaultdict(float))
    with (
        patch.object(pipeline, "Generator", lambda device: Generator()),
        patch.object(Tensor, "pin_memory", lambda tensor: tensor),
        patch.object(libjpeg, "_constant", libjpeg._constant.__wrapped__),
        FakeTensorMode(),
        Operators() as gpu,
    ):
        ours(torch.empty(images.shape, device="cuda"), np.random.default_rng(seed))
    print(f"\nOperators a batch of {len(images)}{'operators':>20}{'waits for a GPU':>20}")
    for name, mode in (("ours on a CPU", cpu), ("ours on a GPU", gpu), ("released", baseline)):
        print(f"{name:24}{mode.count:20}{'-' if mode is cpu else mode.waits:>20}", flush=True)


def _peak(name: str, count: int, side: int, seed: int) -> float:
    """MiB by which three batches raise the peak of this process."""
    images, rng = photographs(count, side), np.random.default_rng(seed)
    torch.set_num_threads(1)
    small = images[..., :64, :64].contiguous()
    for batch in (small, images, images, images):
        if batch is images and name == "start":
            break
        if name == "released":
            released(batch, released_draws(rng, count), defaultdict(float))
        else:
            ours(batch, rng)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(count: int, side: int, seed: int) -> None:
    """Print the peak of resident memory in processes of their own, above one that did a tiny batch."""
    peaks = {}
    for name in ("start", "ours", "released"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peaks[name] = pool.apply(_peak, (name, count, side, seed))
    print(f"\nPeak memory of three batches, MiB above the start ({peaks['start']:.0f})")
    for name in ("ours", "released"):
        print(f"{name:12}{peaks[name] - peaks['start']:12.0f}", flush=True)


def filters(image: Tensor, repeats: int = 15) -> None:
    """Print why blurring is ours and not kornia's: ms an image, and the largest difference."""
    torch.set_num_threads(1)
    print(f"\nFilters: ms for {tuple(image.shape)}, one thread")
    print(f"{'':24}{'ours':>10}{'FFT':>10}{'kornia':>10}{'differ':>12}")
    for side, kind in ((7, "iso"), (21, "iso"), (51, "iso"), (7, "aniso"), (13, "aniso"), (21, "aniso")):
        long = {} if kind == "iso" else {"sigma_y": 1.0, "theta": 0.7}
        sigma = 8.0 if side == 51 else 2.5
        kernel = Blur(kind, side, sigma_x=sigma, **long)
        ways: list[Callable[[], Tensor]] = [
            lambda k=kernel: blur(image, k),
            lambda k=kernel: _by_fft(image, render_kernel(k)),
        ]
        if kind == "iso":
            ways.append(lambda n=side, s=sigma: gaussian_blur2d(image[None], (n, n), (s, s))[0])
        else:
            ways.append(lambda k=kernel: filter2d(image[None], render_kernel(k)[None])[0])
        times: list[list[float]] = [[], [], []]
        for _ in range(repeats):
            for way, spent in zip(ways, times, strict=True):
                start = time.perf_counter()
                way()
                spent.append(time.perf_counter() - start)
        cells = "".join(f"{statistics.median(spent) * 1e3:10.2f}" for spent in times)
        differ = max((way() - ways[0]()).abs().max().item() for way in ways)
        print(f"{f'{kind}, {side} taps':24}{cells}{differ:12.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12, help="images a batch (default: 12)")
    parser.add_argument("--size", type=int, default=400, help="side of the crops, at most 400 (default: 400)")
    parser.add_argument("--rounds", type=int, default=12, help="batches of each way (default: 12)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="torch threads (default: 1 2)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    options = parser.parse_args()
    if not 32 <= options.size <= 400 or options.size % SPEC.scale:
        parser.error(f"--size: given {options.size}, wanted a multiple of 4 from 32 to 400")
    images = photographs(options.images, options.size)
    with torch.no_grad():
        for threads in options.threads if {"speed", "shares"} & set(options.parts) else ():
            clock = speed(images, options.rounds, threads, options.seed)
            if "shares" in options.parts:
                shares(images, options.rounds, options.seed, clock)
        if "operators" in options.parts:
            operators(images, options.seed)
        if "memory" in options.parts:
            memory(options.images, options.size, options.seed)
        if "filters" in options.parts:
            filters(images[0])


if __name__ == "__main__":
    main()
