"""JPEG against Pillow's libjpeg: no byte may differ, by the codec and by tensor arithmetic."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from wildsr.data import sample_photographs
from wildsr.degradation import jpeg
from wildsr.degradation.libjpeg import SUBSAMPLINGS, code_on_device

SIZES = [(64, 80), (97, 131), (61, 60), (33, 17), (16, 15), (9, 17), (5, 3), (3, 4), (2, 6), (1, 1), (1, 40)]
QUALITIES = [1, 10, 24, 49, 50, 51, 75, 90, 95, 99, 100]


def pillow(levels: Tensor, quality: int, subsampling: str = "4:2:0") -> Tensor:
    """(C, H, W) levels through a JPEG file in memory."""
    array = levels.byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array).save(
        file, "JPEG", quality=quality, subsampling=subsampling
    )
    decoded = torch.from_numpy(np.array(Image.open(file))).float()
    return decoded[None] if decoded.ndim == 2 else decoded.permute(2, 0, 1)


def pictures() -> dict[str, Tensor]:
    """Levels of a photograph, of noise (rings hardest) and of two colours (leaves the RGB cube when rounded)."""
    photograph = sample_photographs(["coffee.png"])[0].float()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (3, 131, 131), generator=generator).float()
    flat = torch.randint(0, 2, (3, 131, 131), generator=generator).float() * 255
    return {"photograph": photograph, "noise": noise, "corners": flat}


PICTURES = pictures()


def assert_equals_pillow(levels: Tensor, quality: int, subsampling: str = "4:2:0") -> None:
    expected = pillow(levels, quality, subsampling)
    assert torch.equal((jpeg(levels / 255, quality, subsampling) * 255).round(), expected)
    assert torch.equal(code_on_device(levels[None], quality, subsampling)[0], expected)


def test_pillows_default_is_one_colour_for_four_pixels():
    file = io.BytesIO()
    Image.fromarray(PICTURES["photograph"].byte().permute(1, 2, 0).numpy()).save(file, "JPEG", quality=60)
    assert torch.equal(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float(),
                       pillow(PICTURES["photograph"], 60))  # fmt: skip


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2"])
@pytest.mark.parametrize("picture", PICTURES)
def test_every_byte_equals_pillows_with_more_colours(picture, subsampling):
    for quality in (1, 30, 75, 100):
        for height, width in [*SIZES, (40, 1), (3, 5)]:
            levels = PICTURES[picture][:, :height, :width]
            assert_equals_pillow(levels, quality, subsampling)
        assert_equals_pillow(PICTURES[picture][:1, :33, :17], quality, subsampling)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("picture", PICTURES)
def test_every_byte_equals_pillows_in_colour_and_grey(picture, quality):
    for height, width in SIZES:
        levels = PICTURES[picture][:, :height, :width]
        assert_equals_pillow(levels, quality)
        assert_equals_pillow(levels[:1], quality)


@pytest.mark.slow
@pytest.mark.parametrize("quality", range(1, 101))
def test_every_byte_equals_pillows_at_every_quality(quality):
    for levels in PICTURES.values():
        for height, width in [*SIZES, (256, 256), (400, 399)]:
            assert_equals_pillow(levels[:, :height, :width], quality)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 100), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 2**32),
    st.sampled_from(list(SUBSAMPLINGS)),
)  # fmt: skip
def test_any_size_and_quality_equals_pillow(quality, height, width, channels, seed, subsampling):
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (channels, height, width), generator=generator).float()
    assert_equals_pillow(levels, quality, subsampling)


def test_a_batch_is_its_images_one_by_one():
    batch = torch.stack([PICTURES["photograph"][:, i : i + 50, :70] for i in range(3)])
    alone = torch.stack([jpeg(image / 255, 40) for image in batch])
    assert torch.equal(jpeg(batch / 255, 40), alone)
    assert torch.equal(code_on_device(batch, 40) / 255, alone)


def test_the_image_is_rounded_to_eight_bit_and_clipped_first():
    levels = PICTURES["photograph"][:, :40, :40]
    image = levels / 255
    assert torch.equal(jpeg(image + 0.4 / 255, 60), jpeg(image, 60))
    assert torch.equal(jpeg(2 * image - 0.5, 60), jpeg((2 * image - 0.5).clamp(0, 1), 60))


def test_the_tensor_codec_takes_few_operators():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counter(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += not func.is_view
            return func(*args, **(kwargs or {}))

    levels = PICTURES["photograph"][None, :, :64, :64]
    with Counter() as counter:
        code_on_device(levels, 50)
    assert counter.count < 100  # a launch each on a GPU


def test_the_benchmarks_baseline_is_the_released_formula():
    """What `benchmarks/` calls released must be it: the golden figures hold its results, faults included."""
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("jpeg_benchmark", root / "benchmarks" / "jpeg.py")
    assert spec and spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    golden = np.load(root / "tests" / "golden" / "filters.npz")
    count = len(golden["jpeg_quality"])
    images = torch.from_numpy(golden["image"][:count]).permute(0, 3, 1, 2).float() / 255
    found = benchmark.released_jpeg(images, torch.from_numpy(golden["jpeg_quality"]))
    np.testing.assert_allclose(found, golden["diffjpeg"], rtol=0, atol=1e-5)
