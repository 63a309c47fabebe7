"""Statistics on images whose answers are known by hand."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from wildsr.apps.match.jpeg import find_jpeg, read_tables
from wildsr.apps.match.statistics import NAMES, blockiness, edges, is_photograph, laplacian, measure
from wildsr.data import sample_photographs
from wildsr.images import from_pil

INDEX = {name: place for place, name in enumerate(NAMES)}


def grey(levels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.repeat(levels.round().clip(0, 255).astype(np.uint8)[None], 3, 0))


def coded(image: torch.Tensor, quality: int, subsampling: str = "4:2:0") -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    picture.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def decoded(content: bytes) -> torch.Tensor:
    return from_pil(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    return sample_photographs(["astronaut.png"])[0][:, :256, :256]


def test_white_noise_has_its_strength_no_correlation_and_no_bands():
    noise = np.random.default_rng(0).normal(128, 10, (256, 256))
    assert np.sqrt((laplacian(noise.reshape(-1, 8, 8)) ** 2).mean()) == pytest.approx(10, rel=0.02)
    found = measure(grey(noise))
    assert np.exp(found[INDEX["noise_25"]]) == pytest.approx(9, rel=0.1)  # a lower quartile of noisy estimates
    assert found[INDEX["noise_25"]] - found[INDEX["noise_half"]] == pytest.approx(np.log(2), abs=0.2)  # of 4 pixels
    assert abs(found[INDEX["correlation"]]) < 0.08
    assert abs(found[INDEX["active_high"]]) < 0.1 and abs(found[INDEX["active_middle"]]) < 0.1
    assert found[INDEX["colour"]] == pytest.approx(np.log(0.15), abs=1e-3)  # grey: none but the floor


def test_a_plane_and_straight_edges_are_no_noise():
    y, x = np.mgrid[:8, :8].astype(float)
    assert laplacian(np.stack([3 * x + 5 * y, 200.0 * (x > 3), 90.0 * (y > 5)])) == pytest.approx([0, 0, 0], abs=1e-9)


def test_noise_that_grows_with_brightness_is_seen_in_the_bright_third():
    ramp = np.tile(np.linspace(30, 220, 256), (256, 1))
    noise = np.random.default_rng(0).normal(0, 1, ramp.shape) * ramp / 20
    found = measure(grey(ramp + noise))
    assert found[INDEX["noise_bright"]] - found[INDEX["noise_dark"]] > np.log(2)


def test_an_edges_width_is_its_height_through_its_slope():
    step = np.where(np.arange(64) < 32, 50.0, 200.0) * np.ones((64, 1))
    assert edges(step) == pytest.approx((1, 1, 0), abs=1e-6)
    ramp = np.interp(np.arange(64), [30, 34], [50.0, 200.0]) * np.ones((64, 1))
    assert edges(ramp)[:2] == pytest.approx((4, 4), abs=0.01)


def test_an_overshoot_is_its_share_of_the_height():
    profile = np.where(np.arange(64) < 32, 50.0, 200.0)
    profile[32], profile[31] = 215, 35  # a tenth of 150 at both sides
    assert edges(profile * np.ones((64, 1)))[2] == pytest.approx(0.1, abs=0.01)


def test_blocks_of_their_own_level_are_blocky_and_noise_is_not():
    blocks = np.kron(np.random.default_rng(0).uniform(100, 110, (16, 16)), np.ones((8, 8)))
    assert blockiness(blocks) > 2
    assert abs(blockiness(np.random.default_rng(0).normal(128, 3, (256, 256)))) < 0.05


@pytest.mark.parametrize(("quality", "subsampling"), [(35, "4:2:0"), (72, "4:4:4"), (95, "4:2:2")])
def test_a_files_tables_say_quality_and_subsampling(photograph, tmp_path, quality, subsampling):
    file = tmp_path / "a.jpg"
    file.write_bytes(coded(photograph, quality, subsampling))
    found = read_tables(file)
    assert (found.quality, found.subsampling, found.is_exact) == (quality, subsampling, True)
    Image.open(file).save(tmp_path / "a.png")
    assert read_tables(tmp_path / "a.png") is None


@pytest.mark.parametrize("quality", [30, 55, 75, 88])
def test_a_jpeg_is_found_in_the_pixels_after_a_second_saving(photograph, quality):
    found = find_jpeg(decoded(coded(photograph, quality)))
    assert abs(found.quality - quality) <= 1 and found.phase == (0, 0)


def test_a_jpeg_is_found_in_a_part_that_was_cut_out_of_it(photograph):
    found = find_jpeg(decoded(coded(photograph, 60))[:, 3:, 5:])
    assert abs(found.quality - 60) <= 1 and found.phase == (5, 3)


def test_no_jpeg_is_found_where_there_is_none(photograph):
    picture = Image.fromarray(photograph.permute(1, 2, 0).numpy())
    small = from_pil(picture.resize((128, 128), Image.Resampling.BICUBIC))
    noisy = small + torch.from_numpy(np.random.default_rng(0).normal(0, 6, (3, 128, 128)))
    for image in (small, noisy.round().clamp(0, 255).to(torch.uint8)):
        assert find_jpeg(image) is None


def test_text_and_flat_drawings_are_no_photographs(photograph):
    drawing = np.full((128, 128), 255.0)
    drawing[20:40, 20:100] = 0
    assert not is_photograph(grey(drawing))
    assert is_photograph(photograph)
