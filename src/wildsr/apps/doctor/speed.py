"""What a burst says of a stage: does it run, in how much memory, how long will it take, and what does it wait for?"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.filesize import decimal
from rich.progress import Progress

from wildsr.apps.common.progress import format_duration
from wildsr.apps.doctor.bursts import run_burst
from wildsr.apps.doctor.findings import ERROR, OK, WARNING, Finding, count
from wildsr.apps.doctor.stages import Sizes
from wildsr.building import stage_of
from wildsr.config import build
from wildsr.labels import stage_title
from wildsr.memory import usable_cores

PATIENCE = 30 * 86400.0  # seconds; a run of more is not finished by people
# Of a convolution at the size of the LQ image, by parameter and pixel: a product and a sum, forward and twice backward.
OPERATIONS = 6
PEAK = 96e9  # operations a second of a core: 32 a cycle (AVX-512) at 3 GHz, which no training reaches
FASTER = "a GPU, fewer iterations (stages.NAME.iterations=N), or experiment=quickstart, made for a CPU"
TIGHT = 0.9  # of the free memory: later iterations and larger images of validation want some too
WAITING = 0.2  # of the time: less is what degrading costs where networks and pairs share the cores
SHORTER = "memory=gpu_8gb, accumulate=N (N parts), checkpoint_activations=true, or a smaller data.batch_size"


def check_speed(
    stages: Sequence[DictConfig], done: Mapping[str, int], absent: Collection[str], progress: Progress
) -> list[Finding]:
    """Run a burst of every stage that is not finished, and say what it took."""
    measured: dict[str, dict[str, Any]] = {}
    left = [cfg for cfg in stages if done.get(cfg.stage.name, 0) < stage_of(cfg).iterations]
    with tempfile.TemporaryDirectory(prefix="wildsr-doctor-") as scratch:
        for cfg in left:
            bar = progress.add_task(f"{stage_title(cfg.stage.name)}: measuring", total=None)
            measured[cfg.stage.name] = run_burst(cfg, Path(scratch), absent)
            progress.remove_task(bar)
    findings = [failed(name, found) for name, found in measured.items() if "error" in found]
    ran = {name: found for name, found in measured.items() if "error" not in found}
    if not ran:
        return findings
    findings.append(memory(ran))
    total = 0.0
    for cfg in left:
        name = cfg.stage.name
        if name not in ran:
            continue
        training, validation = seconds_left(cfg, done[name], ran[name])
        total += training + validation
        share = f", {format_duration(validation)} of it validation" if validation >= 1 else ""
        text = f"{name}: {rate(ran[name], cfg.data.batch_size)}; to its end {format_duration(training + validation)}"
        findings.append(Finding(OK, "speed", f"{text}{share}"))
    if len(ran) == len(left) > 1:
        findings.append(Finding(OK, "speed", f"to the end of the run {format_duration(total)}"))
    if total > PATIENCE:
        text = f"{total_iterations(left, done)} take {format_duration(total)} here"
        findings.append(Finding(WARNING, "speed", text, FASTER))
    return [*findings, *waiting(left[0], ran), *cores(next(iter(ran.values())))]


def total_iterations(stages: Sequence[DictConfig], done: Mapping[str, int]) -> str:
    """Return how many iterations are left of all stages, such as "1,400,000 iterations"."""
    return count(sum(stage_of(cfg).iterations - done.get(cfg.stage.name, 0) for cfg in stages), "iteration")


def not_measured(stages: Sequence[DictConfig], done: Mapping[str, int], sizes: Mapping[str, Sizes]) -> list[Finding]:
    """Warn of a run that these CPU cores take too long for, where no burst has measured it: by its operations."""
    if torch.cuda.is_available():
        return []
    operations = 0.0
    for cfg in stages:
        parameters = sizes[cfg.stage.name].generator / 4  # float32
        pixels = (cfg.data.patch / cfg.scale) ** 2  # of LQ
        left = max(stage_of(cfg).iterations - done.get(cfg.stage.name, 0), 0)
        operations += OPERATIONS * parameters * pixels * cfg.data.batch_size * left
    seconds = operations / (PEAK * usable_cores())
    if seconds < PATIENCE:
        return []
    text = f"{total_iterations(stages, done)} take at least {format_duration(seconds)}"
    return [Finding(WARNING, "speed", f"{text} on {count(usable_cores(), 'CPU core')}", FASTER)]


def failed(name: str, found: Mapping[str, Any]) -> Finding:
    """Word a burst that did not come to its end."""
    if found.get("late"):
        ways = "wait for it in train.py itself, or a smaller data.batch_size"
        return Finding(WARNING, "speed", f"{name}: {found['error']}", ways)
    if found["out_of_memory"]:
        return Finding(ERROR, "memory", f"{name}: does not fit ({found['error']})", SHORTER)
    return Finding(ERROR, "speed", f"{name}: the first iterations fail: {found['error']}")


def memory(ran: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Say what memory the stages took at most, of what was free."""
    taken = ", ".join(f"{name} {decimal(found['peak'])}" for name, found in ran.items())
    free = min(found["free"] for found in ran.values())
    text = f"{taken} of {decimal(free)} free{' on the GPU' if torch.cuda.is_available() else ', workers apart'}"
    if any(found["peak"] > TIGHT * found["free"] for found in ran.values()):
        return Finding(WARNING, "memory", f"{text}: hardly anything is left", SHORTER)
    return Finding(OK, "memory", text)


