import torch
from torch import nn

from wildsr.networks.memory import (
    free_memory,
    is_out_of_memory,
    numbers_per_pixel,
)

GB = 2**30


def test_the_widest_layer_is_what_a_network_says_or_else_measured():
    network = nn.Sequential(nn.Conv2d(3, 7, 1), nn.Upsample(scale_factor=2), nn.Conv2d(7, 5, 1), nn.Conv2d(5, 3, 1))
    network.channels = 3
    assert numbers_per_pixel(network) == 7 * 2 * 2
    network.numbers_per_pixel = 100
    assert numbers_per_pixel(network) == 100
    assert all(not module._forward_hooks for module in network.modules())


def test_free_memory_is_between_nothing_and_the_machines():
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50


def test_a_container_leaves_its_limit_less_what_is_in_use_but_for_caches(tmp_path, monkeypatch):
    for name, text in {
        "memory.max": "1000",
        "memory.current": "700",
        "memory.stat": "anon 1\ninactive_file 200",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("wildsr.memory.CONTAINER", tmp_path)
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
