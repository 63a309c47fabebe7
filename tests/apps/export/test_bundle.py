"""Files of a bundle, read by this project and by others."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

import pytest
import safetensors
import torch
from torch import nn

from wildsr.apps.export import bundle
from wildsr.apps.export.arguments import DEFAULT, ENDINGS, FORMATS
from wildsr.apps.export.bundle import ALLOWED, check_formats, describe, write_file
from wildsr.networks import CompactNet, RRDBNet, build_spandrel, load_generator

NETWORKS = {
    "rrdb": lambda: RRDBNet(4, 3, features=8, blocks=2, growth=32),  # spandrel knows growth 32 alone
    "rrdb x2": lambda: RRDBNet(2, 3, features=8, blocks=1, growth=32),
    "compact": lambda: CompactNet(4, 3, features=8, convs=2),
}


@pytest.fixture(params=NETWORKS)
def generator(request) -> nn.Module:
    return brightened(NETWORKS[request.param])


def brightened(make: Callable[[], nn.Module]) -> nn.Module:
    """Build a network whose image is seen: an untrained RRDBNet's is below 0, and all would be equal once clamped."""
    torch.manual_seed(0)
    network = make().eval()
    if isinstance(network, RRDBNet):
        nn.init.constant_(network.conv_last.bias, 0.5)
    return network


@pytest.fixture
def lqs() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.rand(3, 24, 32), torch.rand(3, 19, 13)]


@pytest.mark.parametrize("kind", ["safetensors", "pth", "onnx", "onnx_fp16"])
def test_a_file_is_compared_and_carries_its_metadata(kind, generator, lqs, tmp_path):
    if kind.startswith("onnx"):
        pytest.importorskip("onnxruntime")
    file, metadata = tmp_path / f"a{ENDINGS[kind][0]}", describe(generator) | {"licence": "CC0-1.0"}
    written = write_file(generator, file, metadata, lqs)
    assert written.difference <= ALLOWED[kind] * 255
    assert (written.size, written.sha256) == (len(file.read_bytes()), hashlib.sha256(file.read_bytes()).hexdigest())
    if kind == "safetensors":
        with safetensors.safe_open(file, "pt") as opened:
            found = opened.metadata()
    elif kind == "pth":
        found = torch.load(file, weights_only=True)["metadata"]
    else:
        import onnx

        found = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert found == metadata
    assert (found["architecture"], found["scale"]) == (type(generator).__name__, str(generator.scale))


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_spandrel_loads_it_and_gives_the_same_image(kind, generator, lqs, tmp_path):
    spandrel = pytest.importorskip("spandrel")
    write_file(generator, tmp_path / f"a.{kind}", {}, lqs)
    model = spandrel.ModelLoader().load_from_file(tmp_path / f"a.{kind}")
    assert model.scale == generator.scale
    # Spandrel fills odd sides of x2 networks up in a way of its own.
    for lq in lqs if generator.scale == 4 else lqs[:1]:
        with torch.inference_mode():
            given, wanted = model(lq[None]), generator(lq[None])
        assert (given - wanted.clamp(0, 1)).abs().max() < 1e-6


