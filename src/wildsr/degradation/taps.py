"""The pixels that make a pixel of a resized line, and their weights, in every mode."""

# L pixels of the old line, N of the new one, K taps

import math

import torch
from torch import Tensor

LOBES = 3  # of Lanczos' filter


def resize_taps(mode: str, length: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Return places in 0 … L - 1 and weights, float32, of a line of L pixels resized to N: both (N, K).

    As `torch.nn.functional.interpolate` has them at a given size: half-pixel centres, bicubic with a = -0.75
    (antialiased: -0.5), the border repeated. Lanczos is Pillow's.
    """
    if length == wanted:
        return torch.arange(wanted)[:, None], torch.ones(wanted, 1)  # in every mode the identity
    places, weights = _TAPS[mode](length, wanted)
    return places.clamp(0, length - 1), weights.float()


def _nearest(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    places = (torch.arange(wanted) * torch.tensor(length / wanted)).floor().long()[:, None]
    return places, torch.ones(wanted, 1)


def _area(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    first = torch.arange(wanted) * length // wanted
    last = (torch.arange(1, wanted + 1) * length + wanted - 1) // wanted
    places = first[:, None] + torch.arange(-(-length // wanted) + 1)
    return places, (places < last[:, None]) / (last - first)[:, None]


def _bilinear(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    position = _positions(length, wanted).clamp(min=0)
    places = position.floor().long()[:, None] + torch.arange(2)
    return places, 1 - (position[:, None] - places).abs()


def _bicubic(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    position = _positions(length, wanted)
    places = position.floor().long()[:, None] + torch.arange(-1, 3)
    d = (position[:, None] - places).abs()
    near, far = ((1.25 * d - 2.25) * d) * d + 1, ((3.75 - 0.75 * d) * d - 6) * d + 3  # cubic, A = -0.75
    return places, torch.where(torch.tensor((False, True, True, False)), near, far)


def _bicubic_antialias(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Weigh by a cubic, A = -0.5, stretched where the line shrinks; the weights of existing pixels sum to 1."""
    step = max(length / wanted, 1.0)
    centre = (torch.arange(wanted)[:, None] + 0.5) * torch.tensor(length / wanted)  # in float32, as torch has it
    places = (centre - 2 * step + 0.5).long() + torch.arange(math.ceil(4 * step) + 1)
    d = ((places - centre + 0.5) / step).abs()
    near, far = (1.5 * d - 2.5) * d * d + 1, ((2.5 - 0.5 * d) * d - 4) * d + 2
    weights = torch.where(d < 1, near, torch.where(d < 2, far, 0)) * ((places >= 0) & (places < length))
    return places, weights / weights.sum(1, keepdim=True)


def _lanczos(length: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Weigh by Lanczos' filter, as image editors and Pillow do: antialiased.

    A new pixel at x, in pixels of the old line, is the mean of those at i + 1/2 weighed by L((i + 1/2 - x) / s),
    s = max(length / wanted, 1), with L(d) = sinc(d) sinc(d / 3) for |d| < 3, else 0.
    """
    step = length / wanted
    stretch = max(step, 1.0)
    reach = math.ceil(LOBES * stretch)
    middle = (torch.arange(wanted, dtype=torch.float64)[:, None] + 0.5) * step
    places = middle.floor().long() + torch.arange(-reach, reach + 1)
    d = (places + 0.5 - middle) / stretch
    weights = torch.sinc(d) * torch.sinc(d / LOBES) * ((d.abs() < LOBES) & (places >= 0) & (places < length))
    return places, weights / weights.sum(1, keepdim=True)


_TAPS = {
    "nearest": _nearest,
    "area": _area,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "bicubic_antialias": _bicubic_antialias,
    "lanczos": _lanczos,
}


def _positions(length: int, wanted: int) -> Tensor:
    """Return where the new pixels' centres lie: rounded to float32, and once more, as torch does."""
    step = torch.tensor(length / wanted).double()
    return ((torch.arange(wanted) + 0.5) * step - 0.5).float()
