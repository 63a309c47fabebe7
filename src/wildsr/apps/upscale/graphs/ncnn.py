"""Generators in ncnn's form: a text graph (.param) and its numbers (.bin), as `networks.ncnn` reads them.

Of a network with `write_trunk`, such as RRDBNet, only the trunk: after it ncnn's convolutions, at full size, would
take four times torch's memory (44 KiB for each LQ pixel at x4, against 11) and save 3 % of the time. Weights stay
float32. ncnn has no reflecting padding of variable width: whoever runs an x2 or x1 network gives it sizes that divide
by its pixel-unshuffle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wildsr.io import UserError
from wildsr.networks.ncnn import MAGIC

LQ, LAST = "data", "output"  # names of input and output, by which realesrgan-ncnn-vulkan and Upscayl ask for them
FLOAT32 = bytes(4)  # what precedes a convolution's weights: kept as they are
LEAKY, SUM, NEAREST = 2, 1, 1  # ncnn's numbers: a convolution's activation, an Eltwise's operation, an Interp's mode


class NcnnModel(NamedTuple):
    """The content of a .param and of its .bin. The input is LQ, the output LAST, (C, H, W) float32."""

    param: str
    bin: bytes


def to_ncnn(generator: nn.Module, whole: bool = False) -> NcnnModel:
    """Convert a network that has `write_graph`, of one with `write_trunk` the trunk; layers bear the released names.

    Args:
        whole: of one with `write_trunk` what comes after the trunk, too.

    Raises:
        ValueError: it has neither.
    """
    writer = _NcnnWriter(generator)
    graph = getattr(generator, "write_graph", None)
    write = graph if whole else getattr(generator, "write_trunk", graph)
    if write is None:
        raise UserError(f"{type(generator).__name__} cannot be converted to ncnn; it has no write_graph")
    write(writer, LQ)
    first, last = _Layer("Input", LQ, [], [LQ], ""), writer.layers[-1]._replace(outputs=[LAST])
    layers = _split([first, *writer.layers[:-1], last])
    blobs = sum(len(layer.outputs) for layer in layers)
    lines = [MAGIC, f"{len(layers)} {blobs}", *(layer.line() for layer in layers), ""]
    return NcnnModel("\n".join(lines), b"".join(writer.numbers))


def open_ncnn(model: NcnnModel) -> Callable[[Tensor], Tensor]:
    """Return what runs a model on an image, (C, H, W) float32 on the CPU, in as many threads as torch is set to.

    Raises:
        ImportError: ncnn is not installed.
        ValueError: ncnn cannot load it, such as one with a layer that it does not know.
        MemoryError: as it runs, ncnn gives no result.
    """
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = torch.get_num_threads()
    network.opt.use_fp16_storage = network.opt.use_fp16_packed = network.opt.use_fp16_arithmetic = False
    with TemporaryDirectory() as folder:  # ncnn copies weights out of a file, and keeps pointers into memory
        file = Path(folder, "network.bin")
        file.write_bytes(model.bin)
        if network.load_param_mem(model.param) or network.load_model(str(file)):
            raise UserError("ncnn cannot load it")

    def run(image: Tensor) -> Tensor:
        array = image.contiguous().numpy()  # ncnn.Mat keeps a pointer to it, not it
        extractor = network.create_extractor()
        extractor.input(LQ, ncnn.Mat(array))
        failed, last = extractor.extract(LAST)
        if failed:
            raise MemoryError(f"ncnn cannot enlarge {image.shape[-1]} x {image.shape[-2]} pixels")
        return torch.from_numpy(np.array(last))

    return run


class _Layer(NamedTuple):
    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    settings: str  # by ncnn's numbers

    def line(self) -> str:
        counts = f"{len(self.inputs)} {len(self.outputs)}"
        return " ".join([self.kind, self.name, counts, *self.inputs, *self.outputs, self.settings]).rstrip()


def _split(layers: list[_Layer]) -> list[_Layer]:
    """Give each layer that reads a blob a copy of its own by a Split: a blob of ncnn's is read once."""
    readers = Counter(name for layer in layers for name in layer.inputs)
    read: Counter[str] = Counter()
    result = []
    for layer in layers:
        inputs = []
        for name in layer.inputs:
            inputs.append(f"{name}_{read[name]}" if readers[name] > 1 else name)
            read[name] += 1
        result.append(layer._replace(inputs=inputs))
        for name in layer.outputs:
            if (count := readers[name]) > 1:
                result.append(_Layer("Split", f"split_{name}", [name], [f"{name}_{i}" for i in range(count)], ""))
    return result


class _NcnnWriter:
    """Collects layers, and the numbers of those that have some."""

    def __init__(self, generator: nn.Module) -> None:
        self.names = {module: name for name, module in generator.named_modules()}
        self.layers: list[_Layer] = []
        self.numbers: list[bytes] = []

    def conv(self, x: str, layer: nn.Conv2d, slope: float | None = None) -> str:
        assert isinstance(layer.padding, tuple) and layer.bias is not None
        # 0 outputs, 1 kernel, 2 dilation, 4 padding, 5 bias, 6 weights in all, 9 activation, 10 its slope
        settings = f"0={layer.out_channels} 1={layer.kernel_size[0]} 2={layer.dilation[0]} 4={layer.padding[0]}"
        settings += f" 5=1 6={layer.weight.numel()}"
        if slope is not None:
            settings += f" 9={LEAKY} -23310=1,{slope:e}"
        self.numbers += [FLOAT32, _bytes(layer.weight), _bytes(layer.bias)]
        return self._layer("Convolution", [x], settings, self.names[layer])

    def prelu(self, x: str, layer: nn.PReLU) -> str:
        self.numbers.append(_bytes(layer.weight))
        return self._layer("PReLU", [x], f"0={layer.weight.numel()}", self.names[layer])

    def concat(self, parts: list[str]) -> str:
        return self._layer("Concat", parts, "0=0")

    def add(self, x: str, y: str, gain: float = 1.0) -> str:
        return self._layer("Eltwise", [x, y], f"0={SUM} -23301=2,{1:e},{gain:e}")

    def enlarge(self, x: str, scale: int) -> str:
        return self._layer("Interp", [x], f"0={NEAREST} 1={scale:e} 2={scale:e}")

    def shuffle(self, x: str, scale: int) -> str:
        return self._layer("PixelShuffle", [x], f"0={scale}")

    def unshuffle(self, x: str, channels: int, scale: int) -> str:
        return self._layer("Reorg", [x], f"0={scale}")

    def _layer(self, kind: str, inputs: list[str], settings: str, name: str = "") -> str:
        name = name or f"{kind.lower()}_{len(self.layers)}"
        self.layers.append(_Layer(kind, name, inputs, [name], settings))
        return name


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().numpy().astype("<f4").tobytes()
