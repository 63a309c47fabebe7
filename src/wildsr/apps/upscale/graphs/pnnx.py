"""Networks of any make in ncnn's form, by pnnx: a program that turns what torch traced into ncnn's layers."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from wildsr.apps.upscale.graphs.ncnn import LAST, LQ, NcnnModel
from wildsr.io import UserError, first_line

PNNX = "pnnx==20261020"
SIDES = ("64,64", "48,96")  # H, W: two sizes of whole windows, so that pnnx leaves the sides free
PATIENCE = 120.0  # seconds; it folds constants for many minutes where kernels are large
# Run in a process of its own: ncnn breaks down where pnnx left a shape that it does not expect.
TRIAL = """
import sys, ncnn, numpy
net = ncnn.Net()
assert not net.load_param(sys.argv[1]) and not net.load_model(sys.argv[2])
for sides in ((64, 64), (48, 96)):
    extractor = net.create_extractor()
    image = numpy.zeros((int(sys.argv[3]), *sides), numpy.float32)
    extractor.input("in0", ncnn.Mat(image))
    assert not extractor.extract("out0")[0]
"""


def by_pnnx(generator: nn.Module) -> NcnnModel:
    """Convert a network in eval mode; of one that pads its input (`model` inside it) what is inside of the padding.

    The result is to be compared: pnnx writes layers that ncnn does not know, too, and makes some sides constant.

    Raises:
        ValueError: pnnx is not installed, or fails, or does not end; or ncnn cannot run the result.
    """
    name = getattr(generator, "architecture", type(generator).__name__)
    try:
        import pnnx
    except ImportError:
        raise UserError(f"the ncnn form of {name} needs pnnx; pip install {PNNX}") from None
    channels = int(generator.channels)  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        traced = Path(folder, "network.pt")
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what becomes constant shows when the result is compared
                inside = getattr(generator, "model", generator)
                torch.jit.trace(inside, torch.zeros(1, channels, 64, 64), check_trace=False).save(traced)
        except Exception as error:  # of any type: the network's own code runs
            raise UserError(f"{name}: cannot be traced ({first_line(error)[:200] or type(error).__name__})") from error
        shapes = [f"inputshape{n}=[1,{channels},{sides}]" for n, sides in zip(("", 2), SIDES, strict=True)]
        try:
            done = subprocess.run(
                [pnnx.EXEC_PATH, traced, *shapes, "fp16=0"], cwd=folder, capture_output=True, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{name}: pnnx gives no answer within {PATIENCE:.0f} s") from None
        param, numbers = Path(folder, "network.ncnn.param"), Path(folder, "network.ncnn.bin")
        if done.returncode or not param.is_file():
            raise UserError(f"{name}: pnnx cannot convert it")
        model = NcnnModel(_renamed(param.read_text(encoding="utf-8")), numbers.read_bytes())
        command = [sys.executable, "-c", TRIAL, str(param), str(numbers), str(channels)]
        if subprocess.run(command, capture_output=True).returncode:
            raise UserError(f"{name}: ncnn cannot run what pnnx makes of it")
        return model


def _renamed(param: str) -> str:
    """Give input and output their names, and refuse layers that are pnnx's own."""
    lines = param.splitlines()
    if foreign := sorted({line.split()[0] for line in lines[2:] if "." in line.split()[0]}):
        raise UserError(f"ncnn has no layers for {', '.join(foreign)}")
    names = {"in0": LQ, "out0": LAST}
    return "\n".join(
        [*lines[:2], *(" ".join(names.get(word, word) for word in line.split()) for line in lines[2:]), ""]
    )
