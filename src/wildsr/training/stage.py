"""What a stage of training is made of: its length, its losses and its optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TERMS = ("pixel", "perceptual", "adversarial")


@dataclass(frozen=True)
class StageSpec:
    """One stage of training.

    Attributes:
        name: the stage's folder in the run.
        iterations: its length; one iteration is one generator step and, with a discriminator, one of that.
        iterations_per_epoch: how often it validates and saves; divides `iterations` (a larger one is cut to it).
        losses: the generator's terms, of pixel, perceptual, adversarial; their weights stand in LossSpec.
            There is a discriminator exactly where the adversarial term is.
        lr: Adam's learning rate for both networks.
        betas: Adam's.
        ema_decay: of the averaged generator, which is validated, exported and handed to the next stage.
        checkpoint_every: iterations between two checkpoints.
        predecessor: the stage whose averaged generator this one starts from; None starts from
            `generator.weights`, or at random.

    Raises:
        ValueError: a value is impossible.
    """

    name: str
    iterations: int
    iterations_per_epoch: int = 5000
    losses: Sequence[str] = ("pixel",)
    lr: float = 2e-4
    betas: Sequence[float] = (0.9, 0.99)
    ema_decay: float = 0.999
    checkpoint_every: int = 5000
    predecessor: str | None = None

    def __post_init__(self) -> None:
        unknown = [term for term in self.losses if term not in TERMS]
        if unknown or not self.losses:
            raise ValueError(f"stage.losses={list(self.losses)}: wanted some of {', '.join(TERMS)}")
        for key in ("iterations", "iterations_per_epoch", "checkpoint_every"):
            if not isinstance(getattr(self, key), int) or getattr(self, key) < 1:
                raise ValueError(f"stage.{key}={getattr(self, key)!r}: wanted a whole number of at least 1")
        if self.iterations % self.epoch:
            fit = self.iterations // self.epoch * self.epoch
            raise ValueError(
                f"stage.iterations={self.iterations} is no multiple of "
                f"stage.iterations_per_epoch={self.epoch}; wanted for example {fit}"
            )
        if not self.lr > 0:
            raise ValueError(f"stage.lr={self.lr}: wanted a positive number")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"stage.betas={list(self.betas)}: wanted two numbers in [0, 1)")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"stage.ema_decay={self.ema_decay}: wanted a number in [0, 1)")

    @property
    def epoch(self) -> int:
        """Iterations between two validations."""
        return min(self.iterations_per_epoch, self.iterations)

    @property
    def adversarial(self) -> bool:
        return "adversarial" in self.losses


@dataclass(frozen=True)
class LossSpec:
    """The weights of the generator's terms, and where the perceptual term's VGG19 comes from.

    `vgg_weights` is a file of torchvision's vgg19 weights; None downloads them once.
    """

    pixel: float = 1.0
    perceptual: float = 1.0
    adversarial: float = 0.1
    vgg_weights: str | None = None

    def __post_init__(self) -> None:
        for term in TERMS:
            if not getattr(self, term) >= 0:
                raise ValueError(f"loss.{term}={getattr(self, term)}: wanted a number of at least 0")
