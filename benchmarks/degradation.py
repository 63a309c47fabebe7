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
hangs on a single draw of its scale: the more rounds, the steadier the ratios. Cores busy with something else make
two threads wait for each other, often longer than one would take alone: measure on an idle machine.
"""

import argparse
import multiprocessing
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from batched import Operators, batch, on_gpu
from kornia.filters import filter2d, gaussian_blur2d
from released import SPEC, Clock, grouped_blur, released, released_draws, timed
from skimage import data
from torch import Generator, Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from wildsr.degradation import degrade, pipeline, render_kernel, sharpen
from wildsr.degradation.kernels import Blur, render_kernels, render_taps
from wildsr.degradation.operations.blur import blur_image

# B images, H W sides

PARTS = ("speed", "shares", "operators", "batch", "memory", "filters")


def photographs(count: int, side: int) -> Tensor:
    """(B, 3, side, side) in [0, 1]: crops of photographs, turned."""
    whole = [torch.from_numpy(p.copy()) for p in (data.astronaut(), data.coffee(), data.rocket())]
    crops = [p[:side, :side].permute(2, 0, 1).contiguous() / 255 for p in whole]
    return torch.stack([torch.rot90(crops[i % 3], i // 3, (1, 2)) for i in range(count)])


def ours(images: Tensor, rng: np.random.Generator) -> Tensor:
    return torch.stack([degrade(sharpen(image), SPEC.draw(rng)) for image in images])


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
        for record in recipe.records.values():
            if isinstance(record, Blur):
                render_taps(record) if record.kind == "iso" else render_kernel(record)
        preparing += time.perf_counter() - start
        image = timed(clock, "sharpen", sharpen, image)
        start = time.perf_counter()
        for (_, record, _), step in zip(pipeline._apply(image, recipe), recipe.steps, strict=True):
            clock["blur" if isinstance(record, Blur) else step.op] += time.perf_counter() - start
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


def operators(images: Tensor, seed: int) -> None:
    """Print operators and waits a batch. A GPU is imitated by tensors without values: reading one back raises."""
    rng = np.random.default_rng(seed)
    ours(images, np.random.default_rng(seed))  # tables and constants are made once
    with Operators("cpu") as cpu:
        ours(images, rng)
    with Operators("cpu") as baseline:
        released(images, released_draws(rng, len(images)), defaultdict(float))
    with (
        patch.object(pipeline, "Generator", lambda device: Generator()),
        patch.object(Tensor, "pin_memory", lambda tensor: tensor),
        FakeTensorMode(),
        Operators("cuda") as gpu,
    ):
        ours(torch.empty(images.shape, device="cuda"), np.random.default_rng(seed))
    print(f"\nOperators a batch of {len(images)}{'operators':>20}{'waits for a GPU':>20}")
    for name, mode in (("ours on a CPU", cpu), ("one by one on a GPU", gpu), ("released", baseline)):
        print(f"{name:24}{mode.count:20}{'-' if mode is cpu else mode.waits:>20}", flush=True)


def _peak(name: str, count: int, side: int, seed: int) -> float:
    """MiB that this process holds at most, after a batch of tiny images, or after three whole batches."""
    torch.set_num_threads(1)
    images, rng = photographs(count, side), np.random.default_rng(seed)
    with torch.no_grad():
        for _ in range(3):
            if name == "released":
                released(images, released_draws(rng, count), defaultdict(float))
            elif name == "ours":
                ours(images, rng)
            else:
                ours(images[..., :32, :32].contiguous(), rng)
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def memory(count: int, side: int, seed: int) -> None:
    """Print the peak of resident memory in processes of their own; Linux only."""
    peaks = {}
    for name in ("tiny images", "ours", "released"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peaks[name] = pool.apply(_peak, (name, count, side, seed))
    print(f"\nPeak memory of three batches, MiB above the same with tiny images ({peaks['tiny images']:.0f})")
    for name in ("ours", "released"):
        print(f"{name:12}{peaks[name] - peaks['tiny images']:12.0f}", flush=True)


def filters(image: Tensor, repeats: int = 15) -> None:
    """Print why blurring is ours and not kornia's on a CPU: ms an image, and the largest difference."""
    torch.set_num_threads(1)
    print(f"\nFilters: ms for {tuple(image.shape)}, one thread")
    print(f"{'':24}{'ours':>10}{'kornia':>10}{'differ':>12}")
    for side, kind in ((7, "iso"), (21, "iso"), (51, "iso"), (7, "aniso"), (13, "aniso"), (21, "aniso")):
        long = {} if kind == "iso" else {"sigma_y": 1.0, "theta": 0.7}
        sigma = 8.0 if side == 51 else 2.5
        kernel = Blur(kind, side, sigma_x=sigma, **long)
        if kind == "iso":
            kornia = partial(gaussian_blur2d, kernel_size=(side, side), sigma=(sigma, sigma))
        else:
            kornia = partial(filter2d, kernel=render_kernel(kernel)[None])
        ways: list[Callable[[], Tensor]] = [
            lambda k=kernel: blur_image(image, k),
            lambda kornia=kornia: kornia(image[None])[0],
        ]
        times: list[list[float]] = [[], []]
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
    parser.add_argument("--rounds", type=int, default=20, help="batches of each way (default: 20)")
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
        if "batch" in options.parts:
            batch(options.size, options.seed, SPEC)
            if torch.cuda.is_available():
                for count in (12, 48):
                    on_gpu(photographs(count, options.size).cuda(), options.seed, SPEC, options.rounds)
        if "memory" in options.parts:
            memory(options.images, options.size, options.seed)
        if "filters" in options.parts:
            filters(images[0])


if __name__ == "__main__":
    main()
