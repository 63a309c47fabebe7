"""What a person must hear of at once: a loss that is no number or runs away, an adversarial game that is lost.

Shapes: B batch, C = 3, H W image, h = H // scale.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor

from wildsr import rules
from wildsr.images import write_image, write_whole
from wildsr.rules import whole
from wildsr.training.curves import mean_scalars

READINGS = 5  # of the scalars: what holds for so many in a row is no accident
# The discriminator's loss, the sum for real and fake, is 2 ln 2 = 1.39 where it cannot tell them apart, and stays near
# 1 in a healthy run; the generator's gradient fades where it is all but zero.
WON = 0.1
COLLAPSED = 3.0  # times the best mean pixel loss so far: the output has left the photograph
# Two images in [0, 1] differ by 1 at most, in the mean absolute error. Binary cross-entropy is 0.7 at a draw and some
# tens where one side wins outright; the perceptual distance of an untrained generator is some tens as well.
LIMITS = {"pixel": 10.0, "perceptual": 1000.0, "adversarial": 1000.0, "discriminator": 1000.0}

FROM_THERE = "under another name=NAME from generator.weights=CHECKPOINT discriminator.weights=CHECKPOINT"


class NotFiniteError(ValueError):
    """A loss is infinite or no number."""


class RunawayError(ValueError):
    """A loss is finite, and far beyond what it can be where anything is learnt."""


class Reading(NamedTuple):
    """Losses of an iteration on their way to the host: all finite or not, and the same for each sample (B,)."""

    iteration: int
    finite: Tensor
    samples: Tensor
    arrived: torch.cuda.Event | None


class Alarms(L.Callback):
    """Stops at a loss that is not finite or runs away; warns where the adversarial game is lost, by either side.

    The finiteness of an iteration is read one iteration later, so that nothing waits for the device; before a
    checkpoint is written it is read at once (`Checkpoints` asks), so that none holds what came after. The size of the
    losses is read every so many iterations, and before each checkpoint.

    Args:
        folder: where the samples of an iteration without a finite loss go.
        every: iterations between two readings of the losses; each waits for the device.
        limits: the largest value of each loss, by its name in LIMITS; None: no limit. What is not named has its value
            of LIMITS.

    Raises:
        ValueError: a limit is no positive number, or of an unknown loss.
    """

    def __init__(self, folder: str | Path, every: int = 100, limits: Mapping[str, float | None] | None = None) -> None:
        self.folder, self.every = Path(folder), whole(1, 10**9)("every", every)
        self.limits = checked_limits(LIMITS | dict(limits or {}))
        self.last: Reading | None = None
        self.discriminator: deque[float] = deque(maxlen=READINGS)
        self.pixel: deque[float] = deque(maxlen=READINGS)
        self.best = float("inf")
        self.warned: set[str] = set()

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        before, self.last = self.last, read(module)
        # On the CPU there is nothing to wait for.
        self.require_finite(trainer, self.last if self.last.arrived is None else before)
        if module.iteration % self.every == 0:
            means = mean_scalars(trainer, module)
            self.require_bounded(trainer, module, means)
            self._watch(module, means)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        self.require_finite(trainer, self.last)

    def require_finite(self, trainer: L.Trainer, reading: Reading | None) -> None:
        """Raises: NotFiniteError if a loss of that iteration is not finite; its samples are in `folder` by then."""
        if reading is None:
            return
        if reading.arrived is not None:
            reading.arrived.synchronize()
        if bool(reading.finite):
            return
        place = self.folder / f"iteration_{reading.iteration:07d}"
        numbers = save_samples(trainer, reading, place)
        raise NotFiniteError(
            f"a loss or its gradient is not finite in iteration {reading.iteration}; its samples ({numbers}) are in "
            f"{place}; the same command would meet it again: try trainer.precision=32-true, or {FROM_THERE}, with a "
            "lower stage.lr or stage.clip_gradients=1.0"
        )

    def require_healthy(self, trainer: L.Trainer, module: Any) -> None:
        """Refuse to keep what the last iteration left, if its losses tell that it is worthless. All processes ask.

        Raises:
            NotFiniteError, RunawayError: they do.
        """
        self.require_finite(trainer, self.last)
        self.require_bounded(trainer, module, mean_scalars(trainer, module))

    def require_bounded(self, trainer: L.Trainer, module: Any, means: Mapping[str, float]) -> None:
        """Raises: RunawayError if a mean loss is above its limit; alike in all processes, for they have one mean."""
        for name, limit in self.limits.items():
            value = means.get(f"loss/{name}", 0.0)
            if limit is None or not value > limit:
                continue
            last = getattr(trainer.checkpoint_callback, "last_file", None)
            has_last = last is not None and last.is_file()
            kept = f"{last} is from before; {FROM_THERE}" if has_last else "no checkpoint yet"
            raise RunawayError(
                f"{module.stage.name} stage, iteration {module.iteration}: loss/{name} has run away: {value:.3g}, "
                f"above callbacks.alarms.limits.{name}={limit:g}; try a lower stage.lr (now {module.stage.lr:g}) or "
                f"stage.clip_gradients=1.0 ({kept})"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def _watch(self, module: Any, scalars: Mapping[str, float]) -> None:
        self.pixel.append(scalars.get("loss/pixel", 0.0))
        mean = sum(self.pixel) / len(self.pixel)
        if len(self.pixel) == READINGS:
            self.best = min(self.best, mean)
            if mean > COLLAPSED * self.best:
                self._warn(
                    module,
                    "the generator collapses: its pixel loss is "
                    f"{mean / self.best:.1f} times its best; try a lower stage.lr or loss.adversarial, or "
                    f"stage.clip_gradients, {FROM_THERE}",
                )
        if "loss/discriminator" not in scalars:
            return
        self.discriminator.append(scalars["loss/discriminator"])
        if len(self.discriminator) == READINGS and max(self.discriminator) < WON:
            self._warn(
                module,
                f"the discriminator wins outright: its loss is below {WON} (1.39 is a draw); the generator learns "
                "little from it; try discriminator=unet_sn, a smaller discriminator.network.features or a lower "
                "stage.lr",
            )

    def _warn(self, module: Any, text: str) -> None:
        kind = text.split(":", 1)[0]
        if (
            kind not in self.warned and module.trainer.is_global_zero
        ):  # once a call: a line every hundred iterations would not be read
            self.warned.add(kind)
            print(f"warning: {module.stage.name} stage, iteration {module.iteration}: {text}", file=sys.stderr)


def checked_limits(limits: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return limits as they are, if each is of a known loss and positive, or None.

    Raises:
        ValueError: one is not.
    """
    for name, limit in limits.items():
        if name not in LIMITS:
            raise ValueError(f"callbacks.alarms.limits.{name}: no such loss; wanted one of: {', '.join(LIMITS)}")
        if limit is not None:
            rules.number(1e-6, 1e30)(f"callbacks.alarms.limits.{name}", limit)
    return dict(limits)


