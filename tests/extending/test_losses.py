"""The three terms of the page: their figures, and a few iterations with all of them."""

from pathlib import Path

import lightning as L
import mine
import numpy as np
import pytest
import torch
import torchvision
from hydra import compose, initialize_config_dir
from kornia.losses import MS_SSIMLoss
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity
from torchvision.models import alexnet

from wildsr.building import build_module
from wildsr.config import conf_folder, stage_config
from wildsr.training.pairs import TrainingPair

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def seeded_alexnet(monkeypatch):
    """AlexNet's features with seeded random weights in the place of the download."""

    def build(weights=None):
        with torch.device("meta"):
            network = alexnet()
        network.features.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(0)
        for parameter in network.features.parameters():
            nn.init.normal_(parameter, std=0.05, generator=generator)
        return network

    monkeypatch.setattr(torchvision.models, "alexnet", build)


def images(count=2, side=64):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(2, 3, side, side, generator=generator) for _ in range(count)]


@pytest.fixture(scope="module")
def module_config():
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        search = f"hydra.searchpath=['file://{HERE / 'conf'}']"
        words = [search, "experiment=losses", "generator=tiny", "discriminator.network.features=4"]
        return stage_config(compose("train", words), "gan")


def test_a_frequency_loss_is_the_mean_distance_of_the_spectra():
    sr, target = images(side=16)
    spectra = np.fft.rfft2(sr.numpy() - target.numpy(), norm="ortho")  # linear
    assert mine.FrequencyLoss(1.0)(sr, target).item() == pytest.approx(np.abs(spectra).mean(), rel=1e-5)


def test_lpips_is_torchmetrics_own_and_has_a_gradient():
    sr, target = images()
    wanted = learned_perceptual_image_patch_similarity(sr, target, normalize=True)
    sr.requires_grad_()
    loss = mine.LPIPSLoss(1.0)(sr, target)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5) and loss.item() > 0
    assert torch.autograd.grad(loss, sr)[0].abs().sum() > 0


def test_ms_ssim_is_kornias_without_its_factor(module_config):
    term = build_module(module_config, None).objective.terms["ms_ssim"]
    sr, target = images()
    assert term(sr, target).item() == pytest.approx(MS_SSIMLoss()(sr, target).item() / 200, rel=1e-4)
    assert term(target, target).item() == pytest.approx(0, abs=1e-6)


def test_all_three_train(module_config):
    torch.manual_seed(0)
    module = build_module(module_config, None)
    lq = torch.rand(2, 3, 16, 16)
    pair, start = TrainingPair(lq, *images(3)), {n: p.clone() for n, p in module.generator.named_parameters()}
    trainer = train(module, pair, 2)
    assert {name for name in module.scalars if name.startswith("loss/")} == {
        f"loss/{name}" for name in ("pixel", "frequency", "lpips", "ms_ssim", "adversarial", "discriminator")
    }
    assert trainer.global_step == module.iteration == 2
    assert all(value.isfinite() for value in module.scalars.values())
    assert any(not torch.equal(start[name], now) for name, now in module.generator.named_parameters())
    assert not any(parameter.requires_grad for parameter in module.objective.parameters())


def train(module, pair, iterations):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = L.Trainer(max_steps=iterations, accelerator="cpu", **quiet)
    trainer.fit(module, DataLoader([pair] * iterations, batch_size=None))
    return trainer
