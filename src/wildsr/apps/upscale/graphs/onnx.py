"""Generators in ONNX: images of any size, in batches of any size.

Shapes: B batch, C channels, H W LQ image, s scale.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from wildsr.io import UserError, first_line

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

LQ, SR = "lq", "sr"  # names of input and output
OPSET, IR = 18, 10  # of 2022 and 2024: what programs of the last years read, and new enough for all that is used
ROWS, COLUMNS = 2, 3  # axes
SIZES = [(1, 64, 64), (2, 37, 45)]  # B, H, W: the traced one, and odd sides
SAME = 1e-4  # a fortieth of an 8-bit level: float32 sums in another order


def to_onnx(generator: nn.Module, metadata: Mapping[str, str] | None = None, clamp: bool = False) -> bytes:
    """Convert a generator: input LQ (B, C, H, W), output SR (B, C, s H, s W), float32. Weights keep their names.

    With `clamp` the graph's last node limits SR to [0, 1], for programs that turn it into bytes without a look: there
    -0.01 wraps to 253, a coloured dot.

    A network that has `write_graph` is written by it and is right for every size; any other is traced by torch, and
    is to be compared with the network (`differs`): what it computes from an image's sides in Python becomes constant.

    Raises:
        ValueError: onnx is not installed, or the network cannot be traced.
    """
    try:
        import onnx
    except ImportError:
        raise UserError("the ONNX form needs onnx, which is not installed; pip install onnx") from None
    model = _written(generator) if hasattr(generator, "write_graph") else onnx.load_from_string(_traced(generator))
    if clamp:
        _clamp(model)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    content: bytes = model.SerializeToString()
    return content


def to_half(content: bytes) -> bytes:
    """Return a float32 ONNX with weights and computations in float16; input and output stay float32.

    Raises:
        ValueError: onnxruntime, which has the conversion, is not installed; or it fails.
    """
    import onnx

    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError:
        raise UserError("ONNX in float16 needs onnxruntime, which is not installed; pip install onnxruntime") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights below float16's least, which become 0
        try:
            model = convert_float_to_float16(onnx.load_from_string(content), keep_io_types=True)
        except Exception as error:  # of any type
            raise UserError(f"cannot be converted to float16 ({first_line(error)[:200]})") from error
    half: bytes = model.SerializeToString()
    return half


@torch.inference_mode()
def differs(generator: nn.Module, run: Callable[[Tensor], Tensor], same: float = SAME) -> str:
    """Say at which of SIZES a conversion gives another result than the generator; "" where it does at none."""
    random, are_flat = torch.Generator().manual_seed(0), True
    for batch, height, width in SIZES:
        lq = torch.rand(batch, int(generator.channels), height, width, generator=random)  # type: ignore[arg-type]
        wanted = generator(lq)
        try:
            given = run(lq)
        except Exception:  # each runtime has types of its own
            return f"fails for {batch} of {width} x {height} pixels"
        if given.shape != wanted.shape or not (given - wanted).abs().max() < same:
            return f"gives another result for {batch} of {width} x {height} pixels"
        are_flat = are_flat and is_flat(wanted, same)
    return "cannot be compared, where all images come out as one colour," if are_flat else ""


def is_flat(images: Tensor, same: float) -> bool:
    """Say whether images (B, C, H, W) vary by `same` at most: then a flat image would pass for equal to them."""
    lowest, highest = images.aminmax(dim=-1)
    return float((highest.amax(-1) - lowest.amin(-1)).max()) <= same


def _clamp(model: ModelProto) -> None:
    """Put a Clip to [0, 1] behind the node that gives SR."""
    from onnx import helper, numpy_helper

    raw, graph = f"{SR}_unclamped", model.graph
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [raw if name == SR else name for name in names]
    ends = {f"{SR}_least": 0.0, f"{SR}_most": 1.0}
    graph.initializer.extend(numpy_helper.from_array(np.array(end, np.float32), name) for name, end in ends.items())
    graph.node.append(helper.make_node("Clip", [raw, *ends], [SR], "clamp"))


def _written(generator: nn.Module) -> ModelProto:
    from onnx import TensorProto, helper

    writer = _OnnxWriter(generator)
    generator.write_graph(writer, LQ)  # type: ignore[operator]
    if getattr(generator, "unshuffle", 1) > 1:
        writer.crop(writer.nodes[-1].output[0], LQ, int(generator.scale))  # type: ignore[arg-type]
    writer.nodes[-1].output[0] = SR
    channels, scale = int(generator.channels), int(generator.scale)  # type: ignore[arg-type]
    sides = {LQ: ("height", "width"), SR: (f"height_x{scale}", f"width_x{scale}")}
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, *size])
        for name, size in sides.items()
    )
    graph = helper.make_graph(writer.nodes, type(generator).__name__, [given], [made], writer.constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="wildsr"
    )


def _traced(generator: nn.Module) -> bytes:
    memory, name = io.BytesIO(), type(generator).__name__
    batch = 2 if getattr(generator, "takes_batches", True) else 1
    example = torch.zeros(batch, int(getattr(generator, "channels", 3)), 64, 64)  # whole windows of whichever size
    free = {LQ: {2: "height", 3: "width"}, SR: {2: "height_sr", 3: "width_sr"}}
    if batch > 1:
        free = {name: {0: "batch", **sides} for name, sides in free.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what becomes constant shows when the result is compared
            torch.onnx.export(
                generator, (example,), memory, opset_version=OPSET, dynamo=False,  # type: ignore[arg-type]
                input_names=[LQ], output_names=[SR], dynamic_axes=free,
            )  # fmt: skip
    except Exception as error:  # of any type: the network's own code runs
        raise UserError(f"{name}: cannot be converted ({first_line(error)[:200]})") from error
    return memory.getvalue()


class _OnnxWriter:
    """Collects nodes and constants; a node's only output bears its name."""

    def __init__(self, generator: nn.Module) -> None:
        self.names = {module: name for name, module in generator.named_modules()}
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def conv(self, x: str, layer: nn.Conv2d, slope: float | None = None) -> str:
        assert isinstance(layer.padding, tuple) and layer.bias is not None
        name = self.names[layer]
        inputs = [x, self._constant(layer.weight, f"{name}.weight"), self._constant(layer.bias, f"{name}.bias")]
        pads, dilations = [*layer.padding, *layer.padding], list(layer.dilation)
        x = self._node("Conv", inputs, name, kernel_shape=list(layer.kernel_size), pads=pads, dilations=dilations)
        return x if slope is None else self._node("LeakyRelu", [x], alpha=slope)

    def prelu(self, x: str, layer: nn.PReLU) -> str:
        name = self.names[layer]
        return self._node("PRelu", [x, self._constant(layer.weight[:, None, None], f"{name}.weight")], name)

    def concat(self, parts: list[str]) -> str:
        return self._node("Concat", parts, axis=1)

    def add(self, x: str, y: str, gain: float = 1.0) -> str:
        scaled = y if gain == 1 else self._node("Mul", [y, self._constant(torch.tensor(gain))])
        return self._node("Add", [x, scaled])

    def enlarge(self, x: str, scale: int) -> str:
        factors = self._constant(torch.tensor([1.0, 1.0, scale, scale]))
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return self._node("Resize", [x, "", factors], **how)

    def shuffle(self, x: str, scale: int) -> str:
        return self._node("DepthToSpace", [x], blocksize=scale, mode="CRD")

    def unshuffle(self, x: str, channels: int, scale: int) -> str:
        for axis in (ROWS, COLUMNS):
            x = self._reflect_to_multiple(x, axis, scale)
        # A convolution that only picks: OpenVINO orders the channels of SpaceToDepth in another way than ONNX.
        picks = torch.eye(channels * scale**2).view(-1, channels, scale, scale)
        return self._node("Conv", [x, self._constant(picks)], strides=[scale, scale])

    def crop(self, sr: str, lq: str, scale: int) -> str:
        """Cut `sr` to `scale` times the size of `lq`: what padding added goes."""
        size = self._node("Shape", [lq], start=ROWS)
        ends = self._node("Mul", [size, self._constant(torch.tensor(scale))])
        starts, axes = self._constant(torch.tensor([0, 0])), self._constant(torch.tensor([ROWS, COLUMNS]))
        return self._node("Slice", [sr, starts, ends, axes])

    def _reflect_to_multiple(self, x: str, axis: int, multiple: int) -> str:
        """Pad at the end by reflection that repeats: positions i of the padded axis come from
        min(i mod p, p - i mod p), where p = max(2 size - 2, 1)."""
        zero, one, two, step = (self._constant(torch.tensor(number)) for number in (0, 1, 2, multiple))
        size = self._node("Squeeze", [self._node("Shape", [x], start=axis, end=axis + 1)])
        period = self._node("Max", [self._node("Sub", [self._node("Mul", [size, two]), two]), one])
        # Rounding up in whole numbers: size + (-size) mod multiple.
        missing = self._node("Mod", [self._node("Neg", [size]), step])
        places = self._node("Range", [zero, self._node("Add", [size, missing]), one])
        forth = self._node("Mod", [places, period])
        return self._node("Gather", [x, self._node("Min", [forth, self._node("Sub", [period, forth])])], axis=axis)

    def _node(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def _constant(self, value: Tensor, name: str = "") -> str:
        from onnx import numpy_helper

        name = name or f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(value.detach().cpu().numpy())
        self.constants.append(numpy_helper.from_array(array, name))
        return name
