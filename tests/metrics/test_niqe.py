"""NIQE against the reference's figures, and its parts against figures computed by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from wildsr.metrics import NIQE
from wildsr.metrics.niqe import _distance, _fit_aggd, _halve, _mscn, _pristine, niqe_scores

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics.json").read_text())
# The reference works in float32, whose rounding it partly takes for texture: astronaut has black areas, where
# this shows (2e-4); the other photographs agree to 1e-6.
TOLERANCE = {"astronaut": 3e-4, "chelsea": 3e-6, "hubble_deep_field": 3e-6}


def to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255


@pytest.mark.parametrize("name", GOLDEN)
def test_niqe_is_the_references(name: str) -> None:
    pixels = getattr(skimage.data, name)()
    height, width = pixels.shape[:2]
    small = Image.fromarray(pixels).resize((width // 4, height // 4), Image.Resampling.BICUBIC)
    back = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))

    given = [NIQE()(to_tensor(pixels)), NIQE(border=4)(to_tensor(pixels)), NIQE()(to_tensor(back))]
    wanted = [GOLDEN[name]["niqe"], GOLDEN[name]["niqe_crop4"], GOLDEN[name]["bicubic_x4"]["niqe"]]
    assert [score.item() for score in given] == pytest.approx(wanted, rel=TOLERANCE[name])


@pytest.mark.parametrize(("level", "wanted"), [(0, 13.774337991247442), (127, 16.296402550780403)])
def test_flat_blocks_count_as_in_the_reference(level: int, wanted: float) -> None:
    """Two of chelsea's four columns of blocks are flat: some of their features exist, but no whole row."""
    pixels = skimage.data.chelsea().copy()
    pixels[:, :200] = level
    assert niqe_scores(to_tensor(pixels)).item() == pytest.approx(wanted, rel=3e-6)


@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 100 / 255, 1.0])
def test_a_flat_image_has_no_score(level: float) -> None:
    assert math.isnan(niqe_scores(torch.full((3, 200, 200), level)).item())


def test_an_image_with_nan_has_no_score_and_leaves_its_neighbours_alone() -> None:
    images = torch.rand(2, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    alone = niqe_scores(images[1]).item()
    images[0, 1, 100, 100] = math.nan
    scores = niqe_scores(images)
    assert math.isnan(scores[0].item())
    assert scores[1].item() == alone


def test_the_figure_is_the_mean_over_images() -> None:
    images = torch.rand(3, 3, 192, 200, generator=torch.Generator().manual_seed(0))
    metric = NIQE()
    metric.update(images[:2])
    metric.update(images[2])
    each = [niqe_scores(image).item() for image in images]
    assert metric.compute().item() == pytest.approx(sum(each) / 3, rel=1e-6)
    metric.reset()
    assert metric(images[0]).item() == pytest.approx(each[0], rel=1e-6)


def test_a_mean_leaves_out_images_without_a_score_and_counts_them() -> None:
    textured = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    metric = NIQE()
    metric.update(torch.cat([textured, torch.zeros_like(textured)]))
    assert metric.compute().item() == pytest.approx(niqe_scores(textured).item(), rel=1e-6)
    assert metric.left_out == 1


def test_what_a_file_would_lose_is_not_measured() -> None:
    pixels = to_tensor(skimage.data.chelsea())
    assert niqe_scores(pixels + 0.4 / 255).item() == niqe_scores(pixels).item()


def test_a_grey_image_is_its_own_luma() -> None:
    levels = torch.from_numpy(skimage.data.camera()[None].copy()).double()  # (1, 512, 512)
    # As RGB, the same grey has luma 16 + 219 / 255 of its level.
    as_rgb = niqe_scores((levels / 255).repeat(3, 1, 1))
    as_luma = niqe_scores((16 + levels * 219 / 255).round() / 255)
    assert as_rgb.item() == as_luma.item()
    assert niqe_scores(levels / 255).item() != pytest.approx(as_rgb.item(), rel=1e-2)


def test_niqe_is_measured_on_the_papers_luma_or_on_the_authors_rgb2gray() -> None:
    levels = torch.from_numpy(skimage.data.camera()[None].copy()).double()  # (1, 512, 512)
    colour = (levels / 255).repeat(3, 1, 1)
    assert niqe_scores(colour, grey="rgb2gray").item() == niqe_scores(levels / 255).item()  # R = G = B stays itself
    pixels = skimage.data.chelsea()
    grey = (pixels.astype(np.float64) @ [0.298936021293775, 0.587043074451121, 0.114020904255103]).round()
    wanted = niqe_scores(torch.from_numpy(grey)[None] / 255).item()
    assert NIQE(grey="rgb2gray")(to_tensor(pixels)).item() == pytest.approx(wanted, rel=1e-6)
    assert NIQE(grey="luma")(to_tensor(pixels)).item() == pytest.approx(GOLDEN["chelsea"]["niqe"], rel=3e-6)
    assert wanted != pytest.approx(GOLDEN["chelsea"]["niqe"], rel=3e-3)
    with pytest.raises(ValueError, match=r"grey: given 'grey'; choose from luma, rgb2gray"):
        NIQE(grey="grey")


def test_less_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="95 x 200 px inside a border of 0 px; wanted at least 96 px a side"):
        NIQE()(torch.rand(1, 3, 95, 200))
    with pytest.raises(ValueError, match="92 x 92 px inside a border of 2 px"):
        NIQE(border=2)(torch.rand(1, 3, 96, 96))


