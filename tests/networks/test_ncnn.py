"""Reading ncnn files: written here by hand, byte for byte, from a known state dict."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from wildsr.images import from_pil, to_float
from wildsr.networks import CompactNet, RRDBNet, load_generator
from wildsr.networks.ncnn import read_ncnn
from wildsr.networks.released import GENERATORS, in_wheel

FP16 = 0x01306B47


def write_ncnn(state: dict[str, Tensor], param: Path, half: bool, last_line: str = "") -> None:
    """A chain of the state's convolutions and PReLUs in order. The graph's other layers hold no numbers."""
    lines, blob = ["Input data 0 1 data"], b""
    for name, tensor in state.items():
        if tensor.ndim == 4:
            sizes = f"0={tensor.shape[0]} 1={tensor.shape[2]} 4=1 5=1 6={tensor.numel()}"
            lines.append(f"Convolution {name} 1 1 a b {sizes} 9=2 -23310=1,2.000000e-01")
            numbers = tensor.numpy().astype("<f2" if half else "<f4").tobytes()
            blob += (FP16 if half else 0).to_bytes(4, "little") + numbers + bytes(-len(numbers) % 4)
        else:
            if name.endswith(".weight"):
                lines.append(f"PReLU {name} 1 1 a b 0={tensor.numel()}")
            blob += tensor.numpy().astype("<f4").tobytes()
    lines += [last_line] if last_line else []
    param.write_text("\n".join(["7767517", f"{len(lines)} {len(lines) + 1}", *lines]) + "\n", encoding="utf-8")
    param.with_suffix(".bin").write_bytes(blob)


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(CompactNet(scale=2, channels=1, features=3, convs=1).state_dict())  # 27 weights: needs padding


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("network", [CompactNet(2, 1, 3, 1), RRDBNet(4, 3, 3, 2, 1)], ids=["compact", "rrdb"])
def test_a_network_is_read_bit_for_bit_under_the_released_names(
    network: CompactNet | RRDBNet, half: bool, tmp_path: Path
) -> None:
    state = {k: (v.half().float() if half and v.ndim == 4 else v) for k, v in network.state_dict().items()}
    write_ncnn(state, tmp_path / "a.param", half)
    read = read_ncnn(tmp_path / "a.param")
    assert list(read) == list(state)
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_every_truncated_bin_is_refused_by_name(state: dict[str, Tensor], tmp_path: Path) -> None:
    write_ncnn(state, tmp_path / "a.param", half=True)
    content = (tmp_path / "a.bin").read_bytes()
    for length in range(len(content)):
        (tmp_path / "a.bin").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"a\.bin: damaged"):
            read_ncnn(tmp_path / "a.param")


def test_bytes_left_over_are_refused_and_counted(state: dict[str, Tensor], tmp_path: Path) -> None:
    write_ncnn(state, tmp_path / "a.param", half=True)
    with (tmp_path / "a.bin").open("ab") as file:
        file.write(bytes(12))
    with pytest.raises(ValueError, match=r"a\.bin: 12 bytes too many"):
        read_ncnn(tmp_path / "a.param")


def test_weights_of_an_unknown_type_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    write_ncnn(state, tmp_path / "a.param", half=True)
    content = (tmp_path / "a.bin").read_bytes()
    (tmp_path / "a.bin").write_bytes((0x000D4B38).to_bytes(4, "little") + content[4:])  # int8
    with pytest.raises(ValueError, match=r"a\.bin: damaged; no weights of a known type at byte 0"):
        read_ncnn(tmp_path / "a.param")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("7767517", "7767518", "not an ncnn graph"),
        ("6 7", "7 8", "6 layers and announces 7 8"),
        ("0=3 1=3", "0=-3 1=3", "cannot have 27 weights"),
        ("0=3 1=3", "0=3 1=-3", "cannot have 27 weights"),
        ("0=3 1=3", "0=0 1=0", "cannot have 27 weights"),
        ("0=3 1=3", "0=3 11=5 1=3", "cannot have 27 weights"),
        ("6=27", "6=28", "cannot have 28 weights"),
        ("6=27", "6=" + "9" * 30, "cannot have|bytes wanted"),
        ("6=27", "6=many", "lacks setting 6"),
        ("6=27", "", "lacks setting 6"),
        ("6=27", "six", "line 4 is no layer"),
        ("PReLU body.1.weight 1 1", "PReLU body.1.weight 1", "line 5 is no layer"),
        ("PReLU body.1", "Deconvolution body.1", "line 5 is a Deconvolution"),
    ],
)
def test_a_damaged_graph_is_refused_by_name(
    before: str, after: str, message: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    write_ncnn(state, tmp_path / "a.param", half=True)
    text = (tmp_path / "a.param").read_text()
    assert before in text
    (tmp_path / "a.param").write_text(text.replace(before, after, 1))
    with pytest.raises(ValueError, match=rf"a\.(param|bin): .*({message})"):
        read_ncnn(tmp_path / "a.param")


def test_a_final_resize_is_refused_rather_than_dropped(state: dict[str, Tensor], tmp_path: Path) -> None:
    write_ncnn(state, tmp_path / "a.param", half=True, last_line="Interp end 1 1 a b 0=3 1=5.0e-01 2=5.0e-01")
    with pytest.raises(ValueError, match=r"line 9 resizes in mode 3: wanted 1 \(nearest\)"):
        read_ncnn(tmp_path / "a.param")


def test_convolutions_that_make_no_network_are_counted(tmp_path: Path) -> None:
    state = {"a.weight": torch.zeros(2, 2, 3, 3), "a.bias": torch.zeros(2)}
    write_ncnn(state, tmp_path / "a.param", half=False)
    with pytest.raises(ValueError, match=r"a\.param: 1 convolutions make neither"):
        read_ncnn(tmp_path / "a.param")


@pytest.mark.parametrize("gone", ["a.param", "a.bin"])
def test_a_missing_half_is_named(gone: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    write_ncnn(state, tmp_path / "a.param", half=True)
    (tmp_path / gone).unlink()
    with pytest.raises(ValueError, match=f"{gone}: no such file"):
        read_ncnn(tmp_path / "a.param")


@pytest.mark.parametrize("text", ["", "\n", "7767517", "7767517\n", "7767517\n0 0", "7767517\nx y\n", "\0\xff"])
def test_a_graph_without_layers_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.param").write_text(text, encoding="latin-1")
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.param: "):
        read_ncnn(tmp_path / "a.param")


def test_the_tiny_weights_do_need_padding(state: dict[str, Tensor]) -> None:
    assert math.prod(state["body.0.weight"].shape) * 2 % 4 == 2


def run_ncnn(param: Path, lq: Tensor) -> Tensor:
    """The image that ncnn itself makes on the CPU, all in float32: (C, H, W) -> (C, sH, sW)."""
    ncnn = pytest.importorskip("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = 1
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    for option in ("winograd_convolution", "sgemm_convolution"):  # they take seconds to prepare
        setattr(net.opt, f"use_{option}", False)
    assert net.load_param(str(param)) == 0 and net.load_model(str(param.with_suffix(".bin"))) == 0
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(lq.numpy()).clone())
    sr = np.array(extractor.extract("output")[1])
    del extractor  # before its network, or ncnn crashes
    return torch.from_numpy(sr)


@pytest.mark.parametrize(
    "name",
    ["realesrgan-x4plus-anime", "realesr-animevideov3", pytest.param("realesrgan-x4plus", marks=pytest.mark.slow)],
)
def test_the_released_networks_make_ncnns_image_of_a_photograph(name: str) -> None:
    param = in_wheel(GENERATORS[name])
    if param is None:
        pytest.skip("the released weights are not installed")
    photograph = Image.fromarray(skimage.data.astronaut()).resize((128, 128), Image.Resampling.BICUBIC)
    lq = to_float(from_pil(photograph.crop((40, 8, 72, 40))))
    with torch.no_grad():
        sr = load_generator(param)(lq[None])[0]
    torch.testing.assert_close(sr, run_ncnn(param, lq), rtol=0, atol=1e-4)
    assert sr.std() > 0.1  # an image, and not two times nothing
