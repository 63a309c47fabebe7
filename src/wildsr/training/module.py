"""Generator, discriminator and the averaged generator: one iteration, written out.

Shapes: B batch, C = 3, p LQ patch, P HQ patch. Images are float32 in [0, 1].
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import MetricCollection

from wildsr.losses import adversarial_loss
from wildsr.metrics.base import ImageMetric
from wildsr.training.datamodule import TrainingPair, ValidationPair
from wildsr.training.execution import Execution
from wildsr.training.spectral import SpectralNorms
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
        execution: how an iteration is computed.
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
        execution: Execution = Execution(),  # noqa: B008 - it is frozen
        metrics: Sequence[str] = METRICS,
    ) -> None:
        super().__init__()
        if stage.adversarial != (discriminator is not None):
            wants = "wants a" if stage.adversarial else "takes no"
            raise ValueError(f"stage {stage.name} with losses {list(stage.losses)} {wants} discriminator")
        self.automatic_optimization = False
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.weights, self.stage, self.execution = weights, stage, execution
        execution.lay_out(generator, discriminator, perceptual)
        self.average = get_ema_multi_avg_fn(stage.ema_decay)
        self.ema = AveragedModel(generator, multi_avg_fn=self.average)
        self.ema.requires_grad_(False)
        self.ema.n_averaged.fill_(1)  # the average starts from the initial weights, not from the first update
        self.metrics, self.judged = tuple(metrics), list[MetricCollection]()  # by validation set
        self.settings: dict[str, Any] = {}  # what decides these weights; a checkpoint carries it along
        self.origin: dict[str, str] = {}  # digests of the training pictures and of the generator handed on; likewise
        self.norms = SpectralNorms(discriminator)
        execution.equip(generator, discriminator, perceptual)
        self.iteration = 0
        self.scalars: Scalars = {}
        self.gradient_norms: Scalars = {}
        self.logits: Tensor | None = None  # (2, B, …) of the last iteration, for real and for generated images
        self.sample_losses = torch.empty(0)  # (B,) mean absolute errors of the last iteration, for whoever asks

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale with the averaged weights: (B, C, h, w) -> (B, C, h * scale, w * scale), clamped to [0, 1]."""
        return enlarged(self.ema.module, lq)

    def training_step(self, pair: TrainingPair, _: int) -> None:
        sr, self.scalars = self.generator_step(pair)
        if self.discriminator is not None:
            self.scalars |= self.discriminator_step(sr, pair.target_adversarial)
        self.scalars |= self.gradient_norms
        self.update_average()
        self.iteration += 1

    def generator_step(self, pair: TrainingPair) -> tuple[Tensor, Scalars]:
        """One step of the generator; returns its output, detached, and its losses, unweighted."""
        optimizer = self._optimizers()[0]
        optimizer.zero_grad()
        outputs, losses = [], []
        for part in self.execution.divide(*pair):
            piece = TrainingPair(*part.tensors)
            with optimizer.toggle_model(sync_grad=part.last), self.norms.during("generator", part):
                sr = self.generator(piece.lq).type_as(piece.lq)  # not autocast's half: losses are float32
                terms = self.generator_losses(sr, piece)
                total = torch.stack([getattr(self.weights, name) * value for name, value in terms.items()]).sum()
                self.manual_backward(total * part.share)
            outputs.append(sr.detach())
            losses.append({f"loss/{name}": value.detach() * part.share for name, value in terms.items()})
        optimizer.step()
        sr = torch.cat(outputs)
        self.sample_losses = (sr - pair.target_pixel).abs().mean((1, 2, 3))
        return sr, added(losses)

    def generator_losses(self, sr: Tensor, pair: TrainingPair) -> Scalars:
        """The stage's terms, each a scalar before its weight."""
        terms: Scalars = {}
        if "pixel" in self.stage.losses:
            terms["pixel"] = F.l1_loss(sr, pair.target_pixel)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(sr, pair.target_perceptual)
        if self.discriminator is not None:
            terms["adversarial"] = adversarial_loss(self.discriminator(sr).type_as(sr), real=True)
        return terms

    def discriminator_step(self, fake: Tensor, real: Tensor) -> Scalars:
        """One step of the discriminator on generated and true images, both without a gradient of their own."""
        assert self.discriminator is not None
        optimizer = self._optimizers()[1]
        optimizer.zero_grad()
        losses, judged = [], []
        for part in self.execution.divide(real, fake):
            with optimizer.toggle_model(sync_grad=part.last):
                with self.norms.during("real", part):
                    logits_real = self.discriminator(part.tensors[0]).type_as(real)
                with self.norms.during("fake", part):
                    logits_fake = self.discriminator(part.tensors[1]).type_as(fake)
                loss = adversarial_loss(logits_real, real=True) + adversarial_loss(logits_fake, real=False)
                self.manual_backward(loss * part.share)
            losses.append({"loss/discriminator": loss.detach() * part.share})
            judged.append(torch.stack((logits_real, logits_fake)).detach())
        optimizer.step()
        self.logits = torch.cat(judged, 1)
        return added(losses) | statistics(*self.logits)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure a network's gradient, whole and unscaled only now, and shorten it to the stage's limit."""
        name = "generator" if optimizer is self.trainer.optimizers[0] else "discriminator"
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        if self.stage.clip_gradients is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.stage.clip_gradients, norm)
        self.gradient_norms[f"grad_norm/{name}"] = norm

    @torch.no_grad()
    def update_average(self) -> None:
        """As AveragedModel's own update, which twice waits for the device to read its counter."""
        own, others = self.ema.module, self.generator
        self.average(list(own.parameters()), list(others.parameters()), self.ema.n_averaged)
        for buffer, other in zip(own.buffers(), others.buffers(), strict=True):
            buffer.copy_(other)
        self.ema.n_averaged += 1

    def on_validation_start(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.judged = set_metrics(data.val, self.metrics, int(self.generator.scale), self.device)  # type: ignore[arg-type]

    def validation_step(self, pair: ValidationPair, _: int, dataloader_idx: int = 0) -> Tensor:
        sr: Tensor = self(pair.lq)
        if self.trainer.datamodule.judges(dataloader_idx):  # type: ignore[attr-defined]
            self.judged[dataloader_idx].update(sr=sr, hq=pair.hq)
        return sr  # for callbacks that show it

    def on_validation_epoch_end(self) -> None:
        for metrics in self.judged:
            self.log_dict(metrics.compute(), logger=False)  # callbacks hand them to the loggers, by iteration
            if not self.trainer.sanity_checking and self.trainer.is_global_zero:
                warn_of_left_out(metrics, self.iteration)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        networks = [self.generator] if self.discriminator is None else [self.generator, self.discriminator]
        low, high = self.stage.betas
        return [torch.optim.Adam(network.parameters(), lr=self.stage.lr, betas=(low, high)) for network in networks]

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()  # Lightning hands a single one out bare
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= {
            "iteration": self.iteration,
            "stage": self.stage.name,
            "settings": self.settings,
            "origin": self.origin,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.iteration = checkpoint["iteration"]


def added(parts: list[Scalars]) -> Scalars:
    """The sums of what the parts of a batch have contributed."""
    return {name: torch.stack([part[name] for part in parts]).sum() for name in parts[0]}


def warn_of_left_out(metrics: MetricCollection, iteration: int) -> None:
    """Say which means of a validation leave pictures out; after `compute`."""
    for name, metric in metrics.items():
        if isinstance(metric, ImageMetric) and metric.left_out:
            text = f"{name} at iteration {iteration} leaves out pictures without a finite score: {metric.left_out}"
            print(f"warning: {text}", file=sys.stderr)


def statistics(real: Tensor, fake: Tensor) -> Scalars:
    """Mean and standard deviation of the discriminator's logits for real and for generated images."""
    logits = {"discriminator/real": real, "discriminator/fake": fake}
    spreads = {f"{name}_std": values.std(correction=0) for name, values in logits.items()}
    return {name: values.mean() for name, values in logits.items()} | spreads
