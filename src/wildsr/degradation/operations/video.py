"""Compress as a video: the image is a frame of a slowly moving crop, coded as H.264, H.265 or MPEG-2.

A bit rate is no choice: over so few frames MPEG-2's rate control does not answer to one, and H.265's hardly.
"""

# C = 1 or 3, H W image, N frames

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import (
    check_choice,
    check_integer,
    check_integer_range,
    check_number,
    check_optional_name,
    check_range,
    check_weights,
)
from wildsr.degradation import draws
from wildsr.degradation.codecs import code_bytes, compare_builds
from wildsr.degradation.operations.operation import DrawContext
from wildsr.io import UserError

FRAMES = (1, 16)
SPEEDS = (0, 16)  # pixels a frame
RATE = 25  # frames a second: rate control looks at it
# Over clips as short x264's tree of what later frames take over reads memory that nobody wrote, and so do x265's
# searches where a side is a single coding unit of 64: bits would differ from call to call. x265's tree is off likewise.
X265 = "log-level=none:pools=none:frame-threads=1:cutree=0"
SMALLEST = 80  # pixels a side that every encoder takes; smaller images are extended


@dataclass(frozen=True)
class Codec:
    """An encoder and its decoder by FFmpeg's names, the range of its constant quality, and its options.

    One thread each, and no tree over frames: the same bits at every call.
    """

    label: str
    encoder: str
    decoder: str
    crf: tuple[int, int]
    options: tuple[tuple[str, str], ...]  # {} is the constant quality


CODECS = {
    "h264": Codec("H.264", "libx264", "h264", (1, 51), (("crf", "{}"), ("mbtree", "0"))),
    "h265": Codec("H.265", "libx265", "hevc", (1, 51), (("crf", "{}"), ("x265-params", X265))),
    "mpeg2": Codec("MPEG-2", "mpeg2video", "mpeg2video", (1, 31), (("qmin", "{}"), ("qmax", "{}"))),
}


@dataclass(frozen=True)
class Video:
    """A video codec at constant quality, and the clip.

    Args:
        codec: h264, h265 or mpeg2.
        crf: constant rate factor of x264 or x265; of MPEG-2, which has none, the quantiser's scale.
        frames: of the clip, of which the middle one is kept: 1 is a key frame alone, with 2 it follows one, from 3 on
            it lies between two.
        speed_x: pixels to the right that the crop moves from frame to frame.
        speed_y: downwards.
        build: of the codecs, that it was drawn with.
    """

    codec: str
    crf: int
    frames: int
    speed_x: float
    speed_y: float
    build: str | None = None

    def __post_init__(self) -> None:
        check_choice(self, "codec", CODECS)
        check_integer(self, "crf", *CODECS[self.codec].crf)
        check_integer(self, "frames", *FRAMES)
        check_number(self, "speed_x", -SPEEDS[1], SPEEDS[1])
        check_number(self, "speed_y", -SPEEDS[1], SPEEDS[1])
        check_optional_name(self, "build")

    def describe(self) -> str:
        """Return the compression in words."""
        quality = "quantiser" if self.codec == "mpeg2" else "CRF"
        speed = math.hypot(self.speed_x, self.speed_y)
        clip = f"{self.frames} frames at {speed:.1f} px" if self.frames > 1 else "key frame"
        return f"{CODECS[self.codec].label} {quality} {self.crf} {clip}"

    def statistics(self) -> dict[str, Any]:
        """Return what is counted: each codec's quality has a scale of its own, and is counted apart."""
        speed = math.hypot(self.speed_x, self.speed_y)
        return {"codec": self.codec, f"{self.codec} crf": self.crf, "frames": self.frames, "speed": speed}


