"""JPEG five ways: how far each is from libjpeg, in 8-bit levels, and how long it takes.

    python benchmarks/jpeg.py                      # 20 seconds on one core
    python benchmarks/jpeg.py --size 256 --qualities 10 50 90 --repeats 50

Mean error is against Pillow's libjpeg on crops of photographs, 4:2:0. Time is for one crop, median of the repeats.
`released` restates the formula of the released training code, with its known faults: the luma table transposed,
tables not rounded, black padding. Its chroma is repeated, not smoothed, as it comes back.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from kornia.enhance import jpeg_codec_differentiable
from PIL import Image
from skimage import data
from torch import Tensor

from wildsr.degradation.libjpeg import _CHROMA, _LUMA, code_on_device, jpeg

# N images, H W multiples of 16
_YCC = torch.tensor([[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]])  # from R, G, B
_RGB = torch.tensor([[1.0, 1.0, 1.0], [0.0, -0.344136, 1.772], [1.402, -0.714136, 0.0]])  # from Y, Cb, Cr
_ZERO = torch.tensor([0.0, 128.0, 128.0])
_STEP = torch.arange(8.0)
_WAVE = torch.cos((2 * _STEP[:, None] + 1) * _STEP * torch.pi / 16)
_WAVES = torch.einsum("yi,xj->yxij", _WAVE, _WAVE)
_SCALE = torch.outer(*[torch.tensor([2**-0.5, *[1.0] * 7])] * 2)


def released_jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """The released DiffJPEG: (N, 3, H, W) in [0, 1], real-valued qualities (N,) -> (N, 3, H, W) in [0, 1].

    Its operations in its order: colours last, each plane cut into blocks, one 64 x 64 product of all blocks, an own
    table for each image, chroma repeated, clipped against full-sized tensors of zeros and 255s.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16)) * 255
    colours = torch.tensordot(padded.permute(0, 2, 3, 1), _YCC, dims=1) + _ZERO
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1, 1) / 100
    halves = [F.avg_pool2d(colours[..., i], 2) for i in (1, 2)]
    luma, *chroma = (
        _released_code(plane, torch.tensor(table).T * factor)
        for plane, table in ((colours[..., 0], _LUMA), (halves[0], _CHROMA), (halves[1], _CHROMA))
    )
    planes = [luma, *(half.repeat_interleave(2, -1).repeat_interleave(2, -2) for half in chroma)]
    rgb = torch.tensordot(torch.stack(planes, 3) - _ZERO, _RGB, dims=1).permute(0, 3, 1, 2)
    rgb = torch.min(torch.full_like(rgb, 255), torch.max(torch.zeros_like(rgb), rgb)) / 255
    return rgb[..., :height, :width].contiguous()


def _released_code(plane: Tensor, table: Tensor) -> Tensor:
    """Transform, quantise, transform back: (N, H, W) levels, tables (N, 1, 8, 8)."""
    count, height, width = plane.shape
    blocks = plane.reshape(count, height // 8, 8, width // 8, 8).transpose(2, 3).reshape(count, -1, 8, 8)
    frequencies = _SCALE / 4 * torch.tensordot(blocks - 128, _WAVES, dims=2)
    frequencies = (frequencies / table).round() * table
    blocks = torch.tensordot(frequencies * _SCALE, _WAVES.permute(2, 3, 0, 1), dims=2) / 4 + 128
    return blocks.view(count, height // 8, width // 8, 8, 8).transpose(2, 3).reshape(count, height, width)


def pillow(image: Tensor, quality: int) -> Tensor:
    """(3, H, W) in [0, 1] through a JPEG file in memory."""
    file = io.BytesIO()
    Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255


WAYS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "released (DiffJPEG)": lambda image, q: released_jpeg(image[None], torch.tensor([float(q)]))[0],
    "kornia, differentiable": lambda image, q: jpeg_codec_differentiable(image[None], torch.tensor([float(q)]))[0],
    "ours on a CPU: torchvision's codec": jpeg,
    "ours elsewhere: float64 tensors": lambda image, q: code_on_device((image * 255).round()[None], q)[0] / 255,
    "Pillow": pillow,
}


def milliseconds(way: Callable[[Tensor, int], Tensor], image: Tensor, repeats: int) -> float:
    """Median time at quality 50."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        way(image, 50)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=400, help="side of the crops in pixels (default: 400)")
    parser.add_argument("--qualities", type=int, nargs="+", default=[30, 50, 75, 95], help="libjpeg qualities")
    parser.add_argument("--repeats", type=int, default=20, help="timed runs of each way (default: 20)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default: 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    side = options.size
    photographs = [data.astronaut(), data.coffee(), data.rocket()]
    crops = [torch.from_numpy(p[:side, :side].copy()).permute(2, 0, 1).contiguous() / 255 for p in photographs]
    heads = "".join(f"  error q{quality:<3}" for quality in options.qualities)
    print(f"{'':36}{heads}     ms ({side} x {side}, {options.threads} thread)")
    for name, way in WAYS.items():
        errors = [
            statistics.mean((way(crop, q) - pillow(crop, q)).abs().mean().item() * 255 for crop in crops)
            for q in options.qualities
        ]
        cells = "".join(f"{error:12.3f}" for error in errors)
        print(f"{name:36}{cells}{milliseconds(way, crops[0], options.repeats):8.1f}", flush=True)


if __name__ == "__main__":
    main()
