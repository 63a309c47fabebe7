import torch

from wildsr.networks import CompactNet
from wildsr.networks.eager import Eager
from wildsr.networks.overlap import Tiling


def small():
    torch.manual_seed(0)
    return CompactNet(scale=2, features=4, convs=1).eval()


@torch.inference_mode()
def test_it_gives_what_the_network_gives():
    network, lq = small(), torch.rand(2, 3, 9, 7)
    upscaler = Eager(network)
    assert torch.equal(upscaler(lq), network(lq))
    assert (upscaler.scale, upscaler.channels, upscaler.tiling) == (2, 3, Tiling(3))


@torch.inference_mode()
def test_half_precision_is_close_and_comes_back_as_float32():
    network, lq = small(), torch.rand(1, 3, 9, 7)
    half = Eager(network, half=True)
    sr = half(lq)
    assert sr.dtype == torch.float32
    assert not torch.equal(sr, network(lq))
    assert torch.allclose(sr, network(lq), atol=0.02)


@torch.inference_mode()
def test_what_overflows_in_half_precision_is_computed_again_in_full():
    network, lq, passes = small(), torch.rand(1, 3, 9, 7), []

    class Overflowing(CompactNet):
        def forward(self, lq):
            sr, in_half = super().forward(lq), torch.is_autocast_enabled("cpu")
            passes.append(in_half)
            return sr * float("inf") if in_half else sr

    weak = Overflowing(scale=2, features=4, convs=1).eval()
    weak.load_state_dict(network.state_dict())
    upscaler = Eager(weak, half=True)
    assert torch.allclose(upscaler(lq), network(lq), atol=1e-6)
    assert passes == [True, False]