@dataclass(frozen=True)
class VideoSpec:
    """A video codec with probability `prob`; `h264`, `h265` and `mpeg2` are relative weights.

    Crf as in `Video`, frames of a clip, speed in pixels a frame, in any direction.

    Raises:
        UserError: PyAV is not installed.
    """

    name: ClassVar[str] = "video"
    Record: ClassVar[type] = Video
    on_cpu: ClassVar[bool] = True
    prob: float = 1.0
    h264: float = 0.3
    h265: float = 0.2
    mpeg2: float = 0.12
    h264_crf: Sequence[int] = (18, 34)
    h265_crf: Sequence[int] = (20, 38)
    mpeg2_crf: Sequence[int] = (2, 24)
    frames: Sequence[int] = (1, 5)
    speed: Sequence[float] = (0.0, 2.0)

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_weights(self, *CODECS)
        for name, codec in CODECS.items():
            check_integer_range(self, f"{name}_crf", *codec.crf)
        check_integer_range(self, "frames", *FRAMES)
        check_range(self, "speed", *SPEEDS)
        require_av()

    def draw(self, rng: Generator, context: DrawContext) -> Video | None:
        if not draws.happens(rng, self.prob):
            return None
        codec = list(CODECS)[draws.pick(rng, [getattr(self, name) for name in CODECS])]
        crf = draws.integer(rng, *getattr(self, f"{codec}_crf"))
        frames = draws.integer(rng, *self.frames)
        speed, direction = draws.uniform(rng, self.speed), draws.uniform(rng, (-math.pi, math.pi))
        return Video(codec, crf, frames, speed * math.cos(direction), speed * math.sin(direction), build())

    @staticmethod
    def apply(image: Tensor, record: Video, generator: object, final_size: object) -> Tensor:
        require_av()
        compare_builds(record.build, build())
        return code_bytes(image, partial(code_video, video=record))


def require_av() -> None:
    """Refuse to go on without the codecs. Raises: UserError."""
    if find_spec("av") is None:
        raise UserError("the operation video needs PyAV; pip install 'wildsr[video]'")


@cache
def build() -> str:
    """Return the build of the codecs: PyAV's wheel carries them."""
    import av

    return f"PyAV {av.__version__} with libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"


def code_video(array: Any, video: Video) -> Any:
    """Code a clip of which (H, W, 3) uint8 is the middle frame, and return that frame as it is decoded."""
    import av

    codec, frames = CODECS[video.codec], clip_of(array, video)
    height, width = frames[0].shape[:2]
    encoder: Any = av.CodecContext.create(codec.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(RATE), Fraction(1, RATE)
    encoder.thread_count, encoder.gop_size = 1, len(frames)
    encoder.options = {key: value.format(video.crf) for key, value in codec.options}
    packets = []
    for place, frame in enumerate(frames):
        picture: Any = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=encoder.pix_fmt)
        picture.pts, picture.time_base = place, encoder.time_base
        packets += encoder.encode(picture)
    decoder: Any = av.CodecContext.create(codec.decoder, "r")
    decoder.thread_count = 1
    decoded = [picture for packet in [*packets, *encoder.encode(None), None] for picture in decoder.decode(packet)]
    assert len(decoded) == len(frames)
    return decoded[len(frames) // 2].to_ndarray(format="rgb24")[: array.shape[0], : array.shape[1]]


def clip_of(array: Any, video: Video) -> list[Any]:
    """Return the frames of a clip: N times (H', W', 3) uint8, the middle one (H, W, 3) at their upper left corner.

    The others are moved against it, by bicubic interpolation; what comes in at a border is mirrored. Sides are
    extended to even numbers, as a quarter of the pixels has colours.
    """
    height, width = (max(side + side % 2, SMALLEST) for side in array.shape[:2])
    image = np.pad(array, ((0, height - array.shape[0]), (0, width - array.shape[1]), (0, 0)), "edge")
    if video.frames == 1:
        return [image]
    source = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    frames = []
    for place in range(video.frames):
        steps = place - video.frames // 2
        # In units of half a side, as the grid has them.
        move = [[1.0, 0.0, 2 * steps * video.speed_x / width], [0.0, 1.0, 2 * steps * video.speed_y / height]]
        grid = F.affine_grid(torch.tensor([move]), list(source.shape), align_corners=False)
        moved = F.grid_sample(source, grid, "bicubic", "reflection", align_corners=False) if steps else source
        frames.append(moved[0].round_().clamp_(0, 255).byte().permute(1, 2, 0).contiguous().numpy())
    return frames
