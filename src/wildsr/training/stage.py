"""What a stage of training is made of: its length, its losses and its optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from wildsr.losses import BACKBONES
from wildsr.rules import number, one_of, optional, record, several, span, whole

TERMS = ("pixel", "perceptual", "adversarial")
Count = Annotated[int, whole(1, 10**9)]
Weight = Annotated[float, number(0, 1e6)]


@record
class StageSpec:
    """One stage of training.

    Attributes:
        name: the stage's folder in the run.
        iterations: its length; one iteration is one generator step and, with a discriminator, one of that.
        iterations_per_epoch: how often it validates and saves; it does so at the end, too.
        losses: the generator's terms, of pixel, perceptual, adversarial; their weights stand in LossSpec.
            There is a discriminator exactly where the adversarial term is.
        lr: Adam's learning rate for both networks.
        betas: Adam's.
        clip_gradients: the largest L2 norm of a gradient, of the generator's and of the discriminator's each; a
            larger one is shortened to it. None: no limit.
        ema_decay: of the averaged generator, which is validated, exported and handed to the next stage.
        checkpoint_every: iterations between two checkpoints.
        predecessor: the stage whose averaged generator this one starts from; None starts from
            `generator.weights`, or at random.
        number: the stage's part in the key of every training sample, so that stages of different numbers see
            different samples.

    Raises:
        ValueError: a value is impossible.
    """

    name: str
    iterations: Count
    iterations_per_epoch: Count = 5000
    losses: Annotated[Sequence[str], several(one_of(*TERMS))] = ("pixel",)
    lr: Annotated[float, number(0, 1)] = 2e-4
    betas: Annotated[Sequence[float], span(number(0, 0.999999))] = (0.9, 0.99)
    clip_gradients: Annotated[float | None, optional(number(1e-12, 1e12))] = None
    ema_decay: Annotated[float, number(0, 0.999999)] = 0.999
    checkpoint_every: Count = 5000
    predecessor: str | None = None
    number: Annotated[int, whole(0, 2**31 - 1)] = 0

    @property
    def epoch(self) -> int:
        """Iterations between two validations."""
        return min(self.iterations_per_epoch, self.iterations)

    @property
    def adversarial(self) -> bool:
        return "adversarial" in self.losses


@record
class LossSpec:
    """The weights of the generator's terms, and whose features the perceptual term compares.

    `vgg_weights` and `segmentation_weights` are files of torchvision's vgg19 and fcn_resnet50 weights; None
    downloads them once. The one that `features` names is used.
    """

    pixel: Weight = 1.0
    perceptual: Weight = 1.0
    adversarial: Weight = 0.1
    features: Annotated[str, one_of(*BACKBONES)] = "vgg19"
    vgg_weights: str | None = None
    segmentation_weights: str | None = None

    @property
    def features_file(self) -> str | None:
        return self.vgg_weights if self.features == "vgg19" else self.segmentation_weights
