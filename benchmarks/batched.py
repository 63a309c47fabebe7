"""What a batch costs that goes through the degradation together: the part `batch` of benchmarks/degradation.py.

A GPU is imitated by tensors without values: reading one back raises. Where there is a GPU, times follow.
"""

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wildsr.degradation import DegradationSpec, Plan, Recipe, degrade, make_plan, pipeline, sharpen
from wildsr.degradation.batched.form import shape_of
from wildsr.networks import CompactNet, RRDBNet

WAITS = {"_local_scalar_dense", "_unique2", "nonzero", "bincount", "is_nonzero", "equal"}  # of a GPU


class Operators(TorchDispatchMode):
    """Counts operators that make tensors on a device, views left out, and those for which a GPU is waited for:
    reading back, and blocking copies to it."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.count, self.waits = device, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        moves = name == "_to_copy" and kwargs.get("device") not in (None, args[0].device)
        self.waits += name in WAITS or (moves and not kwargs.get("non_blocking"))
        result = func(*args, **kwargs)
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and leaf.device.type == self.device]
        self.count += bool(made) and not func.is_view and name != "_unsafe_view"
        return result


def imitated(plan: Plan, shape: tuple[int, ...], mode: Any) -> None:
    """Sharpen and degrade images of a shape on an imitated GPU, under a mode that looks on."""
    blind = copy.copy(plan)
    with (
        patch.object(pipeline, "Generator", lambda device: Generator()),
        patch.object(Tensor, "pin_memory", lambda tensor: tensor),
        FakeTensorMode() as fake,
    ):
        images = torch.empty(shape, device="cuda")
        blind.block = fake.from_tensor(plan.block)
        with mode:
            degrade(sharpen(images), blind)


def pixels(plan: Plan) -> tuple[int, int]:
    """Count the pixels of all canvases, before and after each call, and those of the images on them."""
    steps = [call.step for group in plan.groups for call in group.calls]
    canvases = images = 0
    for sizes in [sizes for step in steps for sizes in (step.before, step.after)]:
        height, width = shape_of(sizes)
        canvases += len(sizes) * height * width
        images += sum(height * width for height, width in sizes)
    return canvases, images


def milliseconds(work: Callable[[], object], repeats: int = 7) -> float:
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent) * 1e3


def in_training_thread(plan: Plan) -> None:
    """Do what the training thread does with the tables of a plan, but for their one copy to the GPU."""
    for group in plan.groups:
        for seed in group.seeds:
            Generator().manual_seed(seed)
        for call in group.calls:
            for slot in call.tables.values():
                plan.view(slot)


def batch(side: int, seed: int, spec: DegradationSpec, counts: tuple[int, ...] = (12, 24, 48)) -> None:
    """Print operators, waits, pixels, memory and the time of the tables, for batches of several sizes."""
    rows = ["operators", "of 800 + 6 an image", "waits for a GPU", "canvas to image pixels", "largest of 20 batches",
            "tables, MB", "made in a worker, ms", "in the training thread, ms", "peak of memory, MiB"]  # fmt: skip
    columns = []
    for count in counts:
        batches = [drawn(spec, count, [seed, turn]) for turn in range(20)]
        plans = [make_plan(recipes, (count, 3, side, side)) for recipes in batches]
        ratios = [canvases / images for canvases, images in map(pixels, plans)]
        operators, memory = Operators("cuda"), MemTracker()
        imitated(plans[0], (count, 3, side, side), operators)
        imitated(plans[0], (count, 3, side, side), memory)
        peak = sum(
            held["Total"] for device, held in memory.get_tracker_snapshot("peak").items() if device.type == "cuda"
        )
        columns.append([
            f"{operators.count}", f"{800 + 6 * count}", f"{operators.waits}", f"{ratios[0]:.2f}", f"{max(ratios):.2f}",
            f"{plans[0].block.numel() / 2**20:.1f}",
            f"{milliseconds(lambda own=batches[0], count=count: make_plan(own, (count, 3, side, side))):.1f}",
            f"{milliseconds(lambda plan=plans[0]: in_training_thread(plan)):.1f}",
            f"{peak / 2**20:.0f}",
        ])  # fmt: skip
    print(f"\nA batch together{'':14}" + "".join(f"{f'{count} images':>12}" for count in counts))
    for row, cells in zip(rows, zip(*columns, strict=True), strict=True):
        print(f"{row:30}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def drawn(spec: DegradationSpec, count: int, key: list[int]) -> list[Recipe]:
    return [spec.draw(np.random.default_rng([*key, place])) for place in range(count)]


def on_gpu(images: Tensor, seed: int, spec: DegradationSpec, rounds: int) -> None:
    """Print images a second together and one by one, and their share of a training step; on the images' device."""
    count = len(images)
    wait = torch.cuda.synchronize if images.device.type == "cuda" else lambda: None
    recipes = [drawn(spec, count, [seed, turn]) for turn in range(rounds + 1)]
    plans = [make_plan(own, images.shape) for own in recipes]
    networks = {"compact": CompactNet(), "RRDB": RRDBNet()}

    def timed(work: Callable[[int], object]) -> float:
        work(0)  # sets up libraries
        wait()
        start = time.perf_counter()
        for turn in range(1, rounds + 1):
            work(turn)
        wait()
        return (time.perf_counter() - start) / rounds

    ways = {
        "together": timed(lambda turn: degrade(sharpen(images), plans[turn])),
        "one by one": timed(lambda turn: [degrade(sharpen(i), r) for i, r in zip(images, recipes[turn], strict=True)]),
    }
    print(
        f"\n{count} images on {images.device}{'':8}{'images/s':>12}"
        + "".join(f"{f'of a {n} step':>20}" for n in networks)
    )
    steps = {name: timed(train_step(network.to(images.device), images)) for name, network in networks.items()}
    for name, seconds in ways.items():
        share = "".join(f"{seconds / (seconds + step):20.0%}" for step in steps.values())
        print(f"{name:24}{count / seconds:12.0f}{share}", flush=True)


def train_step(network: nn.Module, images: Tensor) -> Callable[[int], None]:
    """Return a step of the first stage: L1, LQ of 64 pixels a side, or of a quarter of the images' if that is less."""
    optimizer = torch.optim.Adam(network.parameters(), fused=images.device.type == "cuda")
    side = min(64, images.shape[-1] // 4)
    lq, hq = images[..., :side, :side], images[..., : 4 * side, : 4 * side]

    def step(_: int) -> None:
        with torch.enable_grad(), torch.autocast(images.device.type, torch.bfloat16):
            loss = (network(lq) - hq).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