def test_pixels_beyond_the_last_whole_block_do_not_count() -> None:
    photograph = to_tensor(skimage.data.chelsea())  # 300 x 451: 3 x 4 blocks and a rest
    assert niqe_scores(photograph).item() == niqe_scores(photograph[:, :288, :384]).item()


def test_one_block_lies_at_its_distance_in_the_pristine_covariance_alone() -> None:
    # Along an eigenvector of the covariance C, a step s costs s / sqrt(eigenvalue of C / 2).
    mean, covariance = _pristine()
    values, vectors = torch.linalg.eigh(covariance)
    for index in (0, 17, 35):
        features = (mean + 3 * vectors[:, index])[None]
        assert _distance(features).item() == pytest.approx(3 / (values[index].item() / 2) ** 0.5, rel=1e-6)


def test_blocks_spread_evenly_around_the_pristine_mean_have_distance_0() -> None:
    mean, covariance = _pristine()
    step = torch.linalg.cholesky(covariance).T
    assert _distance(torch.cat([mean + step, mean - step])).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("alpha", "left", "right"), [(2.0, 1.0, 1.0), (2.0, 0.5, 1.5), (1.0, 2.0, 1.0)])
def test_the_fit_finds_the_distribution_that_was_drawn(alpha: float, left: float, right: float) -> None:
    """|x| / scale, to the power alpha, is gamma-distributed; a side is drawn in proportion to its scale."""
    rng = np.random.default_rng(0)
    size = 1_000_000
    magnitude = rng.gamma(1 / alpha, size=size) ** (1 / alpha)
    samples = np.where(rng.random(size) < left / (left + right), -left * magnitude, right * magnitude)
    given = [value.item() for value in _fit_aggd(torch.from_numpy(samples))]
    assert given == pytest.approx([alpha, left, right], rel=0.01)


def test_halving_keeps_a_constant_exactly_and_mirrors_the_edge() -> None:
    assert (_halve(torch.full((1, 1, 8, 12), 100.0, dtype=torch.float64)) == 100).all()
    # A bright first column counts twice, itself and mirrored: with taps 111 + 29, a step further with -9 - 3.
    edge = torch.zeros(1, 1, 8, 12, dtype=torch.float64)
    edge[..., 0] = 256
    assert _halve(edge)[0, 0, 0].tolist() == [140, -12, 0, 0, 0, 0]


def test_halving_is_the_antialiased_bicubic_away_from_the_edges() -> None:
    image = torch.rand(1, 1, 32, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours, torchs = _halve(image), F.interpolate(image, scale_factor=0.5, mode="bicubic", antialias=True)
    assert torch.allclose(ours[..., 2:-2, 2:-2], torchs[..., 2:-2, 2:-2], atol=1e-12)


def test_locally_constant_luma_is_exactly_0_after_normalisation() -> None:
    for level in (16.0, 81.0, 100.0, 235.0):
        assert not _mscn(torch.full((1, 1, 96, 96), level, dtype=torch.float64)).any()


def test_a_lone_bright_pixel_is_normalised_as_the_formula_says() -> None:
    # Window weight at the centre w = 0.117396: mean 10 w, deviation sqrt(100 w - 100 w^2).
    y = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    y[..., 10, 10] = 10
    taps = [math.exp(-(x**2) / 2 / (7 / 6) ** 2) for x in range(-3, 4)]
    w = (1 / sum(taps)) ** 2
    wanted = (10 - 10 * w) / (math.sqrt(100 * w - 100 * w**2) + 1)
    assert _mscn(y)[0, 0, 10, 10].item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.gpu
def test_cuda_and_cpu_agree() -> None:
    photograph = to_tensor(skimage.data.astronaut())
    metric = NIQE().to("cuda")
    assert metric(photograph.cuda()).item() == pytest.approx(niqe_scores(photograph).item(), rel=1e-5)
