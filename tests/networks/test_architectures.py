"""Networks by their name in spandrel: built, trained, saved, known again by their weights."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from wildsr.building import build_module
from wildsr.config import build, compose_config
from wildsr.networks import (
    RRDBNet,
    SpandrelNet,
    UNetDiscriminator,
    VGGDiscriminator,
    adapt_weights,
    build_discriminator_like,
    build_like,
    build_spandrel,
    freeze,
    load_generator,
    save_generator,
)
from wildsr.networks.layouts import old_names
from wildsr.networks.padding import reflect_to
from wildsr.preflight import dry_run
from wildsr.stage import Stage

pytest.importorskip("spandrel")
TINY = {  # options that make them small; a name of an argument differs from network to network
    "SPAN": {"feature_channels": 8},
    "RealPLKSR": {"dim": 16, "n_blocks": 1},
    "OmniSR": {"num_feat": 16},
    "DAT": {"embed_dim": 32, "depth": [2], "num_heads": [2], "split_size": [4, 4], "upsampler": "pixelshuffledirect"},
    "SwinIR": {
        "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 8, "img_size": 16, "mlp_ratio": 2,
        "upsampler": "pixelshuffledirect",
    },
    "SAFMN": {"dim": 12, "n_blocks": 1},
    "RCAN": {"n_resgroups": 1, "n_resblocks": 1, "n_feats": 16},
    "ESRGAN": {"num_filters": 8, "num_blocks": 1},
}  # fmt: skip
SMALL = [
    "loss=no_perceptual", "discriminator.network.features=4", "data.crop=64", "data.patch=32", "data.batch_size=2",
    "data.val=null", "evaluate=null", "trainer.log_every_n_steps=1",
]  # fmt: skip


def tiny(name: str, scale: int = 4, channels: int = 3, seed: int = 0) -> SpandrelNet:
    torch.manual_seed(seed)
    return build_spandrel(name, scale, channels, **TINY[name])


def lengths(iterations: int) -> list[str]:
    return [f"stages.psnr.iterations={iterations}", "stages.psnr.checkpoint_every=1"]


@pytest.mark.parametrize("name", TINY)
def test_it_learns_and_its_file_is_the_same_network(name: str, tmp_path: Path) -> None:
    network = tiny(name)
    average = copy.deepcopy(network).eval()  # as AveragedModel does
    lq = torch.rand(2, 3, 13, 18)  # no multiple of a window
    sr = network(lq)
    assert sr.shape == (2, 3, 52, 72)
    (sr - 1).square().mean().backward()
    learning = [parameter for parameter in network.parameters() if parameter.grad is not None]
    assert learning and any(float(parameter.grad.abs().max()) > 0 for parameter in learning)
    torch.optim.SGD(learning, lr=0.1).step()
    assert all(torch.equal(tensor, average.state_dict()[key]) for key, tensor in tiny(name).state_dict().items())
    save_generator(network, tmp_path / "a.safetensors")
    again = load_generator(tmp_path / "a.safetensors")
    with torch.inference_mode():
        torch.testing.assert_close(again(lq), network.eval()(lq).clamp(0, 1), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("preset", "scale", "thousands"), [
    ("dat_light", 2, 553), ("dat_light", 4, 573),  # table 4 of arXiv 2308.03364
    ("realplksr", 4, 7390), ("span", 4, 2237), ("omnisr", 4, 805),
])  # fmt: skip
def test_presets_have_the_sizes_of_the_released_networks(preset: str, scale: int, thousands: int) -> None:
    cfg = compose_config([f"generator={preset}", f"scale={scale}"])
    network = build(cfg.generator.network, "generator.network")
    assert (network.scale, network.channels, network.training) == (scale, 3, True)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1000) == thousands


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("name", ["SPAN", "RealPLKSR", "OmniSR", "DAT"])
def test_the_scales_of_the_presets(name: str, scale: int) -> None:
    assert tiny(name, scale).eval()(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16 * scale, 16 * scale)


def test_windowed_networks_see_reflected_sides_and_the_result_is_cropped() -> None:
    network, lq = tiny("SwinIR", 2), torch.rand(1, 3, 13, 17)
    padded = torch.nn.functional.pad(lq, (0, 24 - 17, 0, 16 - 13), mode="reflect")
    torch.testing.assert_close(network.eval()(lq), network.model(padded)[..., :26, :34].clamp(0, 1))
    assert torch.equal(reflect_to(torch.arange(3.0).view(1, 3), 1, 4), torch.tensor([[0.0, 1, 2, 1]] * 4))


@pytest.mark.parametrize(("words", "wanted"), [
    ({"architecture": "SPAM"}, r"^architecture: given SPAM; .* SPAN, .*; did you mean SPAN\?$"),
    ({"architecture": None}, r"^architecture: given None; choose from ATD, "),
    ({"architecture": "SPAN", "width": 3}, r"^SPAN has no option width; choose from feature_channels, bias, norm"),
    ({"architecture": "SAFMN"}, r"^SAFMN of scale=4, channels=3: cannot be built: .*missing 1 required .*'dim'$"),
    ({"architecture": "RealPLKSR", "channels": 1}, r"^RealPLKSR of scale=4, channels=1: .* channels=3; the archit"),
    ({"architecture": "SCUNet"}, r"^SCUNet of scale=4, .*: by its weights it is SCUNet of scale=1"),
    ({"architecture": "LaMa"}, r"^LaMa of .* would not be known by its weights: .* is for Inpainting"),
])  # fmt: skip
def test_what_an_architecture_does_not_have_is_one_line(words: dict, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted) as error:
        build_spandrel(**{"scale": 4, **words})
    assert len(str(error.value).splitlines()) == 1


def test_a_value_that_an_option_cannot_have_is_told_with_the_network() -> None:
    cfg = compose_config(["generator=span", "generator.network.feature_channels=wide"])
    with pytest.raises(ValueError, match=r"^generator\.network: SPAN of scale=4, .* with feature_channels=wide: ca"):
        build(cfg.generator.network, "generator.network")


def test_without_spandrel_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ValueError, match=r"need spandrel; pip install spandrel==0\.4\.2$"):
        build_spandrel("SPAN", 4)


def test_parts_of_it_are_frozen_by_their_names_in_the_file() -> None:
    network = tiny("SPAN")
    freeze(network, ["conv_1", "block_1.c1_r"])
    frozen = {name for name, value in network.state_dict(keep_vars=True).items() if not value.requires_grad}
    assert {"conv_1.sk.weight", "block_1.c1_r.sk.bias"} <= frozen and "conv_2.sk.weight" not in frozen


def test_an_option_that_weights_do_not_tell_is_refused_before_the_first_iteration(
    photographs: Path, tmp_path: Path
) -> None:
    words = ["generator=span", "generator.network.feature_channels=8", "stage=psnr", "data=folder", *SMALL]
    cfg = compose_config([*words, f"data.train.root='{photographs}'", "++generator.network.img_range=1.0"])
    cfg.paths.run = str(tmp_path / "run")
    stage = Stage(cfg, "psnr")
    with pytest.raises(ValueError, match=r"PSNR stage: its generator cannot .*its file comes back as another network"):
        dry_run(stage)
    assert not (tmp_path / "run").exists()


def test_it_resumes_exactly_with_activations_recomputed(train, photographs: Path, tmp_path: Path) -> None:
    words = ["generator=span", "generator.network.feature_channels=8", "stage=psnr", "data=folder", *SMALL]
    words += [f"data.train.root='{photographs}'", "degradation=bicubic", "sharpen=none", "callbacks.report=null"]
    train([*words, *lengths(2)], tmp_path / "whole")
    train([*words, *lengths(1), "checkpoint_activations=true"], tmp_path / "parts")
    train([*words, *lengths(2)], tmp_path / "parts")
    first, second = (
        torch.load(tmp_path / name / "psnr" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "parts")
    )
    assert "generator.conv_1.sk.weight" in first  # the architecture's own names
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    again = load_generator(tmp_path / "parts" / "psnr" / "checkpoints" / "last.ckpt")
    assert all(torch.equal(t, first[f"ema.module.{name}"]) for name, t in again.state_dict().items())


# Beginning from a file


def started(file: Path, scale: int = 4, channels: int = 3) -> tuple[nn.Module, str]:
    """Return what generator=from_file gives."""
    network = build_like(file, scale, channels)
    return network, adapt_weights(network, file)


def test_a_run_begins_from_a_file(tmp_path: Path) -> None:
    save_generator(tiny("SPAN"), tmp_path / "a.pth")
    cfg = compose_config(["generator=from_file", f"generator.weights='{tmp_path / 'a.pth'}'", "stage=psnr"])
    reports: list[str] = []
    module = build_module(cfg, cfg.generator.weights, reports)
    assert module.generator.architecture == "SPAN" and module.generator.training
    assert reports == [f"generator: all {len(tiny('SPAN').state_dict())} tensors taken from {tmp_path / 'a.pth'}"]


@pytest.mark.parametrize("name", TINY)
def test_architecture_and_options_come_from_the_file(name: str, tmp_path: Path) -> None:
    network = tiny(name).eval()
    torch.save({"params_ema": network.state_dict()}, tmp_path / "a.pth")
    generator, report = started(tmp_path / "a.pth")
    assert generator.training and generator.scale == 4
    assert report.startswith(f"all {len(network.state_dict())} tensors taken from")
    lq = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(generator.eval()(lq).clamp(0, 1), network(lq).clamp(0, 1), rtol=0, atol=1e-6)


def test_another_scale_and_grey_images_by_the_rules_and_the_table_says_so(tmp_path: Path) -> None:
    network = tiny("SwinIR").eval()
    save_generator(network, tmp_path / "a.safetensors")
    generator, report = started(tmp_path / "a.safetensors", 2)
    assert (generator.scale, generator.channels) == (2, 3)
    assert report.splitlines()[-1].split(maxsplit=3) == [
        "left",
        "as",
        "initialised",
        "upsample.0.weight, upsample.0.bias",
    ]
    before, after = network.state_dict(), generator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in after if not name.startswith("upsample."))

    grey, report = started(tmp_path / "a.safetensors", channels=1)
    assert "conv_first.weight (3 to 1 input channels)" in report
    assert "upsample.0.weight (48 to 16 output channels)" in report
    weight = network.model.conv_first.weight.sum(1, keepdim=True)
    torch.testing.assert_close(grey.model.conv_first.weight, weight)


def test_a_scale_that_is_kept_among_the_weights_stays_the_runs(tmp_path: Path) -> None:
    """FDAT's upsampler says in uint8 what it is: by the file's x4 the trained x2 would be another network."""
    sizes = {"embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2}
    save_generator(build_spandrel("FDAT", 4, **sizes), tmp_path / "a.safetensors")
    generator, report = started(tmp_path / "a.safetensors", 2)
    (left,) = [line for line in report.splitlines() if "left as initialised" in line]
    assert "upsampler.MetaUpsample" in left
    save_generator(generator, tmp_path / "b.safetensors")
    assert load_generator(tmp_path / "b.safetensors").scale == 2


def test_another_architecture_is_refused_by_its_name(tmp_path: Path) -> None:
    save_generator(tiny("RCAN"), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"a\.safetensors holds RCAN; wanted SPAN$"):
        adapt_weights(tiny("SPAN"), tmp_path / "a.safetensors")


def test_the_oldest_names_of_esrgan_are_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old = RRDBNet(4, 3, 8, 2, 4)
    torch.save(old_names(dict(old.state_dict())), tmp_path / "old.pth")
    generator, report = started(tmp_path / "old.pth")
    assert generator.architecture == "RRDBNet of 8 features, 2 blocks, growth 4"
    assert report.startswith("all ")
    assert torch.equal(generator.conv_hr.weight, old.conv_hr.weight)
    half, report = started(tmp_path / "old.pth", 2)
    assert half.unshuffle == 2 and "conv_first.weight (3 to 12 input channels)" in report


def test_a_start_without_a_file_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^source: given nothing, wanted .*generator\.weights=FILE$"):
        build_like(None, 4, 3)


@pytest.mark.parametrize("network", [
    UNetDiscriminator(3, 4), UNetDiscriminator(3, 6, spectral_norm=False), VGGDiscriminator(3, 4, 128),
], ids=["unet_sn", "unet", "vgg"])  # fmt: skip
def test_a_discriminator_is_of_the_kind_and_size_in_its_file(network: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "d.pth"
    torch.save({"params": network.state_dict()}, file)
    again = build_discriminator_like(file, 3)
    assert adapt_weights(again, file).startswith("all ")
    image = torch.rand(2, 3, 128, 128)
    assert torch.equal(again.eval()(image), network.eval()(image))
    grey = build_discriminator_like(file, 1)
    assert "3 to 1 input channels" in adapt_weights(grey, file)
    save_generator(tiny("SPAN"), file)
    with pytest.raises(ValueError, match=r"d\.pth: neither a UNetDiscriminator nor a VGGDiscriminator; it has"):
        build_discriminator_like(file, 3)
