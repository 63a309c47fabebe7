"""A tiny gan stage on Lightning's own trainer, without a run around it."""

import lightning as L
import pytest
import torch
from torch import nn

from wildsr.networks import CompactNet, UNetDiscriminator
from wildsr.training import LossSpec, StageSpec, SuperResolution
from wildsr.training.datamodule import TrainingPair
from wildsr.training.execution import Execution


class Distance(nn.Module):
    """Stands in for VGG where only the wiring counts: three times the mean absolute difference."""

    def forward(self, sr, target):
        return 3 * (sr - target).abs().mean()


def stage(**changes):
    return StageSpec(**{"name": "gan", "iterations": 2, "losses": ("pixel", "perceptual", "adversarial")} | changes)


def gan(generator=None, discriminator=None, execution=None, weights=None, device="cpu", trainer=None, **changes):
    """A module with its optimisers, ready for single steps; the same seeds, whatever is asked for."""
    torch.manual_seed(0)
    generator = generator or CompactNet(4, features=4, convs=4)
    discriminator = discriminator or UNetDiscriminator(features=4)
    module = SuperResolution(
        generator, discriminator, Distance(), LossSpec(**weights or {}), stage(**changes), Execution(**execution or {})
    ).to(device)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning = L.Trainer(accelerator="gpu" if device == "cuda" else "cpu", devices=1, **quiet, **trainer or {})
    lightning.strategy.connect(module)
    module.trainer = lightning
    lightning.strategy.setup_optimizers(lightning)
    return module


def pair(images=2, device="cpu"):
    rng = torch.Generator().manual_seed(1)
    targets = [torch.rand(images, 3, 32, 32, generator=rng).to(device) for _ in range(3)]
    return TrainingPair(torch.rand(images, 3, 8, 8, generator=rng).to(device), *targets)


@pytest.fixture(name="stage")
def stage_fixture():
    return stage


@pytest.fixture(name="gan")
def gan_fixture():
    return gan


@pytest.fixture(name="pair")
def pair_fixture():
    return pair
