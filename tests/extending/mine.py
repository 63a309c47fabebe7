"""Parts of a user's own, none of them known to the package: docs/extending.md shows this file piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torchmetrics import Metric
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity


class Shuffler(nn.Module):
    def __init__(self, times: int, bands: int, width: int) -> None:
        super().__init__()
        self.scale, self.channels = times, bands
        self.head = nn.Conv2d(bands, width, 3, padding=1)
        self.tail = nn.Conv2d(width, bands * times**2, 3, padding=1)

    def forward(self, lq):  # (B, C, h, w) -> (B, C, h * scale, w * scale)
        residual = F.pixel_shuffle(self.tail(F.relu(self.head(lq))), self.scale)
        return residual + F.interpolate(lq, scale_factor=self.scale)


class Patches(nn.Module):
    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(bands, width, 4, stride=2), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 4, stride=2)
        )

    def forward(self, images):  # (B, C, H, W) -> logits of any shape
        return self.layers(images)


class FrequencyLoss(nn.Module):
    def __init__(self, weight: float, target: str = "pixel") -> None:
        super().__init__()
        self.weight, self.target = weight, target

    def forward(self, sr, target):  # two (B, C, H, W) -> a scalar, before its weight
        return (torch.fft.rfft2(sr, norm="ortho") - torch.fft.rfft2(target, norm="ortho")).abs().mean()


class LPIPSLoss(nn.Module):
    def __init__(self, weight: float, target: str = "perceptual", net_type: str = "alex") -> None:
        super().__init__()
        self.weight, self.target = weight, target
        self.net = LearnedPerceptualImagePatchSimilarity(net_type=net_type).net  # without the metric's running sums

    def forward(self, sr, target):
        return self.net(sr, target, normalize=True).mean()  # normalize: images are in [0, 1]


class Sharpness(Metric):
    label, digits, higher_is_better = "Sharpness", 3, True

    def __init__(self, border: int = 0) -> None:
        super().__init__()
        self.border = border
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, sr):  # (B, C, H, W); with a second argument it is given the HQ images, too
        inner = sr[..., self.border : sr.shape[-2] - self.border, self.border : sr.shape[-1] - self.border]
        self.total += inner.diff(dim=-1).abs().mean(dim=(1, 2, 3)).sum() * 255
        self.count += len(sr)

    def compute(self):
        return self.total / self.count


@dataclass(frozen=True)
class Posterise:
    name: ClassVar[str] = "posterise"
    prob: float = 1.0
    levels: Sequence[int] = (4, 32)

    @dataclass(frozen=True)
    class Record:
        levels: int

        def describe(self):
            return f"{self.levels} levels"

    def draw(self, rng, context):
        return self.Record(int(rng.integers(*self.levels, endpoint=True))) if rng.random() < self.prob else None

    @staticmethod
    def apply(image, record, generator, final_size):
        return (image * (record.levels - 1)).round() / (record.levels - 1)


class CountIterations(L.Callback):
    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        with Path(self.file).open("a") as lines:
            lines.write(f"{trainer.global_step}\n")


class OwnLogger(CSVLogger):
    pass


class SignDescent(torch.optim.Optimizer):
    def __init__(self, params, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad.sign())


class Halving(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer, every: int) -> None:
        self.every = every
        super().__init__(optimizer)

    def get_lr(self):
        return [rate * 0.5 ** (self.last_epoch // self.every) for rate in self.base_lrs]