def test_onnxruntime_gives_the_same_within_1e_5_on_two_sizes(generator, lqs, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    write_file(generator, tmp_path / "a.onnx", {}, lqs[:1])
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    for lq in lqs:
        (given,) = session.run(["sr"], {"lq": lq[None].numpy()})
        with torch.inference_mode():
            assert (torch.from_numpy(given) - generator(lq[None]).clamp(0, 1)).abs().max() < 1e-5


@pytest.mark.parametrize("make", [lambda: CompactNet(2, 3, features=4, convs=1), lambda: Scaled()])
def test_an_exported_graph_stays_in_0_to_1_where_the_network_leaves_it(make, lqs, tmp_path):
    """A written graph and a traced one: bytes made of -0.1 without a look would be 231."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    generator = make().eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=0.3)
        raw = generator(lqs[0][None])
    assert raw.min() < -0.1 and 1.1 < raw.max() < 9
    write_file(generator, tmp_path / "a.onnx", {}, lqs)
    onnx.checker.check_model(onnx.load(tmp_path / "a.onnx"), full_check=True)
    (given,) = onnxruntime.InferenceSession(tmp_path / "a.onnx").run(["sr"], {"lq": lqs[0][None].numpy()})
    assert given.min() == 0 and given.max() == 1


@pytest.mark.parametrize("kind", DEFAULT)
def test_a_file_that_gives_another_image_is_refused(kind, lqs, tmp_path, monkeypatch):
    generator = CompactNet(2, 3, features=4, convs=1).eval()
    ends = (0, 1) if kind == "onnx" else (-9, 9)  # an ONNX graph clamps
    monkeypatch.setattr(bundle, "_opened", lambda file, name: lambda lq: generator(lq).clamp(*ends) + 2e-5)
    with pytest.raises(ValueError, match=r"^a\.\w+: loaded again it differs by 0\.0051\d* levels on a photograph"):
        write_file(generator, tmp_path / f"a.{kind}", {}, lqs)
    monkeypatch.setattr(bundle, "_opened", lambda file, name: lambda lq: generator(lq) * float("nan"))
    with pytest.raises(ValueError, match="differs by nan levels"):
        write_file(generator, tmp_path / f"a.{kind}", {}, lqs)


@pytest.mark.parametrize("kind", ["onnx", "onnx_fp16", "ncnn"])
def test_black_against_black_is_no_comparison(kind, lqs, tmp_path, monkeypatch):
    network = brightened(NETWORKS["rrdb"])
    with torch.no_grad():
        network.conv_last.bias -= 2.5
        network.conv_last.weight *= 0 if kind == "ncnn" else 1  # its graph does not clamp
    monkeypatch.setattr(bundle, "_write", lambda generator, name, file, metadata: file.write_bytes(b""))
    monkeypatch.setattr(bundle, "_opened", lambda file, name: lambda lq: clamped(network, lq, name))
    with pytest.raises(ValueError, match=r"cannot be compared: on photographs the checkpoint gives one colour; choose"):
        write_file(network, tmp_path / f"a{ENDINGS[kind][0]}", {}, lqs)


def clamped(network: nn.Module, lq: torch.Tensor, kind: str) -> torch.Tensor:
    return network(lq) if kind == "ncnn" else network(lq).clamp(0, 1)


def test_sizes_are_told_as_they_were_given():
    wanted = {"scale": "2", "channels": "1", "features": "6", "blocks": "3", "growth": "5"}
    assert wanted.items() <= describe(RRDBNet(2, 1, 6, 3, 5)).items()
    assert {"features": "6", "convs": "4"}.items() <= describe(CompactNet(2, 1, 6, 4)).items()
    other = nn.Linear(1, 1)
    other.scale, other.channels = 3, 1
    assert describe(other).items() >= {"architecture": "Linear", "scale": "3", "channels": "1"}.items()


def test_weights_come_back_bit_for_bit(generator, lqs, tmp_path):
    for kind in ("safetensors", "pth"):
        write_file(generator, tmp_path / f"a.{kind}", {}, lqs)
        again = load_generator(tmp_path / f"a.{kind}").state_dict()
        assert all(torch.equal(again[name], tensor) for name, tensor in generator.state_dict().items())


def test_what_a_format_needs_is_one_line_with_its_pip_install(monkeypatch):
    monkeypatch.setattr(bundle, "is_installed", lambda module: False)
    check_formats(["safetensors", "pth"])
    with pytest.raises(ValueError, match="needs onnx and onnxruntime; pip install onnx onnxruntime, or choose among"):
        check_formats(FORMATS)


def test_a_network_of_spandrel_is_exported_where_its_graph_can_be_traced(lqs, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("spandrel")
    from spandrel.architectures.SPAN import SPAN
    from spandrel.architectures.SwinIR import SwinIR

    torch.manual_seed(0)
    window = {"img_size": 16, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 8, "mlp_ratio": 2}
    torch.save(SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2).state_dict(), tmp_path / "span.pth")
    torch.save(SwinIR(upscale=2, upsampler="pixelshuffledirect", **window).state_dict(), tmp_path / "swinir.pth")
    span, swinir = (load_generator(tmp_path / f"{name}.pth") for name in ("span", "swinir"))
    assert describe(span)["architecture"] == "SPAN"
    for kind in DEFAULT:
        for name, network in (("span", span), ("swinir", swinir)):
            written = write_file(network, tmp_path / f"{name}.{kind}", describe(network), lqs)
            assert written.difference <= (0.0255 if kind == "onnx" else 0)  # 1e-4 of the largest value, in levels
    assert write_file(span, tmp_path / "a.fp16.onnx", {}, lqs).difference < 4
    with pytest.raises(ValueError, match=r"^SpandrelNet: cannot be converted \(Unsupported: .*adaptive pooling"):
        write_file(build_spandrel("SAFMN", 2, dim=12, n_blocks=1).eval(), tmp_path / "b.onnx", {}, lqs)


def test_ncnn_files_are_whole_networks_by_the_names_that_viewers_ask_for(lqs, tmp_path):
    ncnn = pytest.importorskip("ncnn")
    torch.manual_seed(0)
    for name in ("rrdb", "compact"):
        network = brightened(NETWORKS[name])
        written = write_file(network, tmp_path / f"{name}.param", {}, lqs)
        assert written.difference < 0.01
        net = ncnn.Net()
        assert not net.load_param(str(tmp_path / f"{name}.param"))
        assert not net.load_model(str(tmp_path / f"{name}.bin"))
        assert (net.input_names(), net.output_names()) == (["data"], ["output"])
    again = load_generator(tmp_path / "compact.param").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in network.state_dict().items())


def test_other_networks_go_to_ncnn_by_pnnx(lqs, tmp_path, monkeypatch):
    pytest.importorskip("ncnn")
    pytest.importorskip("spandrel")
    torch.manual_seed(0)
    network = build_spandrel("SPAN", 2, feature_channels=8).eval()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pnnx", None)
        with pytest.raises(ValueError, match=r"needs pnnx; pip install pnnx==\d+$"):
            write_file(network, tmp_path / "a.param", {}, lqs)
    pytest.importorskip("pnnx")
    assert write_file(network, tmp_path / "a.param", {}, lqs).difference < 0.255
    with pytest.raises(ValueError, match=r"ncnn|a\.param: loaded again it differs"):
        write_file(build_spandrel("DAT", 2, **TINY_DAT).eval(), tmp_path / "b.param", {}, lqs)


TINY_DAT = {"embed_dim": 32, "depth": [2], "num_heads": [2], "split_size": [4, 4], "upsampler": "pixelshuffledirect"}


class Scaled(nn.Module):
    """One without `write_graph`, which torch traces."""

    scale, channels = 1, 3

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, lq: torch.Tensor) -> torch.Tensor:
        return self.conv(lq)
