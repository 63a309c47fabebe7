"""RRDBNet against the released implementation's figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.config import build, compose_config
from wildsr.networks import RRDBNet
from wildsr.networks.rrdb import DenseBlock, from_state

GOLDEN = Path(__file__).parents[1] / "golden" / "rrdb.npz"  # 8 features, 2 blocks, growth 4


def golden(scale: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    with np.load(GOLDEN) as file:
        start = f"x{scale}/"
        state = {key[len(start) :]: torch.from_numpy(file[key]) for key in file if key.startswith(start)}
        return state, torch.from_numpy(file[f"in{scale}"]), torch.from_numpy(file[f"out{scale}"])


def tiny(scale: int, channels: int = 3) -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(scale, channels, features=4, blocks=1, growth=2).eval()


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_released_output_is_reproduced(scale: int) -> None:
    state, lq, sr = golden(scale)
    network = RRDBNet(scale, features=8, blocks=2, growth=4)
    network.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(network(lq), sr, rtol=0, atol=5e-7)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_architecture_is_read_from_the_weights(scale: int) -> None:
    state, _, _ = golden(scale)
    network = from_state(state)
    assert network is not None
    assert (network.scale, network.channels) == (scale, 3)
    assert {k: v.shape for k, v in network.state_dict().items()} == {k: v.shape for k, v in state.items()}


@pytest.mark.parametrize(("scale", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (8, 3)])
def test_grey_and_x8_are_read_from_the_weights_too(scale: int, channels: int) -> None:
    network = from_state(tiny(scale, channels).state_dict())
    assert network is not None and (network.scale, network.channels) == (scale, channels)


def test_the_default_has_the_released_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in RRDBNet().parameters()) == 16_697_987


def test_only_x8_has_a_third_upsampling() -> None:
    assert "conv_up3.weight" in tiny(8).state_dict()
    assert "conv_up3.weight" not in tiny(4).state_dict()


def test_x8_whose_third_upsampling_adds_nothing_is_x4_with_every_pixel_doubled() -> None:
    large, small = tiny(8), tiny(4)
    with torch.no_grad():
        for layer in (large.conv_up3, large.conv_hr, large.conv_last):
            assert layer is not None
            layer.weight[..., [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0  # 1 × 1 kernels
        assert large.conv_up2.bias is not None and large.conv_up3 is not None and large.conv_up3.bias is not None
        large.conv_up2.bias.fill_(10)  # positive, where a leaky ReLU is the identity
        large.conv_up3.weight[..., 1, 1] = torch.eye(4)
        large.conv_up3.bias.zero_()
        small.load_state_dict({k: v for k, v in large.state_dict().items() if "up3" not in k})
        lq = torch.rand(1, 3, 5, 7)
        doubled = small(lq).repeat_interleave(2, -1).repeat_interleave(2, -2)
        torch.testing.assert_close(large(lq), doubled, rtol=0, atol=1e-5)


def test_dense_blocks_start_at_a_tenth_of_kaiming_and_without_bias() -> None:
    torch.manual_seed(0)
    block = DenseBlock(64, 32)
    inputs = [64, 96, 128, 160, 192]
    for conv, channels in zip(block.children(), inputs, strict=True):
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        expected = 0.1 * (2 / (9 * channels)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.02)  # 18,432 weights or more: 2 %
        assert not conv.bias.any()


@pytest.mark.parametrize(("scale", "size"), [(2, (7, 6)), (2, (1, 1)), (1, (9, 5)), (1, (2, 3)), (1, (1, 8))])
def test_a_size_that_does_not_divide_equals_the_reflected_one_cropped(scale: int, size: tuple[int, int]) -> None:
    network, multiple = tiny(scale), 4 // scale
    lq = torch.rand(1, 3, *size)
    pads = [-side % multiple for side in size]
    # numpy repeats the reflection where a side is shorter than the pad, torch refuses
    padded = torch.from_numpy(np.pad(lq.numpy(), ((0, 0), (0, 0), (0, pads[0]), (0, pads[1])), mode="reflect"))
    with torch.no_grad():
        expected = network(padded)[..., : scale * size[0], : scale * size[1]]
        assert torch.equal(network(lq), expected)


def test_the_reflection_is_torchs_where_torch_has_one() -> None:
    network, lq = tiny(2), torch.rand(1, 3, 7, 9)
    with torch.no_grad():
        assert torch.equal(network(lq), network(F.pad(lq, (0, 1, 0, 1), mode="reflect"))[..., :14, :18])


def test_every_parameter_learns() -> None:
    network = tiny(2)
    network(torch.rand(1, 3, 6, 6)).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_scale_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"scale 3; choose from 1, 2, 4, 8"):
        RRDBNet(scale=3)


def test_an_index_of_a_billion_is_counted_as_one_block() -> None:
    state = tiny(4).state_dict()
    state["body.999999999.rdb1.conv1.weight"] = torch.zeros(1)
    network = from_state(state)
    assert network is not None and len(network.body) == 2


@pytest.mark.parametrize(("dilation", "blocks"), [(1, 1), (2, 1), (3, 2)])
def test_dilation_widens_the_receptive_field_as_stated(dilation: int, blocks: int) -> None:
    network = RRDBNet(4, 3, features=2, blocks=blocks, growth=2, dilation=dilation)
    for p in network.parameters():
        p.data.abs_()  # positive throughout, so that no path cancels another
    reach = 2 + blocks * 3 * (3 + 2 * dilation)  # conv_first and conv_body, then three dense blocks each
    side = 2 * reach + 9
    lq = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    network.double().conv_body.register_forward_hook(lambda _, __, out: out[0, 0, side // 2, side // 2].backward())
    network(lq)
    assert lq.grad is not None
    seen = lq.grad[0].abs().sum(0) > 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    for places in (rows, columns):
        assert (int(places.min()), int(places.max())) == (side // 2 - reach, side // 2 + reach)
    assert len(rows) == len(columns) == 2 * reach + 1  # without holes
    assert int(seen.sum()) == (2 * reach + 1) ** 2


def test_dilation_changes_the_output_and_not_the_number_of_parameters() -> None:
    plain, dilated = tiny(4), RRDBNet(4, 3, features=4, blocks=1, growth=2, dilation=2)
    assert [(n, p.shape) for n, p in plain.named_parameters()] == [(n, p.shape) for n, p in dilated.named_parameters()]
    dilated.load_state_dict(plain.state_dict(), strict=False)
    dilations = [conv.dilation[0] for conv in dilated.body[0].rdb1.children()]  # type: ignore[union-attr, operator]
    assert dilations == [1, 2, 1, 2, 1]
    with torch.no_grad():
        lq = torch.rand(1, 3, 8, 8)
        assert not torch.allclose(plain(lq), dilated(lq))


@pytest.mark.parametrize(("given", "wanted"), [(1, 2), (2, 1), (2, 3)])
def test_torch_itself_refuses_the_weights_of_another_dilation(given: int, wanted: int) -> None:
    first, second = (RRDBNet(4, 3, features=4, blocks=1, growth=2, dilation=d) for d in (given, wanted))
    with pytest.raises(RuntimeError, match="dilation"):
        second.load_state_dict(first.state_dict())


@pytest.mark.parametrize("key", ["channels", "features", "blocks", "growth", "dilation"])
@pytest.mark.parametrize("value", [0, -3, 1.5, "x"])
def test_an_impossible_number_is_named(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{key}: given {value!r}, wanted a whole number from 1 to "):
        RRDBNet(**{key: value})  # type: ignore[arg-type]


def test_a_mistake_on_the_command_line_is_one_line_with_its_key() -> None:
    for generator, key in (("rrdb", "features"), ("rrdb", "growth"), ("compact", "channels"), ("compact", "scale")):
        cfg = compose_config([f"generator={generator}", f"generator.network.{key}=0"])
        with pytest.raises(ValueError, match=rf"^generator\.network\.{key}: given 0, wanted a whole number from 1 to"):
            build(cfg.generator.network, "generator.network")


def test_rrdb_dilated_is_rrdb_with_dilated_convolutions() -> None:
    plain, dilated = (compose_config([f"generator={name}"]).generator for name in ("rrdb", "rrdb_dilated"))
    assert dilated.network.dilation == 2
    del dilated.network.dilation
    assert plain == dilated
