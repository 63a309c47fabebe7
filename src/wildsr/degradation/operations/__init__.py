"""The operations of a degradation, a file each: what may be drawn, what was drawn, and its application.

Each application is deterministic given its arguments, takes (C, H, W) floats about [0, 1] on any device, and computes
in float32 whatever autocast says. As in the released code a sinc or a bicubic resize may
leave [0, 1]; noise, halo and the codecs clip. On a CPU no bit of a result depends on the number of threads.
"""

from typing import Any

from wildsr.degradation.kernels import Blur, KernelSpec, Sinc
from wildsr.degradation.operations.blur import BlurSpec, SincSpec
from wildsr.degradation.operations.defocus import Defocus, DefocusSpec
from wildsr.degradation.operations.halo import Halo, HaloSpec
from wildsr.degradation.operations.jpeg import Jpeg, JpegSpec
from wildsr.degradation.operations.motion import Motion, MotionSpec
from wildsr.degradation.operations.noise import Noise, NoiseSpec
from wildsr.degradation.operations.operation import DrawContext, Operation
from wildsr.degradation.operations.resize import FinalResizeSpec, Resize, ResizeSpec
from wildsr.degradation.operations.video import Video, VideoSpec
from wildsr.degradation.operations.webp import Webp, WebpSpec

BUILT_IN: tuple[Any, ...] = (  # what a recipe may name
    BlurSpec, SincSpec, ResizeSpec, NoiseSpec, JpegSpec, MotionSpec, DefocusSpec, HaloSpec, WebpSpec, VideoSpec,
)  # fmt: skip

__all__ = [
    "BUILT_IN",
    "Blur",
    "BlurSpec",
    "Defocus",
    "DefocusSpec",
    "DrawContext",
    "FinalResizeSpec",
    "Halo",
    "HaloSpec",
    "Jpeg",
    "JpegSpec",
    "KernelSpec",
    "Motion",
    "MotionSpec",
    "Noise",
    "NoiseSpec",
    "Operation",
    "Resize",
    "ResizeSpec",
    "Sinc",
    "SincSpec",
    "Video",
    "VideoSpec",
    "Webp",
    "WebpSpec",
]
