"""What an iteration of the gan stage costs, and what each way of computing it brings.

    python benchmarks/training.py                              # the quickstart's networks, 4 images: about 3 minutes
    python benchmarks/training.py experiment=real_esrgan_plus data=photos data.batch_size=2 --rounds 2 --threads 2
    python benchmarks/training.py --parts loop --rounds 50

Networks, patch, batch and trainer are chosen by the same words as in train.py. Weights are random, VGG19's too.

`loop`     the step as Lightning runs it, against a plain loop written by hand over the same networks and losses,
           an iteration of each in turn. Both start from the same weights and see the same pairs; the difference
           of their weights at the end says whether they did the same work.
`options`  time of an iteration with each option, in turns in one process, and in processes of their own the most
           memory that it takes above the weights. `convolution` is one large convolution, the machine's own
           speed; the share of it that a step reaches counts the arithmetic of its convolutions only
           (torch.utils.flop_counter).
`shares`   where the time of an iteration goes, data and degradation included.

Cores busy with something else make two threads wait for each other: measure on an idle machine.
"""

import argparse
import multiprocessing
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.vgg import cfgs, make_layers

from wildsr.building import build_data, build_module, filtered_warnings
from wildsr.config import build, compose_config, stage_config
from wildsr.data import Batch
from wildsr.losses import features
from wildsr.training import DegradedPhotographs, SuperResolution
from wildsr.training.pairs import TrainingPair

# B images

PARTS = ("loop", "options", "shares")
DEFAULT = ["experiment=quickstart", "data.batch_size=4"]
OPTIONS = ("accumulate=2", "checkpoint_activations=true", "trainer.precision=bf16-mixed", "channels_last=true",
           "compile=true")  # fmt: skip


def gan_stage(words: list[str]) -> Any:
    return stage_config(compose_config([*words, "data.val=null", "data.workers=0"]), "gan")


def ready(words: list[str]) -> SuperResolution:
    """Build a gan stage's module with its optimisers, on the device, for single steps."""
    cfg = gan_stage(words)
    torch.manual_seed(0)
    with patch.object(features, "_read_state", lambda *_: random_vgg()):
        module = build_module(cfg, None)
    trainer = build(cfg.trainer, "trainer", **QUIET)
    trainer.strategy.connect(module)
    module.trainer = trainer
    trainer.strategy.setup_optimizers(trainer)
    return module.to(trainer.strategy.root_device)


QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def random_vgg() -> dict[str, Tensor]:
    layers = make_layers(cfgs["E"], batch_norm=False)
    return {f"features.{name}": tensor for name, tensor in layers.state_dict().items()}


def pairs(words: list[str], count: int) -> list[TrainingPair]:
    """Make the first training pairs of a run, as its data module does."""
    data = build_data(gan_stage(words))
    return [data.make_pairs(batch_of(data, turn)) for turn in range(count)]


