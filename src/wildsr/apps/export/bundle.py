"""The files of a bundle: each is written, loaded again, and compared with the generator on photographs.

Shapes: C channels of the network, H W image, h w its LQ, all float32 in [0, 1].
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wildsr import __version__
from wildsr.apps.export.arguments import ENDINGS, FORMATS
from wildsr.apps.upscale.graphs.ncnn import NcnnModel, open_ncnn, to_ncnn
from wildsr.apps.upscale.graphs.onnx import LQ, SAME, SR, is_flat, to_half, to_onnx
from wildsr.apps.upscale.graphs.pnnx import by_pnnx
from wildsr.io import UserError, write_whole
from wildsr.networks import load_generator, save_generator

# Largest allowed difference, of the largest value: files of weights are loaded bit for bit; onnxruntime adds float32
# numbers in another order, pnnx merges layers, and float16 has 11 bits.
ALLOWED = {"safetensors": 0.0, "pth": 0.0, "onnx": 1e-5, "onnx_fp16": 4 / 255, "ncnn": 1e-3}
NEEDED = {  # the last to compare
    "onnx": ("onnx", "onnxruntime"),
    "onnx_fp16": ("onnx", "onnxruntime"),
    "ncnn": ("ncnn",),
}


class Written(NamedTuple):
    """A file of a bundle, and by how much its result differs from the checkpoint's at most, in 8-bit levels."""

    file: Path
    difference: float
    size: int  # bytes
    sha256: str


def check_formats(formats: Sequence[str]) -> None:
    """Check that what the formats need is installed. Raises: UserError."""
    for name in formats:
        needed = NEEDED.get(name, ())
        if missing := [module for module in needed if importlib.util.find_spec(module) is None]:
            raise UserError(
                f"the {name} file needs {' and '.join(missing)}; pip install {' '.join(needed)}, or choose among "
                f"--formats {' '.join(other for other in FORMATS if other not in NEEDED)}"
            )


def describe(generator: nn.Module) -> dict[str, str]:
    """Tell a generator's architecture in texts that travel with its weights, with its `sizes` where it has them."""
    sizes = {"scale": generator.scale, "channels": generator.channels, **getattr(generator, "sizes", {})}
    texts = {key: str(value) for key, value in sizes.items()}
    name = getattr(generator, "architecture", type(generator).__name__).partition(" of ")[0]
    return {"architecture": name, **texts, "wildsr": __version__}


def write_file(generator: nn.Module, file: Path, metadata: Mapping[str, str], lqs: Sequence[Tensor]) -> Written:
    """Write one file of the bundle, load it again and compare it.

    Args:
        generator: on the CPU, in eval mode.
        file: its ending names one of FORMATS; the .bin of an ncnn .param is written beside it.
        metadata: texts that the file carries.
        lqs: images, (C, h, w), of several sizes.

    Raises:
        UserError: what was loaded again gives another result, or the generator's own is one colour everywhere.
        OSError: the file cannot be written.
    """
    name = next(kind for kind in reversed(FORMATS) if file.name.endswith(ENDINGS[kind][0]))
    _write(generator, name, file, metadata)
    again = _opened(file, name)
    is_traced = name == "onnx" and not hasattr(generator, "write_graph")
    allowed = SAME if is_traced else ALLOWED[name]
    others = "; choose other --formats, such as safetensors pth" if name not in ("safetensors", "pth") else ""
    difference, are_flat = 0.0, True
    for lq in lqs:
        with torch.inference_mode():
            wanted = generator(lq[None])
            wanted = wanted.clamp(0, 1) if name.startswith("onnx") else wanted  # as the graph does
            given = again(lq[None])
        if name == "ncnn" and not hasattr(generator, "write_graph"):  # what is inside of the padding, not clamped
            given = given.clamp(0, 1)
        worst = float((given - wanted).abs().max()) if given.shape == wanted.shape else float("inf")
        if not worst <= allowed * max(float(wanted.abs().max()), 1.0):  # so that NaN fails, too
            raise UserError(f"{file.name}: loaded again it differs by {worst * 255:g} levels on a photograph{others}")
        difference, are_flat = max(difference, worst * 255), are_flat and is_flat(wanted, allowed)
    if are_flat:  # as of a network that is hardly trained, below 0 everywhere: all files would be equal
        raise UserError(f"{file.name}: cannot be compared: on photographs the checkpoint gives one colour{others}")
    return describe_file(file, difference)


def describe_file(file: Path, difference: float) -> Written:
    """Return what is told of a file that was compared."""
    return Written(file, difference, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())


def _write(generator: nn.Module, name: str, file: Path, metadata: Mapping[str, str]) -> None:
    if name == "ncnn":
        is_written = hasattr(generator, "write_graph")
        model = to_ncnn(generator, whole=True) if is_written else by_pnnx(generator)
        write_whole(file, lambda stream: stream.write(model.param.encode()))
        write_whole(file.with_suffix(".bin"), lambda stream: stream.write(model.bin))
    elif name in ("onnx", "onnx_fp16"):
        content = to_onnx(generator, metadata, clamp=True)
        content = to_half(content) if name == "onnx_fp16" else content
        write_whole(file, lambda stream: stream.write(content))
    else:
        save_generator(generator, file, metadata)


def _opened(file: Path, name: str) -> Callable[[Tensor], Tensor]:
    if name in ("safetensors", "pth"):
        return load_generator(file)
    if name == "ncnn":
        run = open_ncnn(NcnnModel(file.read_text(encoding="utf-8"), file.with_suffix(".bin").read_bytes()))
        return lambda lq: run(lq[0])[None]
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda lq: torch.from_numpy(session.run([SR], {LQ: lq.contiguous().numpy()})[0])