def read(module: Any) -> Reading:
    """Send an iteration's losses to the host without waiting for them."""
    # Gradients as well, the same in all processes; but 16-mixed meets infinite ones by design, and skips them.
    kinds = ("loss/",) if module.trainer.precision == "16-mixed" else ("loss/", "grad_norm/")
    losses = torch.stack([value.float() for name, value in module.scalars.items() if name.startswith(kinds)])
    values = [losses.isfinite().all(), module.sample_losses.isfinite()]
    if losses.is_cuda:
        values = [torch.empty_like(v, device="cpu", pin_memory=True).copy_(v, non_blocking=True) for v in values]
        arrived = torch.cuda.Event()
        arrived.record()
        return Reading(module.iteration, values[0], values[1], arrived)
    return Reading(module.iteration, values[0], values[1], None)


def save_samples(trainer: Any, reading: Reading, folder: Path) -> str:
    """Write the samples whose pixel loss is not finite, or the whole batch where each is: recipe, HQ and LQ.

    A sample is a function of its number, so the batch is made anew here. Returns the samples' numbers.
    """
    data = trainer.datamodule
    numbers = data.numbers(reading.iteration)
    bad = [number for number, finite in zip(numbers, reading.samples.tolist(), strict=True) if not finite] or numbers
    lines = []
    for number in bad:
        item = data.train[number]
        pair = data.pair([item])
        write_image(pair.target_adversarial[0], folder / f"{number}_hq.png")
        write_image(pair.lq[0], folder / f"{number}_lq.png")
        lines.append(json.dumps(item[1].to_dict()) + "\n")
    name = "samples.jsonl" if trainer.world_size == 1 else f"samples_{trainer.global_rank}.jsonl"
    write_whole(folder / name, lambda file: file.write("".join(lines).encode()))
    return ", ".join(map(str, bad))
