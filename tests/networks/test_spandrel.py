"""Networks that spandrel knows: saved from its own classes, loaded here, the same image."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from wildsr.apps.upscale.blending import blend
from wildsr.networks import RRDBNet, SpandrelNet, load_generator, overlap, save_generator
from wildsr.networks.eager import Eager
from wildsr.networks.overlap import Tiling
from wildsr.networks.tiling import upscale

spandrel = pytest.importorskip("spandrel")


def swinir() -> nn.Module:
    from spandrel.architectures.SwinIR import SwinIR

    return SwinIR(
        img_size=16, embed_dim=8, depths=[2], num_heads=[2], window_size=8, mlp_ratio=2, upscale=2,
        upsampler="pixelshuffledirect",
    )  # fmt: skip


def span() -> nn.Module:
    from spandrel.architectures.SPAN import SPAN

    return SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=4)


def plksr() -> nn.Module:
    from spandrel.architectures.PLKSR import PLKSR

    return PLKSR(dim=8, n_blocks=2, upscaling_factor=3)


@pytest.mark.parametrize("wrap", ["params_ema", "params", "params-ema", None])
@pytest.mark.parametrize(("make", "scale"), [(swinir, 2), (span, 4), (plksr, 3)])
def test_a_network_of_spandrel_gives_its_own_image(make, scale: int, wrap: str | None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = make().eval()
    state = network.state_dict()
    torch.save({wrap: state} if wrap else state, tmp_path / "a.pth")
    before = torch.get_rng_state()
    loaded = load_generator(tmp_path / "a.pth")
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(loaded, SpandrelNet) and not loaded.training
    assert (loaded.scale, loaded.channels) == (scale, 3)
    lq = torch.rand(2, 3, 16, 24)
    with torch.no_grad():
        expected = torch.cat([network(image[None]) for image in lq]).clamp(0, 1)
        assert torch.equal(loaded(lq), expected)
    assert loaded(lq[..., :13, :17]).shape == (2, 3, 13 * scale, 17 * scale)  # no multiple of the window


def test_what_it_is_given_stays_as_it_was(tmp_path: Path) -> None:
    from spandrel.architectures.RCAN import RCAN

    torch.save(RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=16).state_dict(), tmp_path / "a.pth")
    lq = torch.rand(1, 3, 8, 8)
    before = lq.clone()
    load_generator(tmp_path / "a.pth")(lq)  # its own forward multiplies by 255 in place
    assert torch.equal(lq, before)


def test_it_is_saved_in_the_names_of_its_architecture_and_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(span().state_dict(), tmp_path / "a.pth")
    loaded = load_generator(tmp_path / "a.pth")
    assert list(loaded.state_dict()) == list(span().state_dict())
    save_generator(loaded, tmp_path / "b.safetensors")
    lq = torch.rand(1, 3, 16, 16)
    assert torch.equal(load_generator(tmp_path / "b.safetensors")(lq), loaded(lq))


def test_two_of_one_architecture_are_blended(tmp_path: Path) -> None:
    pair = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(swinir().state_dict(), tmp_path / "a.pth")  # it has tables of indices, too
        pair.append(load_generator(tmp_path / "a.pth"))
    first, second = (network.state_dict() for network in pair)
    between, lq = blend(*pair, 0.25), torch.rand(1, 3, 16, 16)
    name = "conv_first.weight"
    torch.testing.assert_close(between.state_dict()[name], 0.75 * first[name] + 0.25 * second[name])
    assert torch.equal(blend(*pair, 1)(lq), pair[1](lq)) and torch.equal(blend(*pair, 0)(lq), pair[0](lq))
    assert not torch.equal(between(lq), pair[0](lq))


def test_windows_of_a_transformer_are_kept_whole_in_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "FOLDER", tmp_path)
    torch.manual_seed(0)
    torch.save(swinir().state_dict(), tmp_path / "a.pth")
    upscaler, image = Eager(load_generator(tmp_path / "a.pth")), torch.rand(3, 90, 200)
    whole = upscaler(image[None])[0]
    assert upscaler.tiling.multiple == 64  # 8 is its window's side; 64 is what all windows divide
    assert (upscale(upscaler, image, 64) - whole).abs().max() * 255 < 1
    upscaler.tiling = Tiling(64)  # cut at any multiple of 4
    assert (upscale(upscaler, image, 52) - whole).abs().max() * 255 > 1


def test_half_precision_weights_come_as_float32(tmp_path: Path) -> None:
    torch.save({name: tensor.half() for name, tensor in span().state_dict().items()}, tmp_path / "a.pth")
    assert {p.dtype for p in load_generator(tmp_path / "a.pth").parameters()} == {torch.float32}


def test_without_spandrel_the_error_is_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(span().state_dict(), tmp_path / "a.pth")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ValueError, match=r"a\.pth: neither .*; for other architectures pip install spandrel==0\.4\.2$"):
        load_generator(tmp_path / "a.pth")


def test_what_spandrel_mistakes_for_something_it_knows_is_one_line(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in span().state_dict().items() if "block_3" not in name}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth: neither .*, (and spandrel cannot load it|nor known)") as error:
        load_generator(tmp_path / "a.pth")
    assert len(str(error.value).splitlines()) == 1


def test_our_weights_load_in_spandrel_and_dilated_ones_do_not(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = RRDBNet(4, 3, 8, 1, 32).eval()
    save_generator(network, tmp_path / "a.pth")
    descriptor = spandrel.ModelLoader().load_from_file(tmp_path / "a.pth")
    lq = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(descriptor.model.eval()(lq), network(lq), rtol=0, atol=1e-6)
    save_generator(RRDBNet(4, 3, 8, 1, 32, dilation=2), tmp_path / "b.pth")
    with pytest.raises(RuntimeError, match=r"Unexpected key.*conv2.*dilation"):
        spandrel.ModelLoader().load_from_file(tmp_path / "b.pth")
