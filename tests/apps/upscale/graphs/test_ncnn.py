"""ncnn graphs: read back by this project's reader. That ncnn runs them as torch does is a claim of the backends."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wildsr.apps.upscale.graphs.ncnn import to_ncnn
from wildsr.networks import CompactNet, RRDBNet
from wildsr.networks.ncnn import read_ncnn


def test_a_compact_network_is_read_back_bit_for_bit(tmp_path):
    network = CompactNet(2, 1, 3, 1)
    model = to_ncnn(network)
    (tmp_path / "a.param").write_text(model.param)
    (tmp_path / "a.bin").write_bytes(model.bin)
    read, state = read_ncnn(tmp_path / "a.param"), network.state_dict()
    assert list(read) == list(state)
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_every_blob_has_one_writer_and_one_reader():
    lines = [line.split() for line in to_ncnn(RRDBNet(4, 3, 3, 2, 1)).param.splitlines()]
    written, read = [], []
    for fields in lines[2:]:
        inputs, outputs = int(fields[2]), int(fields[3])
        read += fields[4 : 4 + inputs]
        written += fields[4 + inputs : 4 + inputs + outputs]
    assert len(set(written)) == len(written) == int(lines[1][1])
    assert len(set(read)) == len(read)
    assert set(written) - set(read) == {"output"}
    assert set(read) <= set(written)


def test_other_networks_are_refused_by_name():
    with pytest.raises(ValueError, match=r"^Linear cannot be converted to ncnn; it has no write_graph$"):
        to_ncnn(nn.Linear(1, 1))
