"""Freezing by name: what is named stays bit for bit in a real run, the rest learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from wildsr.networks import CompactNet, RRDBNet, freeze, save_generator


def frozen(network: nn.Module) -> set[str]:
    return {name for name, p in network.named_parameters() if not p.requires_grad}


def test_a_name_means_everything_inside_it_and_nothing_beside_it() -> None:
    network = RRDBNet(4, 3, 4, 11, 2)
    freeze(network, ["conv_first", "body.1", "conv_hr.bias"])
    assert frozen(network) == {
        name
        for name, _ in network.named_parameters()
        if name in ("conv_first.weight", "conv_first.bias", "conv_hr.bias") or name.startswith("body.1.")
    }
    assert "body.10.rdb1.conv1.weight" not in frozen(network)


def test_nothing_named_freezes_nothing() -> None:
    network = CompactNet(4, 3, 4, 1)
    freeze(network, [])
    assert not frozen(network)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["conv_frist"], r"^freeze: given 'conv_frist', which is no part of this RRDBNet; nearest: conv_first"),
        (["body.7"], r"given 'body\.7', .*nearest: body\.\d"),
        (["body.0", "qqq"], "given 'qqq', .*nearest: body, conv_body, conv_first"),
        ([""], "given '', which is no part"),
        ([3], "given 3, which is no part"),
        ("body.0", r"given 'body\.0', wanted a list of names: \[body\.0\]"),
        (["body", "conv_body", "conv_first", "conv_up1", "conv_up2", "conv_hr", "conv_last"], "leaves nothing"),
    ],
)
def test_a_mistake_is_one_line_and_freezes_nothing(names: list[str], message: str) -> None:
    network = RRDBNet(4, 3, 4, 2, 2)
    with pytest.raises(ValueError, match=message):
        freeze(network, names)
    assert not frozen(network)


def test_frozen_parts_stay_and_the_rest_learns_in_both_stages(train, photographs: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = CompactNet(4, 3, 8, 2)
    save_generator(start, tmp_path / "start.safetensors")
    train(
        [
            "generator=tiny", f"generator.weights='{tmp_path / 'start.safetensors'}'",
            "generator.freeze=[body.0,body.3]",
            "data=folder", f"data.train.root='{photographs}'", "data.val=null", "data.crop=64", "data.patch=32",
            "data.batch_size=2", "discriminator.network.features=4", "loss=no_perceptual", "stages.psnr.iterations=3",
            "stages.gan.iterations=3",
        ],
        tmp_path / "run",
    )  # fmt: skip
    for stage in ("psnr", "gan"):
        checkpoint = torch.load(tmp_path / "run" / stage / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        raw = {name.removeprefix("generator."): t for name, t in checkpoint.items() if name.startswith("generator.")}
        average = load_file(tmp_path / "run" / stage / "generator.safetensors")
        for name, tensor in start.state_dict().items():
            stays = name.startswith(("body.0.", "body.3."))
            assert torch.equal(raw[name], tensor) == stays, (stage, name)
            assert torch.equal(average[name], tensor) == stays, (stage, name)
