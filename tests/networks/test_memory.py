import math

import pytest
import torch
from torch import nn

from wildsr.networks import CompactNet, RRDBNet
from wildsr.networks.memory import (
    MOST_NUMBERS,
    SHARE,
    bytes_per_pixel,
    free_memory,
    is_out_of_memory,
    result_bytes,
    tile_side,
)

GB = 2**30


def test_a_networks_memory_is_that_of_its_widest_layer():
    # Five float32 tensors of 64 channels: at 16 times the pixels, at 4 times, at as many.
    assert bytes_per_pixel(RRDBNet(blocks=1)) == 5 * 4 * 64 * 16
    assert bytes_per_pixel(RRDBNet(scale=2, blocks=1)) == 5 * 4 * 64 * 4
    assert bytes_per_pixel(CompactNet(convs=1)) == 5 * 4 * (64 + 48)
    with pytest.raises(ValueError, match="Linear: its memory is not known"):
        bytes_per_pixel(nn.Linear(1, 1))


def test_a_picture_that_fits_is_one_tile():
    assert tile_side(CompactNet(), 18, 300, 400, 4 * GB) == 400


def test_a_tile_with_its_surroundings_takes_its_share_of_the_free_memory():
    network = RRDBNet(blocks=1)
    tile = tile_side(network, 96, 5000, 5000, 8 * GB)
    assert 0 <= math.sqrt(SHARE * 8 * GB / (5 * 4 * 64 * 16)) - (tile + 2 * 96) < 1


def test_a_tensor_stays_countable_and_a_tile_worth_its_surroundings():
    network = RRDBNet(blocks=1)
    largest = tile_side(network, 96, 50_000, 50_000, 10_000 * GB) + 2 * 96
    assert largest**2 * 64 * 16 <= MOST_NUMBERS < (largest + 1) ** 2 * 64 * 16
    assert tile_side(network, 96, 5000, 5000, 0) == 32


def test_a_result_larger_than_memory_is_refused_with_both_sizes():
    assert result_bytes(1000, 2000, 4, GB) == 3 * 4 * 4 * 2_000_000
    with pytest.raises(ValueError, match=r"100000 x 50000 pixels would take 167\.6 GB of memory; 8\.0 GB are free"):
        result_bytes(100_000, 50_000, 3, 8 * GB)


def test_free_memory_is_between_nothing_and_the_machines():
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50


def test_a_container_leaves_its_limit_less_what_is_in_use_but_for_caches(tmp_path, monkeypatch):
    for name, text in {
        "memory.max": "1000",
        "memory.current": "700",
        "memory.stat": "anon 1\ninactive_file 200",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("wildsr.networks.memory.CONTAINER", tmp_path)
    assert free_memory(torch.device("cpu")) == 1000 - (700 - 200)
    (tmp_path / "memory.max").write_text("max")
    assert free_memory(torch.device("cpu")) > 2**20


def test_errors_of_other_kinds_are_no_lack_of_memory():
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("Failed to allocate memory for requested buffer of size 4000000"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."))
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert not is_out_of_memory(RuntimeError("expected input to have 3 channels"))
    assert not is_out_of_memory(ValueError("the memory of this is fine"))
