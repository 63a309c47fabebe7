"""The operations of a degradation, a file each: what may be drawn, what was drawn, and its application.

Each application is deterministic given its arguments, takes (C, H, W) floats about [0, 1] on any device, and computes
in float32 whatever autocast says. As in the released code only noise and JPEG clip: a sinc or a bicubic resize may
leave [0, 1]. On a CPU no bit of a result depends on the number of threads.
"""

from typing import Any

from wildsr.degradation.kernels import Blur, KernelSpec, Sinc
from wildsr.degradation.operations.blur import BlurSpec, SincSpec
from wildsr.degradation.operations.jpeg import Jpeg, JpegSpec
from wildsr.degradation.operations.noise import Noise, NoiseSpec
from wildsr.degradation.operations.operation import DrawContext, Operation
from wildsr.degradation.operations.resize import FinalResizeSpec, Resize, ResizeSpec

BUILT_IN: tuple[Any, ...] = (BlurSpec, SincSpec, ResizeSpec, NoiseSpec, JpegSpec)  # what a recipe may name

__all__ = [
    "BUILT_IN",
    "Blur",
    "BlurSpec",
    "DrawContext",
    "FinalResizeSpec",
    "Jpeg",
    "JpegSpec",
    "KernelSpec",
    "Noise",
    "NoiseSpec",
    "Operation",
    "Resize",
    "ResizeSpec",
    "Sinc",
    "SincSpec",
]