def rate(found: Mapping[str, Any], batch_size: int) -> str:
    """Return iterations and images a second, or seconds an iteration where that is the larger number."""
    speed = found["iterations"] / found["seconds"]
    text = f"{format_number(speed)} iterations/s" if speed >= 1 else f"{format_number(1 / speed)} s/iteration"
    return f"{text}, {format_number(speed * batch_size)} images/s"


def format_number(number: float) -> str:
    """Write a number in three digits, and in more only before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def seconds_left(cfg: DictConfig, done: int, found: Mapping[str, Any]) -> tuple[float, float]:
    """Return the seconds to the end of a stage: of iterations, and of the validations between them."""
    stage = stage_of(cfg)
    left = stage.iterations - done
    epoch = min(stage.iterations_per_epoch, stage.iterations)
    return left * found["seconds"] / found["iterations"], math.ceil(left / epoch) * found["validation"]


def waiting(cfg: DictConfig, ran: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Say what share of the time passes while pairs are loaded and degraded, and what would shorten it."""
    shares = {name: found["waited"] / found["seconds"] for name, found in ran.items()}
    text = f"loading and degrading: {', '.join(f'{name} {share:.0%}' for name, share in shares.items())} of the time"
    if max(shares.values()) <= WAITING:
        return [Finding(OK, "data", text)]
    return [Finding(WARNING, "data", text, relief(cfg, next(iter(ran.values()))))]


def relief(cfg: DictConfig, found: Mapping[str, Any]) -> str:
    """Say what to change where pairs come too slowly."""
    ways = []
    spare = usable_cores() - 1 if torch.cuda.is_available() else usable_cores() // 4
    if found["workers"] < spare:
        ways.append(f"data.workers={spare}")
    is_free = found["degrade_in"] == "worker" and not build(cfg.degradation, "degradation").on_cpu
    if torch.cuda.is_available() and is_free:  # samples with a codec stay in the workers
        ways.append("data.degrade_in=device")
    if cfg.data.train is not None and str(cfg.data.train._target_).endswith(".Photographs"):
        ways.append("a store, read without decoding (wildsr prepare --store)")
    return ", or ".join(ways) or "more or faster cores: workers and storage are as good as they get here"


def cores(found: Mapping[str, Any]) -> list[Finding]:
    """Compare workers and threads with cores."""
    there, workers, threads = usable_cores(), found["workers"], found["threads"]
    text = f"{there} cores: {count(workers, 'worker')}, {count(threads, 'thread')} for the networks"
    if workers > there:
        return [Finding(WARNING, "cores", f"{text}: they take turns", f"data.workers={max(there - 1, 0)} or null")]
    if not torch.cuda.is_available() and workers + threads < there:
        return [Finding(WARNING, "cores", f"{text}: some are idle", f"OMP_NUM_THREADS={there - workers}")]
    return [Finding(OK, "cores", text)]
