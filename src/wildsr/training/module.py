"""Generator, discriminator and the averaged generator: one iteration, written out.

Shapes: B batch, C channels, p LQ patch, P HQ patch. Images are float32 in [0, 1].
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import Metric

from wildsr.checks import checked_integer, checked_number, refuse_choice
from wildsr.losses import L1Loss
from wildsr.training.accumulation import SpectralNorms, microbatches
from wildsr.training.memory import checkpoint_activations as recompute
from wildsr.training.objective import Objective
from wildsr.training.pairs import TrainingPair, ValidationPair
from wildsr.training.scalars import Scalars, logit_statistics, mean_scalars, sum_losses
from wildsr.training.validation import SetMetrics, upscale_batch

log = logging.getLogger(__name__)
ADAM = partial(torch.optim.Adam, lr=1e-4, betas=(0.9, 0.99))  # the released GAN stage's


class SuperResolution(L.LightningModule):
    """Train a generator, alone or against a discriminator, by manual optimisation.

    Args:
        generator: LQ to HQ, (B, C, h, w) -> (B, C, h * scale, w * scale).
        discriminator: images to logits; there is one exactly where a loss is adversarial.
        losses: the generator's terms by name (see `wildsr.losses`); None: the pixel term alone.
        optimizer: called with a network's parameters, once for each network.
        schedule: called with each optimizer, stepped every iteration; None: a constant rate.
        metrics: of validation, by name; None: PSNR and SSIM on luma, and NIQE.
        ema_decay: of the averaged generator, which is validated, exported and handed on.
        clip_gradients: the largest L2 norm of a network's gradient; a larger one is shortened. None: no limit.
        accumulate: parts that a process's batch is divided into, whose gradients are added up.
        checkpoint_activations: keep few of the generator's activations, and compute the rest again.
        compile: torch.compile of generator, discriminator and the networks of losses, not of the average.
        channels_last: the memory format of networks and images.

    The last four cost or save time and memory; gradients stay those of the plain way, but for rounding. The one
    exception: a discriminator with BatchNorm normalises each part of a batch by itself. With several processes the
    trainer wants strategy="ddp_find_unused_parameters_true", since each step uses one of the two networks.

    Guarantees: the generator's step changes no parameter of the discriminator, and the reverse. One iteration is
    one `global_step` of the trainer. `iteration` counts finished iterations, and is restored by a checkpoint.

    Attributes:
        origin: plain values that a checkpoint carries along, such as the settings behind it.
        scalars: losses, gradient norms and logits' statistics of the last iteration, detached.
        sample_losses: (B,) mean absolute errors of the last iteration's images.
        logits: (2, B, …) of the last iteration, for real and for generated images; None without a discriminator.

    Raises:
        ValueError: a value is impossible, or losses and discriminator do not belong together.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module | None = None,
        losses: Mapping[str, Any] | None = None,
        *,
        optimizer: Callable[..., torch.optim.Optimizer] = ADAM,
        schedule: Callable[[torch.optim.Optimizer], Any] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        ema_decay: float = 0.999,
        clip_gradients: float | None = None,
        accumulate: int = 1,
        checkpoint_activations: bool = False,
        compile: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        switches = {
            "checkpoint_activations": checkpoint_activations,
            "compile": compile,
            "channels_last": channels_last,
        }
        self.save_hyperparameters("ema_decay", "clip_gradients", "accumulate", *switches)
        checked_number("ema_decay", ema_decay, 0, 0.999999)
        if clip_gradients is not None:
            checked_number("clip_gradients", clip_gradients, 1e-12, 1e12)
        checked_integer("accumulate", accumulate, 1, 10**6)
        for key in switches:
            if not isinstance(self.hparams[key], bool):
                raise refuse_choice(key, self.hparams[key], ("true", "false"))
        self.generator, self.discriminator = generator, discriminator
        self.objective = Objective({"pixel": L1Loss()} if losses is None else losses, discriminator is not None)
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.metrics = metrics
        if channels_last:  # before the average is copied
            for network in self._networks():
                network.to(memory_format=torch.channels_last)
        self.ema = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(ema_decay))
        self.ema.requires_grad_(False)
        self.ema.n_averaged.fill_(1)  # the average starts from the initial weights, not from the first update
        self.norms = SpectralNorms(discriminator)
        self.division: dict[str, Any] = {"parts": accumulate, "channels_last": channels_last}
        if checkpoint_activations:
            recompute(generator)
        for network in self._networks() if compile else ():
            network.compile()
        self.iteration, self.origin = 0, dict[str, Any]()
        self.scalars: Scalars = {}
        self.gradient_norms: Scalars = {}
        self.logits: Tensor | None = None
        self.sample_losses = torch.empty(0)
        self.validated: dict[str, SetMetrics] = {}  # by the prefix of a set's scores

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale with the averaged weights: (B, C, h, w) -> (B, C, h * scale, w * scale), clamped to [0, 1]."""
        return upscale_batch(self.ema.module, lq)

    def training_step(self, pair: TrainingPair, batch_idx: int) -> None:
        sr, self.scalars = self.generator_step(pair)
        if self.discriminator is not None:
            self.scalars |= self.discriminator_step(sr, self.objective.real_images(pair))
        self.scalars |= self.gradient_norms
        self.update_average()
        self.iteration += 1
        self.log_scalars()
        for config in self.trainer.lr_scheduler_configs:
            config.scheduler.step()  # type: ignore[call-arg]

    def generator_step(self, pair: TrainingPair) -> tuple[Tensor, Scalars]:
        """Take one step of the generator; return its output, detached, and its losses before their weights."""
        optimizer = self._optimizers()[0]
        optimizer.zero_grad()
        outputs, losses = [], []
        for part in microbatches(*pair, **self.division):
            piece = TrainingPair(*part.tensors)
            with optimizer.toggle_model(sync_grad=part.last), self.norms.hold_power_iteration("generator", part):
                sr = self.generator(piece.lq).type_as(piece.lq)  # not autocast's half: losses are float32
                terms = self.generator_losses(sr, piece)
                self.manual_backward(self.objective.weighted_sum(terms) * part.share)
            outputs.append(sr.detach())
            losses.append({f"loss/{name}": value.detach() * part.share for name, value in terms.items()})
        optimizer.step()
        sr = torch.cat(outputs)
        self.sample_losses = (sr - pair.target_pixel).abs().mean((1, 2, 3))
        return sr, sum_losses(losses)

    def generator_losses(self, sr: Tensor, pair: TrainingPair) -> Scalars:
        """Return the terms that have a weight, each a scalar before it."""
        return self.objective(sr, pair, self.discriminator, self.ema)

    def discriminator_step(self, fake: Tensor, real: Tensor) -> Scalars:
        """Take one step of the discriminator on generated and true images, both without a gradient of their own."""
        assert self.discriminator is not None
        optimizer = self._optimizers()[1]
        optimizer.zero_grad()
        losses, logits = [], []
        for part in microbatches(real, fake, **self.division):
            with optimizer.toggle_model(sync_grad=part.last):
                with self.norms.hold_power_iteration("real", part):
                    real_logits = self.discriminator(part.tensors[0]).type_as(real)
                with self.norms.hold_power_iteration("fake", part):
                    fake_logits = self.discriminator(part.tensors[1]).type_as(fake)
                loss = self.objective.discriminator_loss(real_logits, fake_logits)
                self.manual_backward(loss * part.share)
            losses.append({"loss/discriminator": loss.detach() * part.share})
            logits.append(torch.stack((real_logits, fake_logits)).detach())
        # The strategy's step on the bare optimizer: as the wrapper's, but `global_step` counts iterations, not steps.
        self.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None)
        self.logits = torch.cat(logits, 1)
        return sum_losses(losses) | logit_statistics(*self.logits)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure a network's gradient, whole and unscaled only now, and shorten it to the limit."""
        name = "generator" if optimizer is self.trainer.optimizers[0] else "discriminator"
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        if (limit := self.hparams["clip_gradients"]) is not None:
            nn.utils.clip_grads_with_norm_(parameters, limit, norm)
        self.gradient_norms[f"grad_norm/{name}"] = norm

    def learning_rates(self) -> Scalars:
        """Return each network's rate by its name in the loggers, on the CPU."""
        rates = [optimizer.param_groups[0]["lr"] for optimizer in self.trainer.optimizers]
        names = ("lr/generator", "lr/discriminator")[: len(rates)]
        return {name: torch.tensor(rate, dtype=torch.float64) for name, rate in zip(names, rates, strict=True)}

    @torch.no_grad()
    def update_average(self) -> None:
        """Do what AveragedModel's own update does, which twice waits for the device to read its counter."""
        ema: Any = self.ema  # torch does not say that it has such a function
        ema.multi_avg_fn(list(ema.module.parameters()), list(self.generator.parameters()), ema.n_averaged)
        for buffer, other in zip(ema.module.buffers(), self.generator.buffers(), strict=True):
            buffer.copy_(other)
        ema.n_averaged += 1

    def log_scalars(self) -> None:
        """Log the means over all processes and the rates, now and then; other iterations wait for no device.

        Of a fit these are the first, the last and every N-th iteration, N being the trainer's `log_every_n_steps`:
        progress bars show them all, loggers take only the N-th.
        """
        trainer: Any = self.trainer
        if not trainer.training:  # a step by hand
            return
        self._log_step()
        every = trainer.log_every_n_steps
        if self.iteration in (1, trainer.max_steps) or (every > 0 and self.iteration % every == 0):
            means = mean_scalars(trainer, self.scalars)
            losses = {name: value for name, value in means.items() if name.startswith("loss/")}
            others = {name: value for name, value in means.items() if name not in losses}
            self.log_dict(losses | self.learning_rates(), prog_bar=True)
            self.log_dict(others)

    def on_validation_start(self) -> None:
        self.validated = {}

    def validation_step(self, pair: ValidationPair, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        sr: Tensor = self(pair.lq)
        prefix = self._prefix(dataloader_idx)
        if prefix not in self.validated:
            self.validated[prefix] = SetMetrics(self.metrics, pair, sr)
        if not pair.is_repeated:
            self.validated[prefix].update(sr, pair.hq)
        return sr  # for callbacks that show it

    def on_validation_epoch_end(self) -> None:
        for prefix, metrics in self.validated.items():
            self.log_dict(metrics.compute(prefix))
            if not self.trainer.sanity_checking and self.trainer.is_global_zero:
                for name, count in metrics.left_out().items():
                    log.warning("%s%s leaves out images without a finite score: %d", prefix, name, count)
        self._log_step()

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[Any]]:
        networks = [self.generator] if self.discriminator is None else [self.generator, self.discriminator]
        optimizers = [self.make_optimizer(network.parameters()) for network in networks]
        return optimizers, [] if self.make_schedule is None else [self.make_schedule(o) for o in optimizers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= {"iteration": self.iteration, "origin": self.origin}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.iteration = checkpoint["iteration"]

    def _networks(self) -> list[nn.Module]:
        """Return what is computed in every iteration: the trained networks, and those of the losses."""
        trained = [network for network in (self.generator, self.discriminator) if network is not None]
        return [*trained, *self.objective.networks()]

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()  # Lightning hands a single one out bare
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _log_step(self) -> None:
        """Have loggers count iterations from 1: they take the scalar of this name as x-axis, as checkpoints do."""
        self.log("step", torch.tensor(float(self.iteration)))  # on the CPU: nothing waits for the device

    def _prefix(self, dataloader_idx: int) -> str:
        """Return what the names of a set's scores begin with: val/ for the first set, val/<name>/ for others."""
        loaders = self.trainer.val_dataloaders
        names = list(loaders) if isinstance(loaders, Mapping) else list(range(dataloader_idx + 1))
        return f"val/{names[dataloader_idx]}/" if dataloader_idx else "val/"
