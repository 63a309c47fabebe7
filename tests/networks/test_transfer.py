"""Weights across scales and channels: the new network starts as the rules say, within float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wildsr.networks import (
    CompactNet,
    RRDBNet,
    UNetDiscriminator,
    VGGDiscriminator,
    adapt_weights,
    save_generator,
)


def rrdb(scale: int, channels: int = 3, **changes: int) -> RRDBNet:
    return RRDBNet(scale, channels, **{"features": 4, "blocks": 2, "growth": 2} | changes).eval()


def compact(scale: int, channels: int = 3, **changes: int) -> CompactNet:
    return CompactNet(scale, channels, **{"features": 4, "convs": 2} | changes).eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def source(tmp_path: Path):
    def save(network: nn.Module) -> Path:
        save_generator(network, tmp_path / "source.pth")
        return tmp_path / "source.pth"

    return save


def run(network: nn.Module, lq: Tensor) -> Tensor:
    with torch.no_grad():
        return network(lq)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def doubled(image: Tensor, times: int) -> Tensor:
    return image.repeat_interleave(times, -1).repeat_interleave(times, -2)


@pytest.mark.parametrize(("given", "wanted", "side"), [(4, 2, 2), (4, 1, 4), (2, 1, 2), (4, 4, 1)])
def test_a_smaller_scale_starts_as_the_larger_one_on_the_means_of_pixels(given, wanted, side, source) -> None:
    old, new = rrdb(given), rrdb(wanted)
    image = torch.rand(1, 3, 8 * side, 12 * side)
    adapt_weights(new, source(old))
    close(run(new, image), run(old, F.avg_pool2d(image, side)))


@pytest.mark.parametrize(("given", "wanted", "times"), [(2, 4, 2), (1, 4, 4), (1, 2, 2)])
def test_a_larger_scale_starts_as_the_smaller_one_on_doubled_pixels(given, wanted, times, source) -> None:
    old, new = rrdb(given), rrdb(wanted)
    adapt_weights(new, source(old))
    image = torch.rand(1, 3, 8, 12)
    close(run(new, image), run(old, doubled(image, times)))


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_grey_starts_as_the_mean_of_rgb_on_equal_channels(scale, source) -> None:
    for make in (rrdb, compact):
        old, new = make(scale), make(scale, 1)
        adapt_weights(new, source(old))
        grey = torch.rand(1, 1, 8, 12)
        close(run(new, grey), run(old, grey.expand(-1, 3, -1, -1)).mean(1, keepdim=True))


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_rgb_starts_as_grey_on_the_mean_of_the_channels(scale, source) -> None:
    rgb = torch.rand(1, 3, 8, 12)
    mean = rgb.mean(1, keepdim=True)
    old, new = rrdb(scale, 1), rrdb(scale)
    adapt_weights(new, source(old))
    close(run(new, rgb), run(old, mean).expand(-1, 3, -1, -1))
    small, large = compact(scale, 1), compact(scale)
    adapt_weights(large, source(small))
    close(run(large, rgb) - doubled(rgb, scale), (run(small, mean) - doubled(mean, scale)).expand(-1, 3, -1, -1))


def test_scale_and_channels_may_differ_together(source) -> None:
    old, new = rrdb(4), rrdb(2, 1)
    adapt_weights(new, source(old))
    grey = torch.rand(1, 1, 16, 8)
    close(run(new, grey), run(old, F.avg_pool2d(grey, 2).expand(-1, 3, -1, -1)).mean(1, keepdim=True))


def test_the_report_is_one_line_where_everything_fits_and_a_table_otherwise(source) -> None:
    old = rrdb(4)
    path = source(old)
    assert adapt_weights(rrdb(4), path) == f"all {len(old.state_dict())} tensors taken from {path}"
    assert adapt_weights(rrdb(2, 1), path).splitlines() == [
        f"from {path}",
        f"  taken                {len(old.state_dict()) - 3} tensors",
        "  re-made              conv_first.weight (3 to 4 input channels)",
        "  re-made              conv_last.weight (3 to 1 output channels)",
        "  re-made              conv_last.bias (3 to 1 output channels)",
    ]
    assert adapt_weights(rrdb(8), path).splitlines()[-1] == ("  left as initialised  conv_up3.weight, conv_up3.bias")
    assert adapt_weights(rrdb(4), source(rrdb(8))).splitlines()[-1] == (
        "  not used             conv_up3.weight, conv_up3.bias"
    )


def test_what_has_no_partner_keeps_its_own_initial_value(source) -> None:
    new = rrdb(8)
    assert new.conv_up3 is not None
    before = new.conv_up3.weight.clone()
    report = adapt_weights(new, source(rrdb(4)))
    assert torch.equal(new.conv_up3.weight, before)
    assert report.splitlines()[2:] == ["  left as initialised  conv_up3.weight, conv_up3.bias"]
    old, compact_new = compact(4), compact(2)
    before = compact_new.body[6].weight.clone()  # type: ignore[operator, union-attr]
    report = adapt_weights(compact_new, source(old))
    assert torch.equal(compact_new.body[6].weight, before)
    assert report.splitlines()[1:] == [
        "  taken                9 tensors",
        "  left as initialised  body.6.weight, body.6.bias",
    ]
    kept = [name for name in old.state_dict() if not name.startswith("body.6.")]
    assert all(torch.equal(compact_new.state_dict()[name], old.state_dict()[name]) for name in kept)


def test_another_dilation_is_allowed_and_reported(source) -> None:
    old, new = rrdb(4), rrdb(4, dilation=2)
    path = source(old)
    assert "left as initialised  body.0.rdb1.conv2.weight_dilation" in adapt_weights(new, path)
    assert all(torch.equal(p, old.state_dict()[name]) for name, p in new.named_parameters())
    assert "not used             body.0.rdb1.conv2.weight_dilation" in adapt_weights(rrdb(4), source(new))
    assert "left as initialised" in adapt_weights(rrdb(4, dilation=3), source(new))
    assert adapt_weights(rrdb(4, dilation=2), source(new)).startswith("all")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (rrdb(4), compact(4), r"another network \(conv_first\.weight, .*\); wanted CompactNet of 4 features"),
        (rrdb(4), rrdb(4, features=8), "4 features, 2 blocks, growth 2; wanted RRDBNet of 8 features"),
        (rrdb(4), rrdb(2, blocks=3), "2 blocks, growth 2; wanted RRDBNet of 4 features, 3 blocks"),
        (rrdb(4), rrdb(4, growth=3), "growth 2; wanted RRDBNet of 4 features, 2 blocks, growth 3$"),
        (compact(4), compact(2, convs=3), "4 features, 2 convolutions; wanted .* 3 convolutions$"),
        (rrdb(4, 4), rrdb(4, 3), "is for images of 4 channels; this network, of 3, wanted 1 or 3$"),
        (UNetDiscriminator(features=2), rrdb(4), r"another network \(conv0\..*\); wanted RRDBNet of 4 features"),
    ],
)
def test_another_trunk_is_one_line_and_changes_nothing(old, new, message: str, source) -> None:
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    with pytest.raises(ValueError, match=rf"source\.pth.*{message}") as error:
        adapt_weights(new, source(old))
    assert "\n" not in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in new.state_dict().items())


def test_incomplete_weights_are_refused(tmp_path: Path) -> None:
    state = rrdb(4).state_dict()
    del state["conv_hr.bias"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"1 missing: conv_hr\.bias"):
        adapt_weights(rrdb(2), tmp_path / "a.pth")


@pytest.mark.parametrize("make", [lambda c: UNetDiscriminator(c, 2), lambda c: VGGDiscriminator(c, 2, 128)])
def test_a_discriminator_for_grey_classifies_as_the_one_for_rgb(make, source) -> None:
    old, new = make(3), make(1).eval()
    run(old, torch.rand(1, 3, 128, 128))  # spectral norms are estimated by now
    old.eval()
    report = adapt_weights(new, source(old))
    assert [line for line in report.splitlines() if "taken" not in line][1:] == [
        f"  re-made              {next(iter(new.state_dict()))} (3 to 1 input channels)"
    ]
    grey = torch.rand(1, 1, 128, 128)
    torch.testing.assert_close(run(new, grey), run(old, grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-6)
    colour = make(3).eval()
    adapt_weights(colour, source(new))
    rgb = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(run(colour, rgb), run(new, rgb.mean(1, keepdim=True)), rtol=1e-4, atol=1e-6)


def test_another_discriminator_is_refused(source) -> None:
    with pytest.raises(ValueError, match="does not fit this UNetDiscriminator"):
        adapt_weights(UNetDiscriminator(features=4), source(UNetDiscriminator(features=2)))
    with pytest.raises(ValueError, match="does not fit this VGGDiscriminator"):
        adapt_weights(VGGDiscriminator(features=2, size=128), source(VGGDiscriminator(features=2)))


def test_half_precision_is_shared_in_float32(tmp_path: Path) -> None:
    old = rrdb(4)
    torch.save({name: tensor.half() for name, tensor in old.state_dict().items()}, tmp_path / "a.pth")
    new = rrdb(2)
    adapt_weights(new, tmp_path / "a.pth")
    expected = old.conv_first.weight.half().float() / 4
    assert torch.equal(new.conv_first.weight, expected.repeat_interleave(4, 1))
