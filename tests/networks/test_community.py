"""Networks that spandrel knows: saved from its own classes, loaded here, the same picture."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from wildsr.networks import CommunityNet, RRDBNet, load_generator, save_generator

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
def test_a_community_network_gives_its_own_picture(make, scale: int, wrap: str | None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = make().eval()
    state = network.state_dict()
    torch.save({wrap: state} if wrap else state, tmp_path / "a.pth")
    before = torch.get_rng_state()
    loaded = load_generator(tmp_path / "a.pth")
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(loaded, CommunityNet) and not loaded.training
    assert (loaded.scale, loaded.channels) == (scale, 3)
    lq = torch.rand(2, 3, 16, 24)
    with torch.no_grad():
        expected = torch.cat([network(image[None]) for image in lq]).clamp(0, 1)
        assert torch.equal(loaded(lq), expected)
    assert loaded(lq[..., :13, :17]).shape == (2, 3, 13 * scale, 17 * scale)  # no multiple of the window


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
