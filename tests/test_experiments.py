"""The experiments hold the published figures: the paper's and the released options'."""

import math

import pytest
import torch
from omegaconf import OmegaConf

from wildsr.apps.evaluate.closing import methods_of
from wildsr.config import build, compose_config
from wildsr.losses import BACKBONES
from wildsr.networks import CompactNet, save_generator

WHOLE = ["real_esrgan", "real_esrgan_plus", "real_esrgan_plus_x2", "anime_6b", "compact"]  # both stages
EXPERIMENTS = ["real_esrnet", *WHOLE]

COMMON = {
    "data.crop": 400,
    "data.patch": 256,
    "data.batch_size": 48,  # 12 on each of 4 GPUs
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.betas": [0.9, 0.99],
    "schedule": None,
    "loss.pixel.weight": 1.0,
    "generator.weights": None,  # no download that nobody asked for; the head of the file names the published start
    "generator.network.features": 64,
}
STAGES = {
    "psnr": {
        "stages.psnr.iterations": 1_000_000, "stages.psnr.lr": 2e-4, "stages.psnr.losses": ["pixel"],
        "stages.psnr.predecessor": None, "stages.psnr.ema_decay": 0.999, "stages.psnr.clip_gradients": None,
    },
    "gan": {
        "stages.gan.iterations": 400_000, "stages.gan.lr": 1e-4,
        "stages.gan.losses": ["pixel", "perceptual", "adversarial"], "stages.gan.predecessor": "psnr",
        "stages.gan.ema_decay": 0.999, "stages.gan.clip_gradients": None, "loss.perceptual.weight": 1.0,
        "loss.adversarial.weight": 0.1, "loss.perceptual.backbone": "vgg19",
        "discriminator.weights": None, "discriminator.network.features": 64,
        "discriminator.network.spectral_norm": True,
    },
}  # fmt: skip
PLAIN = {"sharpen.source": False, "sharpen.target_pixel": False, "sharpen.target_perceptual": False}
PLUS = {
    "sharpen.source": True, "sharpen.target_pixel": True, "sharpen.target_perceptual": True, "sharpen.radius": 25,
    "sharpen.sigma": 8.0, "sharpen.amount": 0.5, "sharpen.threshold": 10.0,
}  # fmt: skip
OWN = {
    "real_esrnet": {"scale": 4, "data.train.root": "data/df2k_ost/train", **PLAIN},
    "real_esrgan": {"scale": 4, "data.train.root": "data/df2k_ost/train", **PLAIN},
    "real_esrgan_plus": {"scale": 4, "data.train.root": "data/df2k_ost/train", **PLUS},
    "real_esrgan_plus_x2": {"scale": 2, "data.train.root": "data/df2k_ost/train", **PLUS},
    "anime_6b": {"scale": 4, "data.train.root": "data/train", **PLUS},
    "compact": {"scale": 4, "data.train.root": "data/df2k_ost/train", **PLUS},
}
DEGRADATION = {
    "first.blur.prob": 1.0,
    "first.blur.sigma": [0.2, 3],
    "first.resize.up": 0.2,
    "first.resize.down": 0.7,
    "first.resize.keep": 0.1,
    "first.resize.up_factor": [1, 1.5],
    "first.resize.down_factor": [0.15, 1],
    "first.resize.modes": ["area", "bilinear", "bicubic"],
    "first.resize.relative_to": "input",
    "first.noise.gaussian_prob": 0.5,
    "first.noise.gaussian_sigma": [1, 30],
    "first.noise.poisson_scale": [0.05, 3],
    "first.noise.grey_prob": 0.4,
    "first.jpeg.quality": [30, 95],
    "second.blur.prob": 0.8,
    "second.blur.sigma": [0.2, 1.5],
    "second.resize.up": 0.3,
    "second.resize.down": 0.4,
    "second.resize.keep": 0.3,
    "second.resize.up_factor": [1, 1.2],
    "second.resize.down_factor": [0.3, 1],
    "second.resize.modes": ["area", "bilinear", "bicubic"],
    "second.resize.relative_to": "final",
    "second.noise.gaussian_prob": 0.5,
    "second.noise.gaussian_sigma": [1, 25],
    "second.noise.poisson_scale": [0.05, 2.5],
    "second.noise.grey_prob": 0.4,
    "second.jpeg": None,
    "final.resize.modes": ["area", "bilinear", "bicubic"],
    "final.sinc.prob": 0.8,
    "final.sinc.cutoff": [math.pi / 3, math.pi],
    "final.jpeg.quality": [30, 95],
    "final.arrangements": [
        {"weight": 0.5, "order": ["resize", "sinc", "jpeg"]},
        {"weight": 0.5, "order": ["jpeg", "resize", "sinc"]},
    ],
    "kernels.sizes": [7, 21],
    "kernels.sinc_prob": 0.1,
    "kernels.iso": 0.45,
    "kernels.aniso": 0.25,
    "kernels.generalized_iso": 0.12,
    "kernels.generalized_aniso": 0.03,
    "kernels.plateau_iso": 0.12,
    "kernels.plateau_aniso": 0.03,
    "kernels.beta_generalized": [0.5, 4],
    "kernels.beta_plateau": [1, 2],
    "kernels.beta_low_prob": 0.5,
    "kernels.cutoff_small": [math.pi / 3, math.pi],
    "kernels.cutoff_large": [math.pi / 5, math.pi],
    "kernels.large_from": 13,
}

