"""ONNX graphs against torch, as onnxruntime runs them."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from wildsr.apps.upscale.graphs.onnx import LQ, SR, differs, to_onnx
from wildsr.networks import CompactNet, RRDBNet, build_spandrel

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

NETWORKS = {
    "rrdb x4": lambda: RRDBNet(4, 3, features=6, blocks=2, growth=3),
    "rrdb x2": lambda: RRDBNet(2, 3, features=6, blocks=1, growth=3),
    "rrdb x1, grey": lambda: RRDBNet(1, 1, features=6, blocks=1, growth=3),
    "rrdb x8": lambda: RRDBNet(8, 3, features=4, blocks=1, growth=2),
    "compact x4": lambda: CompactNet(4, 3, features=6, convs=2),
    "compact x3, grey": lambda: CompactNet(3, 1, features=5, convs=1),
}
SIZES = [(2, 24, 40), (1, 25, 31), (1, 3, 2), (1, 1, 1)]  # B, H, W; the padding of x1 repeats its reflection in two


@pytest.fixture(params=NETWORKS)
def generator(request) -> nn.Module:
    """A network whose every weight matters: released initial values would hide the body."""
    torch.manual_seed(0)
    network = NETWORKS[request.param]()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network.eval()


def test_onnxruntime_gives_what_torch_gives_for_any_size(generator):
    session = onnxruntime.InferenceSession(to_onnx(generator))
    for batch, height, width in SIZES:
        lq = torch.rand(batch, generator.channels, height, width)
        with torch.inference_mode():
            wanted = generator(lq)
        (given,) = session.run([SR], {LQ: lq.numpy()})
        assert given.shape == wanted.shape
        # Float32 sums in another order: a few units in the last place of the largest value.
        assert (torch.from_numpy(given) - wanted).abs().max() <= 3e-6 * wanted.abs().max()


def test_the_graph_obeys_the_format_and_bears_the_released_names(generator):
    model = onnx.load_from_string(to_onnx(generator, {"licence": "CC0-1.0"}))
    onnx.checker.check_model(model, full_check=True)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, tensor in generator.state_dict().items():
        assert torch.equal(torch.from_numpy(weights[name].copy()).flatten(), tensor.flatten()), name
    assert {entry.key: entry.value for entry in model.metadata_props} == {"licence": "CC0-1.0"}


def test_a_network_that_cannot_be_traced_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^Linear: cannot be converted \(.*\)$"):
        to_onnx(nn.Linear(1, 1))


class Traced(nn.Module):
    """One that has no `write_graph`; it pads as some do, by a number that tracing makes constant."""

    scale, channels = 2, 3

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.conv, self.multiple = nn.Conv2d(3, 12, 3, padding=1), multiple

    def forward(self, lq: torch.Tensor) -> torch.Tensor:
        height, width = lq.shape[-2:]
        padded = nn.functional.pad(lq, (0, -int(width) % self.multiple, 0, -int(height) % self.multiple), value=1.0)
        return nn.functional.pixel_shuffle(self.conv(padded), 2)[..., : 2 * height, : 2 * width]


def test_any_other_network_is_traced_and_what_tracing_made_constant_shows():
    for multiple, message in [(1, ""), (8, "another result for 2 of 45 x 37 pixels")]:
        network = Traced(multiple).eval()
        session = onnxruntime.InferenceSession(to_onnx(network, {"licence": "MIT"}))
        found = differs(network, lambda lq, session=session: torch.from_numpy(session.run([SR], {LQ: lq.numpy()})[0]))
        assert message in found and bool(message) == bool(found)


def test_a_result_of_one_colour_proves_nothing():
    network = Traced(1).eval()
    nn.init.zeros_(network.conv.weight)
    nn.init.zeros_(network.conv.bias)
    assert differs(network, network) == "cannot be compared, where all images come out as one colour,"


@pytest.mark.parametrize("name", ["SwinIR", "OmniSR"])
def test_windowed_networks_pad_inside_their_graph_whatever_they_are_given(name):
    """To the least size that they take, too, and one pixel to a window."""
    pytest.importorskip("spandrel")
    torch.manual_seed(0)
    window = {"img_size": 16, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 8, "mlp_ratio": 2}
    options = {"SwinIR": {**window, "upsampler": "pixelshuffledirect"}, "OmniSR": {"num_feat": 16, "res_num": 1}}
    network = build_spandrel(name, 2, **options[name]).eval()
    session = onnxruntime.InferenceSession(to_onnx(network))
    for height, width in [(1, 1), (1, 20), (20, 1), (5, 7), (31, 2), (133, 200)]:
        lq = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            wanted = network(lq)
        (given,) = session.run([SR], {LQ: lq.numpy()})
        assert given.shape == wanted.shape and wanted.std() > 0.02
        assert (torch.from_numpy(given) - wanted).abs().max() < 1e-5, (height, width)


def test_without_onnx_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"pip install onnx$"):
        to_onnx(CompactNet(2, 1, 2, 1))
