"""JPEG as libjpeg computes it: the same bytes, on any device.

A CPU calls the codec. Elsewhere the same integer arithmetic runs on tensors: libjpeg's accurate DCT with
13-bit constants, chroma for every pixel, two or four of them, "fancy" up-sampling. No product reaches 2^53, so
float64 matrix products are exact; int32 sums serve where a device has no float64.
"""

# B batch, C = 1 or 3, H W image, h w the same in blocks of 8

import io
from functools import cache

import numpy as np
import torch
from torch import Tensor

from wildsr.degradation.tensors import to_device

Matrix = tuple[tuple[int, ...], ...]
# ITU-T T.81, annex K: the quantisation tables at quality 50
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
_CHROMA = (*((*row, 99, 99, 99, 99) for row in _CORNER), *((99,) * 8,) * 4)
# libjpeg's 8-point DCT in units of 2^-13, its butterflies multiplied out: the left half, which the right half
# mirrors, odd rows negated. It rounds each constant by itself, hence 10703 beside 10704.
_LEFT = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
_DCT = tuple((*row, *((-1) ** i * number for number in reversed(row))) for i, row in enumerate(_LEFT))
# JFIF's colours as libjpeg rounds them, in units of 2^-16, and what it adds before it drops those bits
_TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
_TO_YCC_PLUS = ((1 << 15,), ((128 << 16) + 32767,), ((128 << 16) + 32767,))
_TO_RGB = ((1 << 16, 0, 91881), (1 << 16, -22554, -46802), (1 << 16, 116130, 0))
_TO_RGB_PLUS = tuple(((1 << 15) - 128 * sum(row[1:]),) for row in _TO_RGB)
SUBSAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}  # rows and columns of luma to one of chroma
USUAL = "4:2:0"  # Pillow's default, and libjpeg's


# Pixels. The arithmetic takes 140 bytes a pixel: whole photographs, which only validation degrades, go through the
# codec instead, though the device waits for it.
LARGE = 2**21


def jpeg(image: Tensor, quality: int, subsampling: str = USUAL) -> Tensor:
    """Compress and decompress: (C, H, W) or (B, C, H, W) in [0, 1] -> the same, on 8-bit levels in [0, 1].

    Equal, byte for byte, to what libjpeg makes of the image rounded to 8 bit. Subsampling is one of SUBSAMPLINGS; a
    grey image has no chroma.
    """
    levels = (image.float() * 255).round_().clamp_(0, 255).reshape(-1, *image.shape[-3:])
    if image.device.type == "cpu" or levels.shape[-2:].numel() > LARGE:
        # The codec wants colours side by side: floats are turned so faster than bytes.
        interleaved = levels.cpu().contiguous(memory_format=torch.channels_last).byte()
        code = _by_torchvision if subsampling == USUAL or levels.shape[1] == 1 else _by_pillow
        coded = torch.stack([code(one, quality, subsampling) for one in interleaved]).to(image.device).float()
    else:
        coded = code_levels(levels, quality, subsampling=subsampling)
    return coded.div_(255).view(image.shape)


def _by_torchvision(levels: Tensor, quality: int, _: str) -> Tensor:
    from torchvision.io import decode_jpeg, encode_jpeg  # at first use: it imports the whole of torchvision

    return decode_jpeg(encode_jpeg(levels, quality))


