"""The command, with a network small enough to run a hundred times."""

import pytest
import torch

from wildsr.cli import main
from wildsr.networks import CompactNet, save_generator


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_generator(CompactNet(scale=2, features=4, convs=1), tmp_path / "small.safetensors")
    return str(tmp_path / "small.safetensors")


@pytest.fixture
def run(weights, capfd):
    """Calls the command; returns its exit code, and what it said on both streams."""

    def call(*words, weights=weights):
        code = main(["upscale", "--weights", weights, "--backend", "torch", *map(str, words)])
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call
