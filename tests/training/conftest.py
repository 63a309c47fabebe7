"""A tiny gan stage on Lightning's own trainer, without a run around it."""

import lightning as L
import pytest
import torch

from wildsr.data import Photographs
from wildsr.degradation import Degradation, DegradationSpec
from wildsr.losses import AdversarialLoss, L1Loss, Term, released_losses
from wildsr.networks import CompactNet, UNetDiscriminator
from wildsr.training import DegradedPhotographs, SuperResolution
from wildsr.training.pairs import TrainingPair


def distance(sr, target):
    """Stand in for VGG where only the wiring counts: three times the mean absolute difference."""
    return 3 * (sr - target).abs().mean()


def terms(pixel=1.0, perceptual=1.0, adversarial=0.1):
    return {
        "pixel": L1Loss(pixel),
        "perceptual": Term(distance, perceptual, "perceptual"),
        "adversarial": AdversarialLoss(adversarial),
    }


def gan(generator=None, discriminator=None, weights=None, device="cpu", trainer=None, **options):
    """A module with its optimisers, ready for single steps; the same seeds, whatever is asked for."""
    torch.manual_seed(0)
    generator = generator or CompactNet(4, features=4, convs=4)
    discriminator = discriminator or UNetDiscriminator(features=4)
    module = SuperResolution(generator, discriminator, terms(**weights or {}), **options).to(device)
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


def psnr(**options):
    """A module without a discriminator; the same weights each time."""
    torch.manual_seed(0)
    return SuperResolution(CompactNet(scale=4, features=4, convs=2), **options)


def adversarial(**options):
    """A module with a discriminator, and without VGG; the same weights each time."""
    torch.manual_seed(0)
    networks = CompactNet(scale=4, features=4, convs=2), UNetDiscriminator(features=4)
    return SuperResolution(*networks, released_losses(perceptual=0), **options)


@pytest.fixture
def data(photographs):
    """Make the data module of four small photographs, epochs of three iterations of two samples."""

    def make(**options):
        given = {"batch_size": 2, "crop": 64, "patch": 32, "iterations_per_epoch": 3} | options
        return DegradedPhotographs(Photographs(photographs), Degradation(DegradationSpec()), **given)

    return make


@pytest.fixture
def trainer(tmp_path):
    """Make a quiet trainer of so many iterations."""

    def make(steps, *callbacks, **options):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
        given = {"default_root_dir": tmp_path, "enable_checkpointing": False} | quiet | options
        return L.Trainer(max_steps=steps, callbacks=list(callbacks), **given)

    return make


@pytest.fixture(name="psnr")
def psnr_fixture():
    return psnr


@pytest.fixture(name="adversarial")
def adversarial_fixture():
    return adversarial


@pytest.fixture(name="gan")
def gan_fixture():
    return gan


@pytest.fixture(name="pair")
def pair_fixture():
    return pair