def _by_pillow(levels: Tensor, quality: int, subsampling: str) -> Tensor:
    """Code (3, H, W) bytes; torchvision has no choice of subsampling."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(levels.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


def code_levels(levels: Tensor, quality: int, dtype: torch.dtype | None = None, subsampling: str = USUAL) -> Tensor:
    """Apply the codec in tensor arithmetic: (B, C, H, W) of whole levels in [0, 255] -> the same, float32.

    dtype is float64 or int32; None takes what the device has.
    """
    levels = levels.to(dtype or (torch.int32 if levels.device.type == "mps" else torch.float64))
    height, width = levels.shape[-2:]
    luma, chroma = (_table(base, quality, levels) for base in (_LUMA, _CHROMA))
    if levels.shape[1] == 1:
        plane = _extend(levels[:, 0], height + -height % 8, width + -width % 8)
        return _code(plane, luma)[:, None, :height, :width].float()
    rows, columns = SUBSAMPLINGS[subsampling]
    planes = _mix(levels, _TO_YCC, _TO_YCC_PLUS)
    tall, wide = height + -height % (8 * rows), width + -width % (8 * columns)
    small = _extend(_shrink(planes[:, 1:], wide, rows, columns), tall // rows, wide // columns)
    # Luma above, the two chroma planes below, side by side if they are half as wide: one plane of blocks.
    beside = 2 if columns == 2 else 1
    plane = torch.cat((_extend(planes[:, 0], tall, wide), torch.cat(small.unbind(1), beside)), 1)
    tables = torch.cat((luma.expand(tall // 8, 8, 1, 8), chroma.expand((len(plane[0]) - tall) // 8, 8, 1, 8)))
    coded = _code(plane, tables)
    small = torch.stack(coded[:, tall:].chunk(2, beside), 1)[..., : -(-height // rows), : -(-width // columns)]
    planes = torch.cat((coded[:, None, :height, :width], _enlarge(small, rows, columns)[..., :height, :width]), 1)
    return _mix(planes, _TO_RGB, _TO_RGB_PLUS).clamp(0, 255).float()


def _code(plane: Tensor, table: Tensor) -> Tensor:
    """Transform, quantise, transform back: (B, 8h, 8w) and tables (h or 1, 8, 1, 8) -> levels in [0, 255]."""
    height, width = plane.shape[1:]
    across, down = (-1, height // 8, width, 8), (-1, height // 8, 8, width)  # two views of the same memory
    dct = _constant(_DCT, plane.device, plane.dtype)
    x = _drop(_times((plane - 128).view(across), dct.T), 1 << 10, 11)
    x = _drop(_times(dct, x.view(down)), 1 << 14, 15).view(-1, height // 8, 8, width // 8, 8)
    # The transform is 8 times the true one. Half a step away from zero, then cut: rounds halves outwards.
    x = torch.div(x + x.sign() * (4 * table), 8 * table, rounding_mode="trunc") * table
    x = _drop(_times(dct.T, x.view(down)), 1 << 10, 11)
    x = _drop(_times(x.view(across), dct), (128 << 18) + (1 << 17), 18)
    return x.view(-1, height, width).clamp(0, 255)


def _shrink(chroma: Tensor, wide: int, rows: int, columns: int) -> Tensor:
    """Average rows x columns pixels of (B, 2, H, W); 0, 1, 0, 1, … is added to two first, 1, 2, 1, 2, … to four."""
    x = _extend(chroma, chroma.shape[-2] + -chroma.shape[-2] % rows, wide)
    if columns == 1:
        return x
    if rows == 2:
        x = x[..., 0::2, :] + x[..., 1::2, :]
    plus = torch.arange(wide // 2, device=x.device, dtype=x.dtype) % 2 + (rows - 1)
    return _drop(x[..., 0::2] + x[..., 1::2], plus, rows)


def _enlarge(chroma: Tensor, rows: int, columns: int) -> Tensor:
    """Repeat each side as often as it was divided, the nearer sample weighing 3 and the farther 1."""
    if columns == 1:
        return chroma
    if chroma.shape[-1] <= 2:  # so narrow, libjpeg repeats samples
        return chroma.repeat_interleave(columns, -1).repeat_interleave(rows, -2)
    x = chroma
    if rows == 2:
        above = torch.cat((chroma[..., :1, :], chroma[..., :-1, :]), -2)
        below = torch.cat((chroma[..., 1:, :], chroma[..., -1:, :]), -2)
        near = 3 * chroma
        x = torch.stack((near + above, near + below), -2).flatten(-3, -2)
    left = torch.cat((x[..., :1], x[..., :-1]), -1)
    right = torch.cat((x[..., 1:], x[..., -1:]), -1)
    near, plus = 3 * x, (8, 7) if rows == 2 else (1, 2)
    return torch.stack((_drop(near + left, plus[0], 2 * rows), _drop(near + right, plus[1], 2 * rows)), -1).flatten(-2)


def _mix(planes: Tensor, matrix: Matrix, plus: Matrix) -> Tensor:
    """Change the colour space: (B, 3, H, W) -> (B, 3, H, W)."""
    weights, offset = (_constant(rows, planes.device, planes.dtype) for rows in (matrix, plus))
    return _drop(_times(weights, planes.flatten(2)), offset, 16).view(planes.shape)


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices of whole numbers; int32 by sums, as no GPU multiplies int32 matrices."""
    return a @ b if a.is_floating_point() else (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2, dtype=a.dtype)


def _drop(x: Tensor, plus: Tensor | int, bits: int) -> Tensor:
    """Return floor((x + plus) / 2^bits)."""
    x = x + plus
    return x.mul_(0.5**bits).floor_() if x.is_floating_point() else x >> bits


def _extend(x: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last column and row up to (..., height, width)."""
    if width > x.shape[-1]:
        x = torch.cat((x, x[..., -1:].expand(*x.shape[:-1], width - x.shape[-1])), -1)
    if height > x.shape[-2]:
        x = torch.cat((x, x[..., -1:, :].expand(*x.shape[:-2], height - x.shape[-2], width)), -2)
    return x


@cache
def quantisation(base: Matrix, quality: int) -> Matrix:
    """Return libjpeg's quantisation table at a quality: (8, 8), whole numbers in [1, 255]."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(tuple(min(max((step * percent + 50) // 100, 1), 255) for step in row) for row in base)


def _table(base: Matrix, quality: int, like: Tensor) -> Tensor:
    return _constant(quantisation(base, quality), like.device, like.dtype)[:, None]  # (8, 1, 8)


@cache  # two tables for each of 100 qualities, and a handful more
def _constant(rows: Matrix, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # an inference tensor would be of no use in training
        return to_device(torch.tensor(rows, dtype=dtype), device)
