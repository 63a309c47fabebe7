"""The generator's objective: terms by name, each with its weight and its target.

Shapes: B batch, C channels, P HQ patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wildsr.checks import checked_choice, checked_number
from wildsr.io import ConfigError
from wildsr.losses import AdversarialLoss
from wildsr.training.pairs import TrainingPair
from wildsr.training.scalars import Scalars

TARGETS = ("pixel", "perceptual", "adversarial")


class Objective(nn.Module):
    """Sum terms, of which one may be adversarial. Terms that are modules move with it, and are frozen.

    Args:
        terms: as `wildsr.losses.LossTerm` describes them. One of weight 0 is not computed; an adversarial one of
            weight 0 still teaches the discriminator.
        has_discriminator: whether there is one: exactly where a term is adversarial.

    Raises:
        UserError: there is no term or none has a weight, two are adversarial, a weight or a target is impossible, or
            terms and discriminator do not belong together.
    """

    def __init__(self, terms: Mapping[str, Any], has_discriminator: bool) -> None:
        super().__init__()
        if not terms:
            raise ConfigError("losses: given nothing, wanted a term at least, such as {'pixel': L1Loss()}")
        for name, term in terms.items():
            checked_number(f"losses.{name}.weight", getattr(term, "weight", None), 0, 1e6)
            checked_choice(f"losses.{name}.target", getattr(term, "target", "pixel"), TARGETS)
        if not any(term.weight for term in terms.values()):
            raise ConfigError(f"losses {', '.join(terms)}: each weighs 0, wanted one at least to learn from")
        adversarial = [name for name, term in terms.items() if hasattr(term, "discriminator_loss")]
        if len(adversarial) > 1:
            raise ConfigError(f"losses: given {' and '.join(adversarial)}, wanted one adversarial term at most")
        if has_discriminator and not adversarial:
            raise ConfigError(f"losses {', '.join(terms)}: none is adversarial, wanted no discriminator")
        if adversarial and not has_discriminator:
            raise ConfigError(f"losses.{adversarial[0]}: wants a discriminator, and none is given")
        if "discriminator" in terms:
            raise ConfigError("losses.discriminator: the discriminator's own loss has this name; wanted another")
        self.terms = dict(terms)
        self.adversary = adversarial[0] if adversarial else None
        self.modules_of_terms = nn.ModuleList(term for term in terms.values() if isinstance(term, nn.Module))
        self.modules_of_terms.requires_grad_(False)

    def forward(self, sr: Tensor, pair: TrainingPair, discriminator: nn.Module | None, average: nn.Module) -> Scalars:
        """Compare (B, C, P, P) with the targets; return the terms by name, scalars before their weights.

        Args:
            sr: the generator's output.
            pair: its input and targets.
            discriminator: where a term is adversarial.
            average: the averaged generator, for terms that need its output.
        """
        losses: Scalars = {}
        for name, term in self.terms.items():
            if term.weight == 0:
                continue
            if name == self.adversary:
                assert discriminator is not None
                losses[name] = term(discriminator(sr).type_as(sr))
            elif getattr(term, "needs_average", False):
                with torch.no_grad():
                    steady = average.eval()(pair.lq).type_as(sr)  # as it is evaluated: without dropout and its kind
                losses[name] = term(sr, self._target(name, pair), steady)
            else:
                losses[name] = term(sr, self._target(name, pair))
        return losses

    def weighted_sum(self, losses: Scalars) -> Tensor:
        """Return what the generator learns from."""
        return torch.stack([self.terms[name].weight * value for name, value in losses.items()]).sum()

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator learns from, in the words of the adversarial term."""
        assert self.adversary is not None
        loss: Tensor = self.terms[self.adversary].discriminator_loss(real_logits, fake_logits)
        return loss

    def real_images(self, pair: TrainingPair) -> Tensor:
        """Return the images that the discriminator is shown as real."""
        assert self.adversary is not None
        return self._target(self.adversary, pair)

    @property
    def draw(self) -> float:
        """Return the discriminator's loss where it cannot tell real from fake; else the vanilla one's."""
        return float(getattr(self.terms.get(self.adversary or ""), "draw", AdversarialLoss.draw))

    def networks(self) -> Iterable[nn.Module]:
        """Return the terms that have weights of their own, such as those of VGG19."""
        return [m for m in self.modules_of_terms if any(True for _ in (*m.parameters(), *m.buffers()))]

    def _target(self, name: str, pair: TrainingPair) -> Tensor:
        target: Tensor = getattr(pair, f"target_{getattr(self.terms[name], 'target', 'pixel')}")
        return target
