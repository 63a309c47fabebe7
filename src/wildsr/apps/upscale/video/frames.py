"""Frames of a video to images and back, by the matrix, range and depth that the video declares.

Shapes: C = 3 RGB or 1 grey, H W frame, h w its chroma planes. Numbers for colours are those of ITU-T H.273, which
FFmpeg uses too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from torch import Tensor

from wildsr.io import UserError

UNSPECIFIED, FULL = 2, 2  # of a matrix; of a range, in FFmpeg's words
RGB, BT709, BT601, BT2020 = 0, 1, 6, 9
WEIGHTS = {  # matrix -> Kr, Kb; H.273, table 4
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
}
SD_SIDES = 1280, 576  # what players take for BT.601 where nothing is declared: narrower and no higher


@dataclass(frozen=True)
class Layout:
    """How the numbers of a frame mean colours.

    Args:
        pixels: a planar format by FFmpeg's name, grey or Y'CbCr, such as yuv420p10le.
        matrix: one of WEIGHTS.
        full: levels from 0 to the largest number; else Y' from 16 to 235 and chroma from 16 to 240, times 2^(bits - 8).
    """

    pixels: str
    matrix: int
    full: bool

    @property
    def format(self) -> VideoFormat:
        return VideoFormat(self.pixels)

    @property
    def bits(self) -> int:
        return self.format.components[0].bits

    @property
    def is_grey(self) -> bool:
        return len(self.format.components) == 1

    @property
    def steps(self) -> tuple[int, int]:
        """Return (rows, columns) of luma for each sample of chroma, 1 or 2."""
        return 2 // self.format.chroma_height(2), 2 // self.format.chroma_width(2)

    @property
    def ranges(self) -> tuple[float, float, float, float]:
        """Return the level of black, levels to white, level of no colour, levels of chroma from -0.5 to 0.5."""
        unit = 2 ** (self.bits - 8)
        peak = 2**self.bits - 1
        return (0, peak, 128 * unit, peak) if self.full else (16 * unit, 219 * unit, 128 * unit, 224 * unit)


def matrix_of(declared: int, width: int, height: int) -> int:
    """Return the matrix of a video; where none is declared, the one that players take for its size.

    Raises:
        ValueError: one that is no weighting of R, G and B, or has no constant weights.
    """
    if declared in (UNSPECIFIED, RGB):  # RGB is made Y'CbCr here, as encoders want it
        return BT601 if width < SD_SIDES[0] and height <= SD_SIDES[1] else BT709
    if declared not in WEIGHTS:
        raise UserError(f"its colour matrix is number {declared} of H.273; wanted BT.601, BT.709 or BT.2020")
    return declared


def to_image(frame: VideoFrame, layout: Layout) -> Tensor:
    """Convert to (C, H, W) float32 in [0, 1]; C = 1 where the layout is grey. Chroma is interpolated linearly."""
    if frame.format.name.replace("yuvj", "yuv") != layout.pixels:
        # Its matrix is named even so: one that is not declared would be BT.601 to FFmpeg, whatever the size.
        frame = frame.reformat(
            format=layout.pixels, src_colorspace=layout.matrix, dst_colorspace=layout.matrix,
            dst_color_range=FULL if layout.full else 1,
        )  # fmt: skip
    black, white, neutral, chroma = layout.ranges
    luma, *colour = (_plane(frame, index, layout.bits) for index in range(len(frame.planes)))
    y = (luma - black) / white
    if not colour:
        return y.clamp(0, 1).unsqueeze(0)
    u, v = (_enlarged((plane - neutral) / chroma, frame.height, frame.width, layout.steps) for plane in colour)
    kr, kb = WEIGHTS[layout.matrix]
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return torch.stack([r, g, b]).clamp(0, 1)


def to_frame(image: Tensor, layout: Layout) -> VideoFrame:
    """Invert `to_image`, rounded; a last row or column is left out where chroma wants an even number.

    Raises:
        UserError: nothing would be left.
    """
    rows, columns = layout.steps
    height, width = image.shape[1] // rows * rows, image.shape[2] // columns * columns
    if not (height and width):
        raise UserError(f"{image.shape[2]} x {image.shape[1]} pixels are too few for {layout.pixels}")
    image = image[:, :height, :width]
    black, white, neutral, chroma = layout.ranges
    planes = [image[0] * white + black]
    if len(image) == 3:
        kr, kb = WEIGHTS[layout.matrix]
        r, g, b = image
        y = kr * r + (1 - kr - kb) * g + kb * b
        u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
        planes = [y * white + black, *(_reduced(c, layout.steps) * chroma + neutral for c in (u, v))]
    frame = VideoFrame(width, height, layout.pixels)
    for plane, levels in zip(frame.planes, planes, strict=True):
        depth = np.uint8 if layout.bits == 8 else np.uint16
        lines = np.zeros((plane.height, plane.line_size // depth().itemsize), depth)
        lines[:, : plane.width] = levels.round().clamp(0, 2**layout.bits - 1).numpy().astype(depth)
        plane.update(lines.tobytes())
    return frame


def _plane(frame: VideoFrame, index: int, bits: int) -> Tensor:
    """Return a plane's levels, (h, w) float32."""
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8 if bits == 8 else np.uint16).reshape(plane.height, -1)
    return torch.from_numpy(rows[:, : plane.width].astype(np.float32))


# Chroma samples lie between two rows of luma, and on every second column: where H.264, H.265 and AV1 put them unless
# they say otherwise.
def _enlarged(plane: Tensor, height: int, width: int, steps: tuple[int, int]) -> Tensor:
    """Enlarge (h, w) to the size of luma, linearly."""
    rows, columns = steps
    image = plane[None, None]
    if columns == 2:
        image = F.interpolate(image, (plane.shape[0], 2 * plane.shape[1] - 1), mode="bilinear", align_corners=True)
        image = F.pad(image, (0, 1, 0, 0), mode="replicate")
    if rows == 2:
        image = F.interpolate(image, (2 * plane.shape[0], image.shape[3]), mode="bilinear", align_corners=False)
    return image[0, 0, :height, :width]


def _reduced(image: Tensor, steps: tuple[int, int]) -> Tensor:
    """Reduce (H, W) to (H / rows, W / columns): means of two rows, and 1 2 1 along a row."""
    rows, columns = steps
    if columns == 2:
        padded = F.pad(image[None, None], (1, 0, 0, 0), mode="replicate")[0, 0]
        image = (padded[:, 0:-1:2] + 2 * padded[:, 1::2] + image[:, 1::2]) / 4
    return (image[0::2] + image[1::2]) / 2 if rows == 2 else image
