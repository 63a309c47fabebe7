"""A generator made ready to run, by torch or by a runtime that is faster on a CPU.

Shapes: B batch, C channels of the network, h w LQ image, s scale.

All give torch's result within a hundredth of a level, unless asked for half precision. On a CPU that multiplies
bfloat16 it is twice as fast, and 3.7 to 13 levels off at worst on photographs (realesrgan-x4plus; 2 to 6 where the
residual sums and all but the body stay float32), so no backend does it unasked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from wildsr.apps.upscale.choices import BACKENDS, FASTEST, NAMES, check_device, is_installed
from wildsr.apps.upscale.graphs.ncnn import open_ncnn, to_ncnn
from wildsr.apps.upscale.graphs.onnx import LQ, SAME, SR, differs, to_onnx
from wildsr.apps.upscale.graphs.pnnx import by_pnnx
from wildsr.io import UserError, choose_from, first_line
from wildsr.networks.eager import Eager
from wildsr.networks.memory import numbers_per_pixel
from wildsr.networks.overlap import Tiling, tiling_of
from wildsr.networks.padding import reflect_to
from wildsr.networks.tiling import Upscaler, check_channels

CPU = torch.device("cpu")
CLOSE = 1e-3  # a quarter of a level, by which ncnn may differ where pnnx merged layers

Forward = Callable[[Tensor], Tensor]


@dataclass
class Runtime:
    """A generator in a runtime other than torch, on the CPU; see `tiling.Upscaler`.

    The output may leave [0, 1] slightly.
    """

    scale: int
    channels: int
    numbers_per_pixel: int
    tiling: Tiling
    forward: Forward
    device: torch.device = CPU

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
        raise UserError(f"backend {name!r}; {choose_from(NAMES)}")
    device = torch.device(device)
    if name == "auto":
        name = "torch" if half else fastest(generator, device)
    if half and name != "torch":
        raise UserError(f"backend {name} has no half precision here; wanted torch")
    if missing := [module for module in BACKENDS[name] if not is_installed(module)]:
        raise UserError(f"backend {name} needs {' and '.join(missing)}; pip install {' '.join(BACKENDS[name])}")
    check_channels(int(generator.channels))  # type: ignore[arg-type]
    if name == "torch":
        return Eager(generator, device, half)
    scale, channels = int(generator.scale), int(generator.channels)  # type: ignore[arg-type]
    try:
        forward = MAKERS[name](generator)
    except UserError as error:
        raise UserError(f"backend {name}: {error}; wanted torch") from error
    except ImportError as error:  # installed, but not for this machine
        raise UserError(f"backend {name} cannot be loaded ({first_line(error)}); wanted torch") from error
    if not getattr(generator, "takes_batches", True):
        forward = partial(_one_by_one, forward)
    same = CLOSE if name == "ncnn" else SAME
    if not hasattr(generator, "write_graph") and (difference := differs(generator, forward, same)):
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
        there = f"{count} CUDA GPU{'s' * (count > 1)}" if count else "no CUDA GPU"
        known = ("cpu", *(f"cuda:{number}" for number in range(count)))
        raise UserError(f"device {name}: torch finds {there} here; {choose_from(known)}")
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
    is_written = hasattr(generator, "write_graph")
    run = open_ncnn(to_ncnn(generator) if is_written else by_pnnx(generator))
    generator = generator.cpu().to(memory_format=torch.channels_last)
    scale = int(generator.scale)  # type: ignore[arg-type]
    multiple = int(getattr(generator, "multiple", getattr(generator, "unshuffle", 1)))
    least = int(getattr(generator, "least", 0))

    def one(image: Tensor) -> Tensor:
        sr = run(reflect_to(image, multiple, least))
        if hasattr(generator, "write_trunk"):
            sr = generator.enlarge(sr[None].contiguous(memory_format=torch.channels_last))[0]  # type: ignore[operator]
        height, width = (scale * side for side in image.shape[-2:])
        return sr[:, :height, :width] if is_written else sr[:, :height, :width].clamp(0, 1)

    return lambda lq: torch.stack([one(image) for image in lq.cpu()]).to(lq.device)


def _one_by_one(run: Forward, lq: Tensor) -> Tensor:
    return torch.cat([run(image[None]) for image in lq])


def _array(lq: Tensor) -> np.ndarray:
    """Return numbers in one piece, as runtimes want them."""
    return lq.cpu().contiguous().numpy()


MAKERS: dict[str, Callable[[nn.Module], Forward]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "ncnn": _ncnn,
}
