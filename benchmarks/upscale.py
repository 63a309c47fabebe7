"""How fast each backend enlarges, in seconds per output megapixel, and how much memory it takes.

    python benchmarks/upscale.py                              # two released networks, 128 x 128 pixels: 3 minutes
    python benchmarks/upscale.py --networks realesr-animevideov3 --size 256 --rounds 15 --threads 1
    python benchmarks/upscale.py --batch 4                    # whether several tiles at once help

`eager` is torch with nothing done, `torch` the backend of that name, `compiled` the same through torch.compile (where
there is a C++ compiler), `half` it in bfloat16. Each runs in a process of its own, so that thread pools do not
disturb each other and memory can be told apart. They take turns, a batch each a round, because a machine's speed
drifts. Seconds are medians: of the wall clock, which is what counts on an idle machine, and of all threads' CPU time
together, which holds on a busy one when there is one thread. `opening` is what a first picture waits for besides:
conversion and a first run. Memory is the process's peak beyond what it held with torch and the weights loaded; Linux
only. The last column is the largest difference from `eager`, in 8-bit levels.

At the end stands the order of the backends, beside the one that `--backend auto` goes by.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from skimage import data
from torch import Tensor

from wildsr.apps.upscale.backends import fastest_order, open_backend
from wildsr.apps.upscale.choices import BACKENDS, is_installed
from wildsr.networks import load_generator

# B batch, H W LQ sides, s scale

NETWORKS = ("realesrgan-x4plus", "realesr-animevideov3")
WAYS = ("eager", "torch", "compiled", "half", "onnxruntime", "openvino", "ncnn")


def photograph(size: int, batch: int) -> Tensor:
    """(B, 3, size, size) in [0, 1]: parts of a photograph, each turned in another way."""
    whole = torch.from_numpy(data.coffee().copy()).permute(2, 0, 1) / 255
    top, left = ((side - size) // 2 for side in whole.shape[1:])
    middle = whole[:, top : top + size, left : left + size]
    return torch.stack([torch.rot90(middle, turn % 4, (1, 2)) for turn in range(batch)])


def opened(way: str, network: str) -> Callable[[Tensor], Tensor]:
    """A network, ready to run in one way."""
    generator = load_generator(network)
    if way in BACKENDS:
        return open_backend(generator, way)
    if way == "half":
        return open_backend(generator, "torch", half=True)
    if way == "compiled":
        generator = generator.to(memory_format=torch.channels_last)
        compiled = torch.compile(generator, options={"freezing": True})
        return torch.inference_mode()(lambda lq: compiled(lq.contiguous(memory_format=torch.channels_last)))
    return torch.inference_mode()(generator)


def peak() -> float:
    """MiB that this process has held at most."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def work(pipe: Connection, way: str, network: str, lq: Tensor, threads: int) -> None:
    """A process: open, answer with the seconds that took, the result and the memory, then a run for each word."""
    torch.set_num_threads(threads)
    load_generator(network)
    before, start = peak(), time.perf_counter()
    run = opened(way, network)
    sr = run(lq).numpy().copy()
    pipe.send((time.perf_counter() - start, sr, peak() - before))
    while pipe.recv():
        start, cpu = time.perf_counter(), time.process_time()
        run(lq)
        pipe.send((time.perf_counter() - start, time.process_time() - cpu))


def measure(network: str, ways: list[str], lq: Tensor, rounds: int, threads: int) -> dict[str, float]:
    """Print a table of a network's ways; returns wall-clock seconds per output megapixel."""
    context, pipes, first = multiprocessing.get_context("spawn"), {}, {}
    for way in ways:
        pipes[way], theirs = context.Pipe()
        context.Process(target=work, args=(theirs, way, network, lq, threads), daemon=True).start()
        theirs.close()  # so that a process which fails is noticed
        try:
            first[way] = pipes[way].recv()
        except EOFError:
            print(f"{way} failed, see above", flush=True)
            del pipes[way]
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in pipes}
    for _ in range(rounds):
        for way, pipe in pipes.items():
            pipe.send(True)
            spent[way].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    exact = first["eager"][1]
    megapixels = exact.size / exact.shape[1] / 1e6
    seconds = {way: statistics.median(wall for wall, _ in pairs) / megapixels for way, pairs in spent.items()}
    print(f"\n{network}: {tuple(lq.shape)} to {tuple(exact.shape)}, {threads} thread(s), {rounds} rounds")
    print(f"{'':12}{'s/MP':>10}{'CPU s/MP':>10}{'to eager':>10}{'opening s':>11}{'MiB':>8}{'differs':>10}")
    for way in sorted(seconds, key=lambda way: seconds[way]):
        opening, sr, memory = first[way]
        cpu = statistics.median(cpu for _, cpu in spent[way]) / megapixels
        row = f"{way:12}{seconds[way]:10.2f}{cpu:10.2f}{seconds['eager'] / seconds[way]:8.2f} x{opening:11.1f}"
        print(f"{row}{memory:8.0f}{abs(sr - exact).max() * 255:10.4f}", flush=True)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="released names or files (default: two)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="what to measure (default: all)")
    parser.add_argument("--size", type=int, default=128, help="LQ side in pixels, at most 400 (default: 128)")
    parser.add_argument("--batch", type=int, default=1, help="tiles at once (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each way (default: 5)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default: torch's)")
    options = parser.parse_args()
    if not 8 <= options.size <= 400:
        parser.error(f"--size: given {options.size}, wanted 8 to 400")
    ways = ["eager", *(way for way in WAYS if way in options.ways and way != "eager")]
    for way in [way for way in ways if not all(map(is_installed, BACKENDS.get(way, ())))]:
        print(f"{way} is not installed")
        ways.remove(way)
    lq = photograph(options.size, options.batch)
    for network in options.networks:
        seconds = measure(network, ways, lq, options.rounds, options.threads)
        order = fastest_order(load_generator(network))
        print(f"fastest first: {', '.join(sorted(BACKENDS.keys() & seconds, key=lambda way: seconds[way]))}")
        print(f"auto goes by:  {', '.join(order)}", flush=True)


if __name__ == "__main__":
    main()
