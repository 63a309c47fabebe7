"""Two rows of the table in docs/networks.md, done anew; `make networks` does all."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


# What two of the networks fall short of; the page says why.
SHORT = {"FDAT": ["fine-tunes at x2"], "RCAN": ["spandrel"]}


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
        assert [column for column, is_no in answers.items() if is_no] == SHORT.get(name, []), name
        assert all(found[column] == "equal" for column in ("safetensors", "pth"))


def row(networks, name: str) -> dict[str, str]:
    """Return a network's row of the page, by column."""
    (line,) = re.findall(rf"^\| {name} \|(.*)\|$", (ROOT / "docs" / "networks.md").read_text(), re.M)
    return dict(zip(networks.COLUMNS, map(str.strip, line.split("|")), strict=True))
