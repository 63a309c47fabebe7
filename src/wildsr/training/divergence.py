"""Guard a fit: stop where a loss is no number or runs away, warn where the adversarial game is lost.

Shapes: B batch.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor

from wildsr.checks import checked_integer, checked_number
from wildsr.data import Batch
from wildsr.images import write_image
from wildsr.io import ConfigError, UserError, choose_from, write_whole
from wildsr.labels import stage_title
from wildsr.training.scalars import mean_scalars

READINGS = 5  # of the scalars: what holds for so many in a row is no accident
# The discriminator's loss, the sum for real and fake, is a draw where it cannot tell them apart (2 ln 2 = 1.39 of the
# vanilla one), and stays near two thirds of it in a healthy run; the generator learns little where it is all but zero.
WON = 0.07  # of the draw
COLLAPSED = 3.0  # times the best mean pixel loss so far: the output has left the photograph
# Two images in [0, 1] differ by 1 at most, in the mean absolute error. Binary cross-entropy is 0.7 at a draw and some
# tens where one side wins outright; the perceptual distance of an untrained generator is some tens as well.
LIMITS: Mapping[str, float | None] = {
    "pixel": 10.0, "perceptual": 1000.0, "adversarial": 1000.0, "discriminator": 1000.0
}  # fmt: skip
FROM_THERE = "under another name=NAME from generator.weights=CHECKPOINT discriminator.weights=CHECKPOINT"

log = logging.getLogger(__name__)


class NotFiniteError(UserError):
    """A loss is infinite or no number."""


class RunawayError(UserError):
    """A loss is finite, and far beyond what it can be where anything is learnt."""


class Reading(NamedTuple):
    """Hold losses of an iteration on their way to the host: all finite or not, and the same for each sample (B,)."""

    iteration: int
    finite: Tensor
    samples: Tensor
    arrived: torch.cuda.Event | None

    def is_finite(self) -> bool:
        """Wait until it has arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return bool(self.finite)