def batch_of(data: DegradedPhotographs, turn: int) -> Batch[Any]:
    """Read the samples of the n-th iteration, counted from 0."""
    first = turn * data.batch_size
    return Batch.collate([data.samples[first + index] for index in range(data.batch_size)]).to(device())


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def now() -> float:
    """Seconds, after all that the device was asked to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def step(module: SuperResolution, pair: TrainingPair) -> None:
    with module.trainer.precision_plugin.train_step_context():
        module.training_step(pair, 0)


# The plain loop


class PlainLoop:
    """What one writes by hand: two networks, an average, three losses, two optimisers."""

    def __init__(self, module: SuperResolution) -> None:
        self.generator, self.discriminator, self.average = map(
            deepcopy, (module.generator, module.discriminator, module.ema.module)
        )
        self.terms, self.decay = module.objective.terms, module.hparams["ema_decay"]
        self.step_generator, self.step_discriminator = (
            module.make_optimizer(network.parameters()) for network in (self.generator, self.discriminator)
        )

    def iterate(self, pair: TrainingPair) -> None:
        pixel, perceptual, adversarial = (self.terms.get(name) for name in ("pixel", "perceptual", "adversarial"))
        self.discriminator.requires_grad_(False)
        sr = self.generator(pair.lq)
        loss = pixel.weight * pixel(sr, pair.target_pixel)
        if perceptual.weight:
            loss = loss + perceptual.weight * perceptual(sr, pair.target_perceptual)
        loss = loss + adversarial.weight * adversarial(self.discriminator(sr))
        self.step_generator.zero_grad()
        loss.backward()
        self.step_generator.step()
        self.discriminator.requires_grad_(True)
        real, fake = self.discriminator(pair.target_adversarial), self.discriminator(sr.detach())
        self.step_discriminator.zero_grad()
        adversarial.discriminator_loss(real, fake).backward()
        self.step_discriminator.step()
        with torch.no_grad():
            for mean, parameter in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(parameter, 1 - self.decay)


class Turns(L.Callback):
    """After each iteration of Lightning's, from one batch to the next, does one of the plain loop's."""

    def __init__(self, plain: PlainLoop, rounds: int) -> None:
        self.plain, self.rounds = plain, rounds
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.begin = now()

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, _: Any, pair: TrainingPair, index: int) -> None:
        middle = now()
        self.plain.iterate(pair)
        end = now()
        if index > 0:  # the first makes buffers, and does not count
            self.ours.append(middle - self.begin)
            self.theirs.append(end - middle)
        trainer.should_stop = index == self.rounds
        self.begin = now()


def loop(words: list[str], batches: list[TrainingPair], rounds: int) -> None:
    """Print the step's time as a ratio to the plain loop's."""
    cfg, module = gan_stage(words), ready(words)
    turns = Turns(PlainLoop(module), rounds)
    trainer = build(cfg.trainer, "trainer", **QUIET, callbacks=[turns], max_epochs=1, limit_train_batches=rounds + 1)
    trainer.fit(module, DataLoader([batches[index % len(batches)] for index in range(rounds + 1)], batch_size=None))
    ratios = [ours / theirs for ours, theirs in zip(turns.ours, turns.theirs, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    others = (turns.plain.generator, turns.plain.discriminator, turns.plain.average)
    differ = max(
        (one - other).abs().max().item()
        for network, plain in zip((module.generator, module.discriminator, module.ema.module), others, strict=True)
        for one, other in zip(network.parameters(), plain.parameters(), strict=True)
    )
    print(f"\nLoop: {rounds} iterations of each, in turns")
    print(f"the step, as Lightning runs it  {statistics.median(turns.ours) * 1e3:10.1f} ms")
    print(f"a plain loop                    {statistics.median(turns.theirs) * 1e3:10.1f} ms")
    print(f"ratio                           {middle:10.3f}    half of the iterations from {low:.3f} to {high:.3f}")
    print(f"their weights differ by         {differ:10.1e}", flush=True)


# The options


def convolution(batch: int) -> tuple[Callable[[], object], float]:
    """One large convolution, 64 to 64 channels on 128 x 128 pixels, and its floating-point operations."""
    layer, image = nn.Conv2d(64, 64, 3, padding=1).to(device()), torch.rand(batch, 64, 128, 128, device=device())
    return lambda: layer(image), 2.0 * 9 * 64 * 64 * image[:, 0].numel()


def options(words: list[str], batches: list[TrainingPair], rounds: int) -> None:
    """Print time, memory and share of the convolution's speed of the plain way and of each option."""
    modules = {name: ready(with_option(words, name)) for name in ("plain", *OPTIONS)}
    peaks = {name: memory(words, name) for name in modules}
    yardstick, work = convolution(len(batches[0].lq))
    with FlopCounterMode(display=False) as counter:
        step(modules["plain"], batches[0])
    seconds = defaultdict(list)
    for turn in range(rounds + 1):  # the first compiles, and does not count
        for name, module in modules.items():
            seconds[name].append(taken(lambda module=module, turn=turn: step(module, batches[turn % len(batches)])))
        with torch.no_grad():
            seconds["convolution"].append(taken(yardstick))
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    speed, flops = work / median["convolution"], counter.get_total_flops()
    print(f"\nOptions: {len(batches[0].lq)} images, {rounds} rounds; {flops / 1e9:.1f} GFLOP an iteration;")
    print(f"a large convolution alone reaches {speed / 1e9:.1f} GFLOP/s")
    print(f"{'':30}{'ms':>10}{'to plain':>10}{'spread':>16}{'of conv. speed':>16}{'peak MiB':>10}")
    for name in modules:
        ratios = [one / other for one, other in zip(seconds[name][1:], seconds["plain"][1:], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        share = flops / median[name] / speed
        cells = f"{median[name] * 1e3:10.1f}{statistics.median(ratios):10.2f}{spread:>16}{share:16.0%}"
        print(f"{name:30}{cells}{peaks[name]:10.0f}", flush=True)
    print(f"compile=true compiled for {seconds['compile=true'][0]:.0f} s")


def with_option(words: list[str], name: str) -> list[str]:
    return words if name == "plain" else [*words, name]


def taken(work: Callable[[], object]) -> float:
    start = now()
    work()
    return now() - start


def memory(words: list[str], name: str) -> float:
    """MiB that two iterations take at most, above the networks' weights: in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_peak, with_option(words, name), torch.get_num_threads()).result()


@filtered_warnings()
def _peak(words: list[str], threads: int) -> float:
    torch.set_num_threads(threads)
    module, batches = ready(words), pairs(words, 1)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the highest mark of resident memory starts anew
    held = high_water()
    for _ in range(2):
        step(module, batches[0])
    return high_water() - held


def high_water() -> float:
    """MiB at most so far: of the GPU's memory, else of the process's."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 2**10


# The shares


def shares(words: list[str], rounds: int) -> None:
    """Print where the time of an iteration goes."""
    module, clock = ready(words), defaultdict(float)
    data = build_data(gan_stage(words))
    names = {"generator_losses": "losses", "manual_backward": "backward", "update_average": "average"}
    module.generator.forward = clocked(clock, "generator", module.generator.forward)
    for method, name in names.items():
        setattr(module, method, clocked(clock, name, getattr(module, method)))
    for optimizer in module.trainer.optimizers:
        optimizer.step = clocked(clock, "Adam", optimizer.step)
    whole = module.discriminator_step
    module.discriminator_step = lambda *given: alone(clock, "discriminator", whole, *given)
    for turn in range(rounds + 1):
        if turn == 1:
            clock.clear()
        start = now()
        batch = batch_of(data, turn)
        clock["data"] += now() - start
        step(module, clocked(clock, "degradation", data.make_pairs)(batch))
        clock["whole"] += now() - start
    total = clock.pop("whole")
    clock["everything else"] = total - sum(clock.values())
    print(f"\nShares: ms an iteration, {rounds} rounds")
    for name, value in clock.items():
        print(f"{name:24}{value / rounds * 1e3:10.1f}{value / total:8.1%}")


def clocked(clock: dict[str, float], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its time added to the clock."""

    def call(*given: Any, **named: Any) -> Any:
        start = now()
        result = function(*given, **named)
        clock[name] += now() - start
        return result

    return call


def alone(clock: dict[str, float], name: str, function: Callable[..., Any], *given: Any) -> Any:
    """The function's result; all its time goes under one name, that of its parts too."""
    before = dict(clock)
    result = clocked(clock, name, function)(*given)
    mine = clock[name]
    clock.update({key: before.get(key, 0.0) for key in clock})
    clock[name] = mine
    return result


@filtered_warnings()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help=f"as train.py takes them (default: {' '.join(DEFAULT)})")
    parser.add_argument("--rounds", type=int, default=10, help="iterations of each way (default: 10)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads (default: all)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    given = parser.parse_intermixed_args()
    if given.rounds < 2:
        parser.error(f"--rounds: given {given.rounds}, wanted 2 or more")
    torch.set_num_threads(given.threads)
    words = given.words or DEFAULT
    print(f"{' '.join(words)}, {given.threads} thread(s), {device()}", flush=True)
    try:
        batches = pairs(words, min(given.rounds, 4))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if "loop" in given.parts:
        loop(words, batches, given.rounds)
    if "options" in given.parts:
        options(words, batches, given.rounds)
    if "shares" in given.parts:
        shares(words, given.rounds)


if __name__ == "__main__":
    main()
