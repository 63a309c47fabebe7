"""Two rows of the table in docs/networks.md, done anew; `make networks` does all."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from wildsr.networks import RRDBNet

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def networks():
    spec = importlib.util.spec_from_file_location("benchmarks_networks", ROOT / "benchmarks" / "networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SPAN", "SwinIR"])
def test_a_network_does_what_the_table_says(name: str, networks, tmp_path: Path) -> None:
    for module in ("spandrel", "onnx", "onnxruntime", "ncnn", "pnnx"):
        pytest.importorskip(module)
    found = networks.try_network(name, tmp_path)
    wanted = row(networks, name)
    assert {column: text.partition(":")[0] == "no" for column, text in found.items()} == {
        column: text == "no" for column, text in wanted.items()
    }, found
    assert float(found["onnx"]) < 0.03


def test_the_page_has_a_row_for_every_network_and_each_learns_and_comes_back(networks) -> None:
    for name in networks.NETWORKS:
        found = row(networks, name)
        answers = {column: found[column] == "no" for column in (*networks.COLUMNS[:6], "spandrel")}
        assert [column for column, is_no in answers.items() if is_no] == [], name
        assert all(found[column] == "equal" for column in ("safetensors", "pth"))


def test_a_result_that_shows_nothing_is_refused_and_can_be_made_to_show(networks) -> None:
    torch.manual_seed(0)
    network, lq = RRDBNet(2, 3, features=8, blocks=1, growth=4).eval(), torch.rand(3, 16, 16)
    nn.init.constant_(network.conv_last.bias, -2)
    with pytest.raises(ValueError, match=r"^0% of its result is neither black nor white, of a deviation of 0 levels$"):
        networks.require_varied(network, lq)
    networks.vary(network, lq)
    networks.require_varied(network, lq)
    sr = network(lq[None])
    assert not network.training and sr.mean((0, 2, 3)).tolist() == pytest.approx([0.5] * 3, abs=1e-4)
    assert float(sr.std((-2, -1)).mean()) == pytest.approx(0.2, abs=1e-4)


def row(networks, name: str) -> dict[str, str]:
    """Return a network's row of the page, by column."""
    (line,) = re.findall(rf"^\| {name} \|(.*)\|$", (ROOT / "docs" / "networks.md").read_text(), re.M)
    return dict(zip(networks.COLUMNS, map(str.strip, line.split("|")), strict=True))
