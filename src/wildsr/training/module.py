"""Generator, discriminator and the averaged generator: one iteration, written out.

Shapes: B batch, C = 3, p LQ patch, P HQ patch. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import MetricCollection

from wildsr.losses import adversarial_loss
from wildsr.training.datamodule import TrainingPair, ValidationPair
from wildsr.training.stage import LossSpec, StageSpec
from wildsr.training.validation import METRICS, enlarged, set_metrics

Scalars = dict[str, Tensor]


class SuperResolution(L.LightningModule):
    """Trains a generator, alone (psnr stage) or against a discriminator (gan stage), by manual optimisation.

    Args:
        generator: LQ to HQ, with attributes `scale` and `channels`.
        discriminator: logits, or None in a stage without an adversarial loss.
        perceptual: distance between two images, or None in a stage without a perceptual loss.
        weights: of the generator's terms.
        stage: lengths, rates and terms.
        metrics: names of the figures that validation reports.

    Guarantees: the generator's step changes no parameter of the discriminator, and the reverse;
    `iteration` counts finished iterations and is restored by a checkpoint.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module | None,
        perceptual: nn.Module | None,
        weights: LossSpec,
        stage: StageSpec,
        metrics: Sequence[str] = METRICS,
    ) -> None:
        super().__init__()
        if stage.adversarial != (discriminator is not None):
            wants = "wants a" if stage.adversarial else "takes no"
            raise ValueError(f"stage {stage.name} with losses {list(stage.losses)} {wants} discriminator")
        self.automatic_optimization = False
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.weights, self.stage = weights, stage
        self.ema = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(stage.ema_decay))
        self.ema.requires_grad_(False)
        self.ema.n_averaged.fill_(1)  # the average starts from the initial weights, not from the first update
        self.metrics, self.judged = tuple(metrics), list[MetricCollection]()  # by validation set
        self.iteration = 0
        self.scalars: Scalars = {}
        self.sample_losses = torch.zeros(0)
        self.settings: dict[str, Any] = {}  # what decides these weights; a checkpoint carries it along

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale with the averaged weights: (B, C, h, w) -> (B, C, h * scale, w * scale), clamped to [0, 1]."""
        return enlarged(self.ema.module, lq)

    def training_step(self, pair: TrainingPair, _: int) -> None:
        sr, self.scalars = self.generator_step(pair)
        if self.discriminator is not None:
            self.scalars |= self.discriminator_step(sr.detach(), pair.target_adversarial)
        self.ema.update_parameters(self.generator)
        self.iteration += 1

    def generator_step(self, pair: TrainingPair) -> tuple[Tensor, Scalars]:
        """One step of the generator; returns its output and its losses, unweighted."""
        optimizer = self._optimizers()[0]
        self.toggle_optimizer(optimizer)
        sr = self.generator(pair.lq)
        terms = self.generator_losses(sr, pair)
        total = torch.stack([getattr(self.weights, name) * value for name, value in terms.items()]).sum()
        optimizer.zero_grad()
        self.manual_backward(total)
        optimizer.step()
        self.untoggle_optimizer(optimizer)
        return sr, {f"loss/{name}": value.detach() for name, value in terms.items()}

    def generator_losses(self, sr: Tensor, pair: TrainingPair) -> Scalars:
        """The stage's terms, each a scalar before its weight."""
        terms: Scalars = {}
        if "pixel" in self.stage.losses:
            terms["pixel"] = F.l1_loss(sr, pair.target_pixel)
            self.sample_losses = (sr.detach() - pair.target_pixel).abs().mean((1, 2, 3))
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(sr, pair.target_perceptual)
        if self.discriminator is not None:
            terms["adversarial"] = adversarial_loss(self.discriminator(sr), real=True)
        return terms

    def discriminator_step(self, fake: Tensor, real: Tensor) -> Scalars:
        """One step of the discriminator on generated and true images, both without a gradient of their own."""
        assert self.discriminator is not None
        optimizer = self._optimizers()[1]
        self.toggle_optimizer(optimizer)
        logits_real, logits_fake = self.discriminator(real), self.discriminator(fake)
        loss_real = adversarial_loss(logits_real, real=True)
        loss_fake = adversarial_loss(logits_fake, real=False)
        optimizer.zero_grad()
        self.manual_backward(loss_real + loss_fake)
        optimizer.step()
        self.untoggle_optimizer(optimizer)
        return {
            "loss/discriminator": (loss_real + loss_fake).detach(),
            "discriminator/real": logits_real.detach().mean(),
            "discriminator/fake": logits_fake.detach().mean(),
        }

    def on_validation_start(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.judged = set_metrics(data.val, self.metrics, int(self.generator.scale), self.device)  # type: ignore[arg-type]

    def validation_step(self, pair: ValidationPair, _: int, dataloader_idx: int = 0) -> Tensor:
        sr: Tensor = self(pair.lq)
        self.judged[dataloader_idx].update(sr=sr, hq=pair.hq)
        return sr  # for callbacks that show it

    def on_validation_epoch_end(self) -> None:
        for metrics in self.judged:
            self.log_dict(metrics.compute(), logger=False)  # callbacks hand them to the loggers, by iteration

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        networks = [self.generator] if self.discriminator is None else [self.generator, self.discriminator]
        low, high = self.stage.betas
        return [torch.optim.Adam(network.parameters(), lr=self.stage.lr, betas=(low, high)) for network in networks]

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()  # Lightning hands a single one out bare
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= {"iteration": self.iteration, "stage": self.stage.name, "settings": self.settings}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.iteration = checkpoint["iteration"]
