"""Each loss and each discriminator that is chosen by a word trains: few iterations here, twenty in the slow suite."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.models import vgg

from wildsr.building import build_module
from wildsr.config import compose_config, stage_config
from wildsr.data import Batch
from wildsr.networks.unet import SpectralNorm

BASE = [
    "generator=tiny",
    "discriminator=patchgan",
    "data.patch=32",
    "discriminator.network.features=4",
    "loss.perceptual.weight=0",
]
WORDS = {
    "l1": ["loss/pixel=l1"],
    "charbonnier": ["loss/pixel=charbonnier"],
    "mse": ["loss/pixel=mse"],
    "ldl": ["loss=ldl", "loss.pixel.weight=1"],  # of 0.01, too little to tell in twenty iterations
    "vanilla": ["loss/adversarial=vanilla"],
    "least_squares": ["loss/adversarial=least_squares"],
    "hinge": ["loss/adversarial=hinge"],
    "unet": ["discriminator=unet"],
    "unet_sn": ["discriminator=unet_sn"],
    "vgg": ["discriminator=vgg", "data.patch=128"],
    "patchgan": ["discriminator=patchgan"],
    "patchgan_sn": ["discriminator=patchgan_sn"],
}


def train(words, iterations, data, trainer):
    """Train the gan stage that words choose, on one batch of photographs; return module and scalars by iteration."""
    cfg = stage_config(compose_config([*BASE, *words]), "gan")
    torch.manual_seed(0)
    module, seen = build_module(cfg, None), []
    step = module.training_step

    def record(pair, batch_idx):
        step(pair, batch_idx)
        seen.append({name: float(value) for name, value in module.scalars.items()})

    module.training_step = record
    photographs = data(crop=cfg.data.patch, patch=cfg.data.patch)
    pair = photographs.make_pairs(Batch.collate([photographs.samples[number] for number in range(2)]))
    trainer(iterations).fit(module, DataLoader([pair] * iterations, batch_size=None))
    return module, seen


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_each_word_trains_both_networks(words, data, trainer):
    module, seen = train(words, 2, data, trainer)
    start = build_module(stage_config(compose_config([*BASE, *words]), "gan"), None)
    assert module.iteration == len(seen) == 2
    assert all(torch.tensor(list(scalars.values())).isfinite().all() for scalars in seen)
    assert all(scalars["grad_norm/generator"] > 0 and scalars["grad_norm/discriminator"] > 0 for scalars in seen)
    assert [type(term) for term in module.objective.terms.values()] == [type(t) for t in start.objective.terms.values()]
    named = {"pixel", "adversarial"} | ({"ldl"} if words[0] == "loss=ldl" else set())
    assert {name.removeprefix("loss/") for name in seen[0] if name.startswith("loss/")} == {*named, "discriminator"}


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_in_twenty_iterations_each_word_teaches_both_networks(words, data, trainer):
    module, seen = train([*words, "stages.gan.lr=3e-3", "loss.adversarial.weight=1e-3"], 20, data, trainer)
    assert module.iteration == 20
    assert all(torch.tensor(list(scalars.values())).isfinite().all() for scalars in seen)
    assert seen[-1]["loss/pixel"] < 0.8 * seen[0]["loss/pixel"]
    if not any(isinstance(part, SpectralNorm) for part in module.discriminator.modules()):
        # With it, a fresh discriminator's logits lie within a hundredth of 0, and move by less in so few iterations.
        margins = [scalars["discriminator/real"] - scalars["discriminator/fake"] for scalars in seen]
        assert margins[-1] > max(0, margins[0])


@pytest.fixture(scope="module")
def vgg19_file(tmp_path_factory):
    """VGG19's features with seeded random weights, in the place of the download."""
    torch.manual_seed(0)
    layers = vgg.make_layers(vgg.cfgs["E"], batch_norm=False)
    for module in layers:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("iterations", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_the_perceptual_loss_falls(iterations, vgg19_file, data, trainer):
    words = [f"loss.perceptual.file={vgg19_file}", "loss.perceptual.weight=1", "loss.adversarial.weight=1e-3"]
    _, seen = train([*words, "stages.gan.lr=3e-3"], iterations, data, trainer)
    assert len(seen) == iterations
    assert seen[-1]["loss/perceptual"] < seen[0]["loss/perceptual"]
