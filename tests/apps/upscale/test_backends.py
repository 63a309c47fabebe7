"""Every backend against torch. Each test of one is skipped where it is not installed."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from wildsr.apps.upscale import backends
from wildsr.apps.upscale.backends import fastest, open_backend
from wildsr.apps.upscale.choices import BACKENDS, FASTEST, NAMES, is_installed
from wildsr.data import sample_photographs
from wildsr.images import to_float
from wildsr.networks import CompactNet, RRDBNet, load_generator
from wildsr.networks.eager import Eager

CPU = torch.device("cpu")
NETWORKS = {
    "rrdb x4": lambda: RRDBNet(4, 3, features=6, blocks=2, growth=3),
    "rrdb x2": lambda: RRDBNet(2, 3, features=6, blocks=1, growth=3),
    "rrdb x1, grey": lambda: RRDBNet(1, 1, features=6, blocks=1, growth=3),
    "compact x4": lambda: CompactNet(4, 3, features=6, convs=2),
}
LEVEL = 1 / 255


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    for module in BACKENDS[request.param]:
        pytest.importorskip(module)
    return request.param


@pytest.fixture(params=NETWORKS)
def generator(request) -> nn.Module:
    """A network whose every weight matters, its output about in [0, 1]."""
    torch.manual_seed(0)
    network = NETWORKS[request.param]()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.15)
    return network.eval()


def test_a_backend_gives_what_torch_gives_for_any_size_and_batch(backend, generator):
    sizes = [(2, 24, 40), (1, 25, 31), (1, 3, 2)]
    images = [torch.rand(batch, generator.channels, height, width) for batch, height, width in sizes]
    with torch.inference_mode():
        wanted = [generator(lq) for lq in images]
    upscaler = open_backend(generator, backend)
    assert (upscaler.scale, upscaler.channels) == (generator.scale, generator.channels)
    for lq, sr in zip(images, wanted, strict=True):
        given = upscaler(lq)
        assert given.shape == sr.shape
        assert given.dtype == torch.float32
        assert (given - sr).abs().max() < 0.01 * LEVEL


def test_a_view_into_an_image_is_read_as_it_is_seen(backend):
    network = CompactNet(2, 3, features=4, convs=1).eval()
    picture = torch.rand(3, 30, 40)
    upscaler, view = open_backend(network, backend), picture[None, :, 5:17, 8:31]
    assert torch.equal(upscaler(view), upscaler(view.contiguous()))


def test_results_keep_when_the_next_image_comes(backend):
    upscaler = open_backend(CompactNet(2, 3, features=4, convs=1).eval(), backend)
    first = upscaler(torch.rand(1, 3, 8, 8))
    copy = first.clone()
    upscaler(torch.rand(1, 3, 8, 8))
    assert torch.equal(first, copy)


def test_a_released_network_gives_the_same_photograph_on_every_backend(backend):
    lq = to_float(sample_photographs(["coffee.png"])[0])[None, :, 100:148, 100:164]
    generator = load_generator("realesr-animevideov3")
    with torch.inference_mode():
        wanted = generator(lq)
    assert (open_backend(generator, backend)(lq) - wanted).abs().max() < 0.01 * LEVEL


@pytest.mark.slow
def test_the_large_released_network_does_too(backend):
    lq = to_float(sample_photographs(["coffee.png"])[0])[None, :, 100:164, 100:164]
    generator = load_generator("realesrgan-x4plus")
    with torch.inference_mode():
        wanted = generator(lq)
    assert (open_backend(generator, backend)(lq) - wanted).abs().max() < 0.01 * LEVEL


def test_auto_takes_the_first_of_the_order_that_is_installed(monkeypatch):
    there: set[str] = set()
    monkeypatch.setattr(backends, "is_installed", lambda module: module in there)
    rrdb, compact = RRDBNet(4, 3, 4, 1, 2), CompactNet(2, 3, 4, 1)
    assert fastest(rrdb, CPU) == fastest(compact, CPU) == "torch"
    there.add("ncnn")
    assert fastest(rrdb, CPU) == fastest(compact, CPU) == "ncnn"
    there |= {"onnx", "openvino", "onnxruntime"}
    assert (fastest(rrdb, CPU), fastest(compact, CPU)) == ("openvino", "ncnn")
    assert fastest(rrdb, torch.device("cuda")) == "torch"
    assert fastest(nn.Conv2d(1, 1, 1), CPU) == "torch"


def test_auto_and_the_orders_name_every_backend():
    assert ("auto", *BACKENDS) == NAMES
    assert all(sorted(order) == sorted(BACKENDS) for order in FASTEST.values())


def test_a_backend_that_is_not_installed_is_one_line_with_its_pip_install(monkeypatch):
    monkeypatch.setattr(backends, "is_installed", lambda module: False)
    wanted = {"ncnn": "needs ncnn; pip install ncnn", "openvino": "needs onnx and openvino; pip install onnx openvino"}
    for name, message in wanted.items():
        with pytest.raises(ValueError, match=f"^backend {name} {message}$"):
            open_backend(CompactNet(2, 3, 4, 1), name)
    assert isinstance(open_backend(CompactNet(2, 3, 4, 1)), Eager)


def test_a_runtime_that_cannot_be_loaded_is_one_line(monkeypatch):
    pytest.importorskip("ncnn")
    monkeypatch.setattr(backends, "is_installed", lambda module: True)
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(ValueError, match=r"^backend ncnn cannot be loaded \(.*ncnn.*\); wanted torch$"):
        open_backend(CompactNet(2, 3, 4, 1), "ncnn")


def test_an_unknown_backend_and_an_unknown_network_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"^backend 'tensorrt'; choose from auto, torch, "):
        open_backend(CompactNet(2, 3, 4, 1), "tensorrt")
    if is_installed("ncnn"):
        unknown = nn.Conv2d(1, 1, 1)
        unknown.scale = unknown.channels = 1
        monkeypatch.setitem(sys.modules, "pnnx", None)
        message = r"^backend ncnn: the ncnn form of Conv2d needs pnnx; pip install pnnx==\d+; wanted torch$"
        with pytest.raises(ValueError, match=message):
            open_backend(unknown, "ncnn")


def test_half_precision_is_torch_alone_and_close():
    network = CompactNet(2, 3, features=8, convs=2).eval()
    lq = torch.rand(1, 3, 16, 16)
    exact, half = open_backend(network)(lq), open_backend(network, half=True)(lq)
    assert 0 < (half - exact).abs().max() < 3 * LEVEL
    assert half.dtype == torch.float32
    with pytest.raises(ValueError, match=r"^backend ncnn has no half precision here; wanted torch$"):
        open_backend(network, "ncnn", half=True)


def test_half_precision_that_overflows_is_computed_again_in_float32(monkeypatch):
    network = CompactNet(2, 3, features=4, convs=1).eval()
    lq = torch.rand(1, 3, 8, 8)
    exact, upscaler = open_backend(network)(lq), open_backend(network, half=True)
    monkeypatch.setattr(network, "forward", lambda x: exact * (float("inf") if torch.is_autocast_enabled("cpu") else 1))
    assert torch.equal(upscaler(lq), exact)


@pytest.mark.parametrize("channels", [2, 5])
def test_a_network_whose_channels_no_image_has_is_refused_in_one_line(channels):
    with pytest.raises(ValueError, match=rf"a network of {channels} channels; choose from 1 .*, 3 .*, 4") as caught:
        open_backend(CompactNet(2, channels, 2, 1).eval(), "torch")
    assert "\n" not in str(caught.value)