class DivergenceMonitor(L.Callback):
    """Stop at a loss that is not finite or runs away; warn where the adversarial game is lost, by either side.

    Whether an iteration's losses are finite is read one iteration later, so that nothing waits for the device; their
    size every so many iterations. No checkpoint is written of weights whose losses tell that they are worthless.

    Args:
        folder: where the samples of an iteration without a finite loss go.
        every: iterations between two readings of the losses; each waits for the device.
        limits: the largest value of a loss by its name; None: no limit. What is not named has its value of LIMITS.

    Raises:
        ValueError: a limit is no positive number; when training starts, a limit of an unknown loss.
    """

    def __init__(self, folder: str | Path, every: int = 100, limits: Mapping[str, float | None] | None = None) -> None:
        self.folder, self.every = Path(folder), checked_integer("every", every, 1, 10**9)
        self.limits = LIMITS | dict(limits or {})  # type: ignore[operator]
        for name, limit in self.limits.items():
            if limit is not None:
                checked_number(f"callbacks.divergence.limits.{name}", limit, 1e-6, 1e30)
        self.last: Reading | None = None
        self.discriminator: deque[float] = deque(maxlen=READINGS)
        self.pixel: deque[float] = deque(maxlen=READINGS)
        self.best = float("inf")
        self.warned: set[str] = set()

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        known = {**LIMITS, **dict.fromkeys(module.objective.terms)}
        for name in self.limits.keys() - known.keys():
            raise ConfigError(f"callbacks.divergence.limits.{name}: no such loss; {choose_from(known)}")

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        before, self.last = self.last, read_losses(module)
        # On the CPU there is nothing to wait for.
        self.require_finite(trainer, self.last if self.last.arrived is None else before)
        if module.iteration % self.every == 0:
            means = mean_scalars(trainer, module.scalars)
            self.require_bounded(trainer, module, means)
            self._watch(module, means)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        self.require_finite(trainer, self.last)

    def on_save_checkpoint(self, trainer: L.Trainer, module: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to keep what the last iteration left, if its losses are not finite or have run away."""
        if module.scalars:  # it may not have come to an iteration yet
            self.require_finite(trainer, read_losses(module))
            self.require_bounded(trainer, module, mean_scalars(trainer, module.scalars))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def require_finite(self, trainer: L.Trainer, reading: Reading | None) -> None:
        """Raise NotFiniteError where a loss of that iteration is not finite; its samples are in `folder` by then."""
        if reading is None or reading.is_finite():
            return
        place = self.folder / f"iteration_{reading.iteration:07d}"
        numbers = save_samples(trainer, reading, place)
        raise NotFiniteError(
            f"a loss or its gradient is not finite in iteration {reading.iteration}; its samples ({numbers}) are in "
            f"{place}; the same command would meet it again: try trainer.precision=32-true, or {FROM_THERE}, with "
            f"{lower_rate(trainer.lightning_module)}"
        )

    def require_bounded(self, trainer: L.Trainer, module: Any, means: Mapping[str, Tensor]) -> None:
        """Refuse a mean loss above its limit by a RunawayError; alike in all processes, for they have one mean."""
        for name, limit in self.limits.items():
            value = float(means.get(f"loss/{name}", 0.0))
            if limit is None or not value > limit:
                continue
            last = getattr(trainer.checkpoint_callback, "last_model_path", "")
            kept = f"{last} is from before; {FROM_THERE}" if last else "no checkpoint yet"
            raise RunawayError(
                f"{describe(module)}loss/{name} has run away: {value:.3g}, above "
                f"callbacks.divergence.limits.{name}={limit:g}; try {lower_rate(module)} ({kept})"
            )

    def _watch(self, module: Any, means: Mapping[str, Tensor]) -> None:
        self.pixel.append(float(means.get("loss/pixel", 0.0)))
        mean = sum(self.pixel) / len(self.pixel)
        if len(self.pixel) == READINGS:
            self.best = min(self.best, mean)
            if mean > COLLAPSED * self.best:
                ways_out = f"{lower_rate(module)}, or a lower loss.adversarial.weight, {FROM_THERE}"
                self._warn(
                    module,
                    "the generator collapses",
                    f"its pixel loss is {mean / self.best:.1f} times its best; try {ways_out}",
                )
        if "loss/discriminator" not in means:
            return
        self.discriminator.append(float(means["loss/discriminator"]))
        draw = module.objective.draw
        if len(self.discriminator) == READINGS and max(self.discriminator) < WON * draw:
            self._warn(
                module,
                "the discriminator wins outright",
                f"its loss is below {WON * draw:.2g} ({draw:.3g} is a draw); the generator learns little from it; try "
                "discriminator=unet_sn, a smaller discriminator.network.features or a lower learning rate",
            )

    def _warn(self, module: Any, what: str, more: str) -> None:
        """Say it once a fit: a line every hundred iterations would not be read."""
        if what not in self.warned and module.trainer.is_global_zero:
            log.warning("%s%s: %s", describe(module), what, more)
        self.warned.add(what)


def describe(module: Any) -> str:
    """Return which stage and iteration a message is of."""
    stage = f"{stage_title(module.origin['stage'])}, " if "stage" in module.origin else ""
    return f"{stage}iteration {module.iteration}: "


def lower_rate(module: Any) -> str:
    """Return in words how to make smaller steps."""
    stage, rate = module.origin.get("stage"), module.trainer.optimizers[0].param_groups[0]["lr"]
    key = (lambda name: f"stages.{stage}.{name}") if stage else str
    return f"a lower {key('lr')} (now {rate:g}) or {key('clip_gradients')}=1.0"


def read_losses(module: Any) -> Reading:
    """Send an iteration's losses to the host without waiting for them."""
    # Gradients as well, the same in all processes; but 16-mixed meets infinite ones by design, and skips them.
    kinds = ("loss/",) if module.trainer.precision == "16-mixed" else ("loss/", "grad_norm/")
    losses = torch.stack([value.float() for name, value in module.scalars.items() if name.startswith(kinds)])
    values, arrived = [losses.isfinite().all(), module.sample_losses.isfinite()], None
    if losses.is_cuda:
        values = [torch.empty_like(v, device="cpu", pin_memory=True).copy_(v, non_blocking=True) for v in values]
        arrived = torch.cuda.Event()
        arrived.record()
    return Reading(module.iteration, values[0], values[1], arrived)


def save_samples(trainer: Any, reading: Reading, folder: Path) -> str:
    """Write the samples whose pixel loss is not finite, or the whole batch where each is: recipe, HQ and LQ.

    A sample is a function of its number, so the batch is made anew here. Returns the samples' numbers.
    """
    data = trainer.datamodule
    numbers = data.numbers(reading.iteration)
    bad = [number for number, finite in zip(numbers, reading.samples.tolist(), strict=True) if not finite] or numbers
    lines = []
    for each in bad:
        item = data.samples[each]
        pair = data.make_pairs(Batch.collate([item]).to(trainer.strategy.root_device))
        write_image(pair.target_adversarial[0].cpu(), folder / f"{each}_hq.png")
        write_image(pair.lq[0].cpu(), folder / f"{each}_lq.png")
        lines.append(json.dumps(item.params.to_dict()) + "\n")
    name = "samples.jsonl" if trainer.world_size == 1 else f"samples_{trainer.global_rank}.jsonl"
    write_whole(folder / name, lambda file: file.write("".join(lines).encode()))
    return ", ".join(map(str, bad))
