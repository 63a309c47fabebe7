"""JPEG as libjpeg computes it: the same bytes, on any device.

A CPU calls the codec. Elsewhere the same integer arithmetic runs on tensors: libjpeg's accurate DCT with
13-bit constants, chroma for every pixel, two or four of them, "fancy" up-sampling. It is exact in float64: no product
reaches 2^53, and a division by a power of two does not round. So divisions are taken into the constants, libjpeg's
shifts are a `floor`, and kernels of torch average and interpolate.
"""

# B batch, n images on a canvas S T, C = 1 or 3, H W image, h w whole blocks of 8 that hold the canvas

import io
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wildsr.degradation.batched.form import Size, Tables, clamped, shape_of, take
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
_DCT = np.array([(*row, *((-1) ** i * number for number in reversed(row))) for i, row in enumerate(_LEFT)], np.float64)
# JFIF's colours as libjpeg rounds them, in units of 2^-16, and what it adds before it drops those bits
_TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
_TO_YCC_PLUS = ((1 << 15,), ((128 << 16) + 32767,), ((128 << 16) + 32767,))
_TO_RGB = ((1 << 16, 0, 91881), (1 << 16, -22554, -46802), (1 << 16, 116130, 0))
_TO_RGB_PLUS = tuple(((1 << 15) - 128 * sum(row[1:]),) for row in _TO_RGB)
# Half a step away from zero rounds outwards, as libjpeg does; `round` would take the even neighbour.
_OUTWARDS = 1 - 2**-30
SUBSAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}  # rows and columns of luma to one of chroma
USUAL = "4:2:0"  # Pillow's default, and libjpeg's


# Pixels. The arithmetic takes 150 bytes a pixel: whole photographs, which only validation degrades, go through the
# codec instead, though the device waits for it.
LARGE = 2**21


def jpeg(image: Tensor, quality: int, subsampling: str = USUAL) -> Tensor:
    """Compress and decompress: (C, H, W) or (B, C, H, W) in [0, 1] -> the same, on 8-bit levels in [0, 1].

    Equal, byte for byte, to what libjpeg makes of the image rounded to 8 bit. Subsampling is one of SUBSAMPLINGS; a
    grey image has no chroma.
    """
    levels = (image.float() * 255).round_().clamp_(0, 255).reshape(-1, *image.shape[-3:])
    if image.device.type in ("cpu", "mps") or levels.shape[-2:].numel() > LARGE:  # MPS has no float64
        # The codec wants colours side by side: floats are turned so faster than bytes.
        interleaved = levels.cpu().contiguous(memory_format=torch.channels_last).byte()
        code = _by_torchvision if subsampling == USUAL or levels.shape[1] == 1 else _by_pillow
        coded = torch.stack([code(one, quality, subsampling) for one in interleaved]).to(image.device).float()
    else:
        coded = code_on_device(levels, quality, subsampling)
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


def code_on_device(levels: Tensor, quality: int, subsampling: str = USUAL) -> Tensor:
    """Apply the codec in tensor arithmetic: (B, C, H, W) of whole levels in [0, 255] -> the same, float32."""
    sizes = [(levels.shape[2], levels.shape[3])] * len(levels)
    tables = coding_tables([quality] * len(levels), subsampling, sizes)
    sent = {name: to_device(torch.tensor(table), levels.device) for name, table in tables.items()}
    return code_levels(levels, sizes, subsampling, sent)


