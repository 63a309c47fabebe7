"""A generator made ready to run, by torch or by a runtime that is faster on a CPU.

Shapes: B batch, C channels of the network, h w LQ image, s scale.

All give torch's result within a hundredth of a level, unless asked for half precision. On a CPU that multiplies
bfloat16 it is twice as fast, and 3.7 to 13 levels off at worst on photographs (realesrgan-x4plus; 2 to 6 where the
residual sums and all but the body stay float32), so no backend does it unasked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wildsr.apps.upscale.choices import BACKENDS, FASTEST, NAMES, check_device, is_installed
from wildsr.apps.upscale.graphs.ncnn import LAST, to_ncnn
from wildsr.apps.upscale.graphs.onnx import LQ, SR, differs, to_onnx
from wildsr.images import first_line
from wildsr.io import UserError
from wildsr.networks.eager import Eager
from wildsr.networks.memory import numbers_per_pixel
from wildsr.networks.overlap import Tiling, tiling_of
from wildsr.networks.rrdb import reflect_to_multiple
from wildsr.networks.tiling import Upscaler, check_channels

Forward = Callable[[Tensor], Tensor]


@dataclass
class Runtime:
    """A generator in a runtime other than torch; see `tiling.Upscaler`. The output may leave [0, 1] slightly."""

    scale: int
    channels: int
    numbers_per_pixel: int
    tiling: Tiling
    forward: Forward

    @torch.inference_mode()
    def __call__(self, lq: Tensor) -> Tensor:
        return self.forward(lq)


def open_backend(
    generator: nn.Module, name: str = "auto", device: torch.device | str = "cpu", half: bool = False
) -> Upscaler:
    """Make a generator ready to run; it is taken over.

    Args:
        generator: float32, in eval mode, as `load_generator` gives it.
        name: one of NAMES. `auto` is torch on anything but a CPU, else the fastest that is installed.
        device: of torch; the others run on the CPU, in as many threads as torch is set to.
        half: in 16 bits, by torch alone: float16, on a CPU bfloat16. What is not finite is computed again in 32.

    Raises:
        ValueError: no such backend, one that is not installed, or that cannot run this kind of network; or a network
            whose channels are those of no image. One line.
    """
    if name not in NAMES:
        raise UserError(f"backend {name!r}: wanted one of {', '.join(NAMES)}")
    device = torch.device(device)
    if name == "auto":
        name = "torch" if half else fastest(generator, device)
    if half and name != "torch":
        raise UserError(f"backend {name} has no half precision here; wanted torch")
    if missing := [module for module in BACKENDS[name] if not is_installed(module)]:
        raise UserError(f"backend {name} needs {' and '.join(missing)}; pip install {' '.join(BACKENDS[name])}")
    if name == "ncnn" and not hasattr(generator, "write_graph"):
        raise UserError(f"backend ncnn cannot run {type(generator).__name__}, which has no write_graph; wanted torch")
    check_channels(int(generator.channels))  # type: ignore[arg-type]
    if name == "torch":
        return Eager(generator, device, half)
    scale, channels = int(generator.scale), int(generator.channels)  # type: ignore[arg-type]
    try:
        forward = MAKERS[name](generator)
    except ImportError as error:  # installed, but not for this machine
        raise UserError(f"backend {name} cannot be loaded ({first_line(error)}); wanted torch") from error
    if not hasattr(generator, "write_graph") and (difference := differs(generator, forward)):
        raise UserError(f"backend {name} {difference} with {type(generator).__name__}; wanted torch")
    return Runtime(scale, channels, numbers_per_pixel(generator), tiling_of(generator), forward)


def find_device(name: str | torch.device | None = None) -> torch.device:
    """Return a device by its name, such as cuda:1; by default the first CUDA GPU where there is one, else the CPU.

    Raises:
        UserError: no such name, or no such device in this machine.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = str(name)
    number, count = check_device(name).partition(":")[2], torch.cuda.device_count()
    if name.startswith("cuda") and int(number or 0) >= count:  # torch would take cuda:999 for cuda:-25
        there = f"cuda:0 to cuda:{count - 1}" if count > 1 else "cuda:0 alone" if count else "no CUDA GPU"
        raise UserError(f"device {name}: torch finds {there} here; wanted cpu{' or one of these' * bool(count)}")
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("device mps: torch finds no Apple GPU here; wanted cpu")
    return torch.device(name)


def fastest(generator: nn.Module, device: torch.device) -> str:
    """Return what `auto` means for a network on a device: the first of its order that is installed."""
    order = fastest_order(generator) if device.type == "cpu" else ("torch",)
    return next(name for name in order if all(map(is_installed, BACKENDS[name])))


def fastest_order(generator: nn.Module) -> tuple[str, ...]:
    """Return the backends for a network on a CPU, fastest first: torch alone where it cannot write its graph."""
    return next((names for method, names in FASTEST.items() if hasattr(generator, method)), ("torch",))


def _onnxruntime(generator: nn.Module) -> Forward:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(to_onnx(generator), options, providers=["CPUExecutionProvider"])
    return lambda lq: torch.from_numpy(session.run([SR], {LQ: _array(lq)})[0]).to(lq.device)


def _openvino(generator: nn.Module) -> Forward:
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # its own choice is bfloat16 wherever the CPU knows it
        "PERFORMANCE_HINT": "LATENCY",  # one tile at a time, with all threads
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    network = core.compile_model(core.read_model(to_onnx(generator)), "CPU", settings)
    return lambda lq: torch.from_numpy(network({LQ: _array(lq)})[SR]).to(lq.device)


def _ncnn(generator: nn.Module) -> Forward:
    import ncnn

    model, network = to_ncnn(generator), ncnn.Net()
    network.opt.num_threads = torch.get_num_threads()
    network.opt.use_fp16_storage = network.opt.use_fp16_packed = network.opt.use_fp16_arithmetic = False
    with tempfile.TemporaryDirectory() as folder:  # ncnn copies weights out of a file, and keeps pointers into memory
        file = Path(folder, "network.bin")
        file.write_bytes(model.bin)
        if network.load_param_mem(model.param) or network.load_model(str(file)):
            raise UserError(f"ncnn cannot load this {type(generator).__name__}")
    generator = generator.cpu().to(memory_format=torch.channels_last)
    multiple, scale = getattr(generator, "unshuffle", 1), int(generator.scale)  # type: ignore[arg-type]

    def one(image: Tensor) -> Tensor:
        array = _array(reflect_to_multiple(image, multiple))  # ncnn.Mat keeps a pointer to it, not it
        extractor = network.create_extractor()
        extractor.input(LQ, ncnn.Mat(array))
        failed, last = extractor.extract(LAST)
        if failed:
            raise MemoryError(f"ncnn cannot enlarge {image.shape[-1]} x {image.shape[-2]} pixels")
        sr = torch.from_numpy(np.array(last))
        del extractor, last  # their memory, before more is taken
        if hasattr(generator, "write_trunk"):
            sr = generator.enlarge(sr[None].contiguous(memory_format=torch.channels_last))[0]  # type: ignore[operator]
        height, width = (scale * side for side in image.shape[-2:])
        return sr[:, :height, :width]

    return lambda lq: torch.stack([one(image) for image in lq.cpu()]).to(lq.device)


def _array(lq: Tensor) -> np.ndarray:
    """Return numbers in one piece, as runtimes want them."""
    return lq.cpu().contiguous().numpy()


MAKERS: dict[str, Callable[[nn.Module], Forward]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "ncnn": _ncnn,
}
