"""Compress a batch by JPEG, each image at its own quality: libjpeg's bytes, as `libjpeg` computes them.

The same whole numbers as in `libjpeg.code_levels`, in fewer operators: float64 divides them by powers of two without
rounding, so that products are divided beforehand, and kernels of torch that average and interpolate are exact.
"""

# n images, C = 1 or 3, S T canvas, h w whole blocks of 8 that hold the canvas

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from wildsr.degradation import libjpeg
from wildsr.degradation.batched.form import BatchStep, Size, Tables, clamped, shape_of, take

DCT = np.array(libjpeg._DCT, np.float64)
# Half a step away from zero rounds outwards, as libjpeg does; `round` would take the even neighbour.
OUTWARDS = 1 - 2**-30


class JpegBatch:
    """Code all images of one subsampling at once; each is continued by its border up to the end of the canvas."""

    operators: ClassVar[int] = 40

    @staticmethod
    def key(record: Any, size: Size) -> tuple[str, bool]:
        return record.subsampling, size[1] <= 4  # so narrow, libjpeg does not interpolate chroma

    @staticmethod
    def output_size(record: Any, size: Size, final_size: Size) -> Size:
        return size

    @staticmethod
    def tables(step: BatchStep) -> Tables:
        rows, columns = libjpeg.SUBSAMPLINGS[step.records[0].subsampling]
        height, width = (side + -side % 16 for side in shape_of(step.before))
        bases = (libjpeg._LUMA, libjpeg._CHROMA)
        quality = [[libjpeg.quantisation(base, record.quality) for base in bases] for record in step.records]
        own = -(-step.heights // rows), -(-step.widths // columns)  # sizes of the chroma
        beside = np.arange(max(width // columns, 2)) % 2
        return {
            "rows": clamped(height, step.heights),
            "columns": clamped(width, step.widths),
            "chroma_rows": clamped(height // rows, own[0]),
            "chroma_columns": clamped(width // columns, own[1]),
            "steps": np.array(quality, np.float64)[:, :, None, :, None],  # n, luma and chroma, 1, 8, 1, 8
            "shrunk": (beside + rows - 1) / (rows * columns),
            "enlarged": np.array((8, 7) if rows == 2 else (4, 8))[np.arange(width) % 2] / 16,
            "to_ycc": np.array(libjpeg._TO_YCC) / 2**16,
            "to_ycc_plus": np.array(libjpeg._TO_YCC_PLUS) / 2**16,
            "to_rgb": np.array(libjpeg._TO_RGB) / 2**16,
            "to_rgb_plus": np.array(libjpeg._TO_RGB_PLUS) / 2**16,
            "dct_across": DCT / 2**11,
            "dct_across_plus": 0.5 - 128 * DCT.sum(1) / 2**11,
            "dct_down": DCT / 2**15,
            "idct_down": DCT.T / 2**11,
            "idct_across": DCT.T / 2**18,
            "half": np.array([0.5]),
            "grey": np.full(8, 128.5),
        }

    @staticmethod
    def apply(images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        height, width = images.shape[-2:]
        levels = images.mul_(255).round_().clamp_(0, 255)
        levels = take(levels, tables["rows"], tables["columns"]).double()
        if step.channels == 1:
            coded = _code(levels[:, 0], tables["steps"][:, 0], tables)[:, None]
        else:
            coded = _in_colour(levels, step, tables)
        return coded[..., :height, :width].float().div_(255)


def _in_colour(levels: Tensor, step: BatchStep, tables: Mapping[str, Tensor]) -> Tensor:
    """Code (n, 3, 8h, 8w) levels."""
    rows, columns = libjpeg.SUBSAMPLINGS[step.records[0].subsampling]
    height, width = levels.shape[-2:]
    planes = _mix(levels, tables["to_ycc"], tables["to_ycc_plus"])
    chroma = planes[:, 1:]
    if columns == 2:
        chroma = F.avg_pool2d(chroma, (rows, 2)).add_(tables["shrunk"]).floor_()
    if rows == 2:  # below an image its last row of chroma is repeated, not its last row of pixels
        chroma = chroma.gather(2, _along(tables["chroma_rows"], chroma))
    # Luma above, the chroma planes below, side by side if they are half as wide: one plane of blocks.
    beside = 2 if columns == 2 else 1
    plane = torch.cat((planes[:, 0], torch.cat(chroma.unbind(1), beside)), 1)
    luma_steps, chroma_steps = tables["steps"].unbind(1)
    blocks = plane.shape[1] // 8 - height // 8
    steps = torch.cat((luma_steps.expand(-1, height // 8, 8, 1, 8), chroma_steps.expand(-1, blocks, 8, 1, 8)), 1)
    coded = _code(plane, steps, tables)
    luma, chroma = coded[:, None, :height], torch.stack(coded[:, height:].chunk(2, beside), 1)
    if columns == 2:
        chroma = take(chroma, tables["chroma_rows"], tables["chroma_columns"])
        mode = "nearest" if max(step.widths) <= 4 else "bilinear"
        chroma = F.interpolate(chroma, (height, width), mode=mode).add_(tables["enlarged"]).floor_()
    return _mix(torch.cat((luma, chroma), 1), tables["to_rgb"], tables["to_rgb_plus"]).clamp_(0, 255)


def _along(rows: Tensor, planes: Tensor) -> Tensor:
    return rows[:, None, :, None].expand(-1, planes.shape[1], -1, planes.shape[3])


def _mix(planes: Tensor, weights: Tensor, plus: Tensor) -> Tensor:
    """Change the colour space: (n, 3, S, T) -> (n, 3, S, T)."""
    mixed = torch.baddbmm(plus, weights.expand(len(planes), 3, 3), planes.flatten(2))
    return mixed.floor_().view(planes.shape)


def _code(plane: Tensor, steps: Tensor, tables: Mapping[str, Tensor]) -> Tensor:
    """Transform, quantise, transform back: (n, 8h, 8w) and steps (n, h or 1, 8, 1, 8) -> levels in [0, 255]."""
    count, height, width = plane.shape
    x = F.linear(plane.view(-1, 8), tables["dct_across"], tables["dct_across_plus"]).floor_()
    x = _down(tables["dct_down"], x.view(-1, 8, width), tables).view(count, height // 8, 8, width // 8, 8)
    # The transform is 8 times the true one.
    x = x.div_(steps * (8 * OUTWARDS)).round_().mul_(steps)
    x = _down(tables["idct_down"], x.view(-1, 8, width), tables)
    x = F.linear(x.view(-1, 8), tables["idct_across"], tables["grey"]).floor_()
    return x.view(plane.shape).clamp_(0, 255)


def _down(matrix: Tensor, x: Tensor, tables: Mapping[str, Tensor]) -> Tensor:
    """Multiply (N, 8, 8w) from the left, N rows of blocks."""
    return torch.baddbmm(tables["half"], matrix.expand(len(x), 8, 8), x).floor_()