def coding_tables(qualities: Sequence[int], subsampling: str, sizes: Sequence[Size]) -> Tables:
    """Return what `code_levels` needs of images with a quality and a size each."""
    rows, columns = SUBSAMPLINGS[subsampling]
    height, width = (side + -side % 16 for side in shape_of(sizes))
    heights, widths = (np.array(sides)[:, None] for sides in zip(*sizes, strict=True))
    own = -(-heights // rows), -(-widths // columns)  # sizes of the chroma
    steps = [[quantisation(base, quality) for base in (_LUMA, _CHROMA)] for quality in qualities]
    beside = np.arange(max(width // columns, 2)) % 2
    return {
        "rows": clamped(height, heights),
        "columns": clamped(width, widths),
        "chroma_rows": clamped(height // rows, own[0]),
        "chroma_columns": clamped(width // columns, own[1]),
        "steps": np.array(steps, np.float64)[:, :, None, :, None],  # n, luma and chroma, 1, 8, 1, 8
        "shrunk": (beside + rows - 1) / (rows * columns),  # 0, 1, 0, 1, … is added to two, 1, 2, 1, 2, … to four
        "enlarged": np.array((8, 7) if rows == 2 else (4, 8))[np.arange(width) % 2] / 16,
        "to_ycc": np.array(_TO_YCC) / 2**16,
        "to_ycc_plus": np.array(_TO_YCC_PLUS) / 2**16,
        "to_rgb": np.array(_TO_RGB) / 2**16,
        "to_rgb_plus": np.array(_TO_RGB_PLUS) / 2**16,
        "dct_across": _DCT / 2**11,
        "dct_across_plus": 0.5 - 128 * _DCT.sum(1) / 2**11,
        "dct_down": _DCT / 2**15,
        "idct_down": _DCT.T / 2**11,
        "idct_across": _DCT.T / 2**18,
        "half": np.array([0.5]),
        "grey": np.full(8, 128.5),
    }


def code_levels(levels: Tensor, sizes: Sequence[Size], subsampling: str, tables: Mapping[str, Tensor]) -> Tensor:
    """Code images on a canvas, (n, C, S, T) of whole levels in [0, 255] -> the same, float32.

    Each is continued by its border up to the end of the canvas.

    Args:
        sizes: of the images, either all of them or none at most 4 pixels wide.
        tables: what `coding_tables` gave, on the device.
    """
    height, width = levels.shape[-2:]
    levels = take(levels, tables["rows"], tables["columns"]).double()
    if levels.shape[1] == 1:
        coded = _code(levels[:, 0], tables["steps"][:, 0], tables)[:, None]
    else:
        # So narrow, libjpeg repeats samples of chroma instead of interpolating between them.
        is_narrow = max(wide for _, wide in sizes) <= 4
        coded = _code_colours(levels, subsampling, "nearest" if is_narrow else "bilinear", tables)
    return coded[..., :height, :width].float()


def _code_colours(levels: Tensor, subsampling: str, enlarging: str, tables: Mapping[str, Tensor]) -> Tensor:
    """Code (n, 3, 8h, 8w) levels."""
    rows, columns = SUBSAMPLINGS[subsampling]
    height, width = levels.shape[-2:]
    planes = _mix(levels, tables["to_ycc"], tables["to_ycc_plus"])
    chroma = planes[:, 1:]
    if columns == 2:
        chroma = F.avg_pool2d(chroma, (rows, 2)).add_(tables["shrunk"]).floor_()
    if rows == 2:  # below an image its last row of chroma is repeated, not its last row of pixels
        chroma = chroma.gather(2, tables["chroma_rows"][:, None, :, None].expand(-1, 2, -1, chroma.shape[3]))
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
        chroma = F.interpolate(chroma, (height, width), mode=enlarging).add_(tables["enlarged"]).floor_()
    return _mix(torch.cat((luma, chroma), 1), tables["to_rgb"], tables["to_rgb_plus"]).clamp_(0, 255)


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
    x = x.div_(steps * (8 * _OUTWARDS)).round_().mul_(steps)
    x = _down(tables["idct_down"], x.view(-1, 8, width), tables)
    x = F.linear(x.view(-1, 8), tables["idct_across"], tables["grey"]).floor_()
    return x.view(plane.shape).clamp_(0, 255)


def _down(matrix: Tensor, x: Tensor, tables: Mapping[str, Tensor]) -> Tensor:
    """Multiply (N, 8, 8w) from the left, N rows of blocks."""
    return torch.baddbmm(tables["half"], matrix.expand(len(x), 8, 8), x).floor_()


@cache
def quantisation(base: Matrix, quality: int) -> Matrix:
    """Return libjpeg's quantisation table at a quality: (8, 8), whole numbers in [1, 255]."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(tuple(min(max((step * percent + 50) // 100, 1), 255) for step in row) for row in base)


def luma_table(quality: int) -> Matrix:
    """Return libjpeg's quantisation table of luma at a quality."""
    return quantisation(_LUMA, quality)