BLOCK = 3 * sum(9 * (64 + 32 * i) * out + out for i, out in enumerate((32, 32, 32, 32, 64)))  # three dense blocks
PARAMETERS = {
    "real_esrnet": 16_697_987,
    "real_esrgan": 16_697_987,
    "real_esrgan_plus": 16_697_987,
    "real_esrgan_plus_x2": 16_697_987 + 9 * (12 - 3) * 64,  # the first convolution sees 2 x 2 pixels
    "anime_6b": 16_697_987 - (23 - 6) * BLOCK,
    # 3 -> 64, sixteen of 64 -> 64, each with its slopes; 64 -> 3 x 4 x 4
    "compact": (9 * 3 + 1) * 64 + 64 + 16 * ((9 * 64 + 1) * 64 + 64) + (9 * 64 + 1) * 48,
}


def figures(cfg, keys):
    found = {key: OmegaConf.select(cfg, key) for key in keys}
    return {key: OmegaConf.to_container(value) if OmegaConf.is_list(value) else value for key, value in found.items()}


@pytest.mark.parametrize(
    ("experiment", "stage"), [("real_esrnet", "psnr"), *((name, stage) for name in WHOLE for stage in STAGES)]
)
def test_an_experiment_holds_the_published_figures(experiment, stage):
    cfg = compose_config([f"experiment={experiment}", f"stage={stage}"])
    wanted = COMMON | STAGES[stage] | OWN[experiment]
    assert figures(cfg, wanted) == wanted
    assert figures(cfg.degradation, DEGRADATION) == DEGRADATION


def test_the_stages_of_an_experiment_are_the_published_ones():
    assert list(compose_config(["experiment=real_esrnet"]).stage.sequence) == ["psnr"]
    for experiment in WHOLE:
        assert list(compose_config([f"experiment={experiment}"]).stage.sequence) == ["psnr", "gan"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_its_networks_have_the_published_size(experiment):
    cfg = compose_config([f"experiment={experiment}"])
    with torch.device("meta"):
        generator, discriminator = (build(cfg[part].network, part) for part in ("generator", "discriminator"))
    assert sum(p.numel() for p in generator.parameters()) == PARAMETERS[experiment]
    assert sum(p.numel() for p in discriminator.parameters()) == 4_376_897
    assert BLOCK == 719_424


def test_the_perceptual_layers_are_the_published_ones():
    layers = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
    assert BACKBONES["vgg19"].layers == layers


def test_a_start_of_another_scale_is_no_method_of_the_closing_table(tmp_path):
    save_generator(CompactNet(4, features=4, convs=1), tmp_path / "x4.pth")
    (tmp_path / "gan").mkdir()
    for scale, methods in ((2, ["bicubic", "gan stage"]), (4, ["bicubic", f"{tmp_path}/x4.pth (start)", "gan stage"])):
        save_generator(CompactNet(scale, features=4, convs=1), tmp_path / "gan" / "generator.safetensors")
        assert list(methods_of(tmp_path, ["gan"], f"{tmp_path}/x4.pth", scale)) == methods
