"""The quickstart itself, as a newcomer runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from wildsr.data import sample_photographs
from wildsr.degradation import DegradationSpec, degrade
from wildsr.images import to_float
from wildsr.metrics.pixels import luma, to_levels
from wildsr.networks import load_generator

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_quickstart_does_what_it_says(tmp_path):
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    command = [sys.executable, str(ROOT / "train.py"), "experiment=quickstart"]
    first = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500)
    assert first.returncode == 0, first.stderr
    run = folder / "runs" / "quickstart"
    scores = json.loads((run / "scores.json").read_text())
    start = "realesr-animevideov3 (start)"
    assert list(scores) == ["bicubic", start, "realesrgan-x4plus", "psnr stage", "gan stage"]
    assert "mild/psnr_y" in scores["realesrgan-x4plus"]
    bicubic, psnr, gan = scores["bicubic"], scores["psnr stage"], scores["gan stage"]
    assert psnr["psnr_y"] >= bicubic["psnr_y"] + 0.5
    assert gan["niqe"] < min(bicubic["niqe"], psnr["niqe"])
    assert "without the perceptual loss" in first.stdout
    assert "next:" in first.stdout
    with Image.open(run / "comparison.png") as image:
        assert 1200 < image.width <= 1600
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "GAN stage: finished, 80 iterations" in again.stdout
    psnr_results, gan_results, photographs = results(run)
    assert sharpness(gan_results) > 1.03 * sharpness(psnr_results)
    assert grid(gan_results) < 1.2 * grid(photographs)


def results(run):
    """What both stages make of held-out photographs, four versions each, and the photographs: luma, 8-bit levels."""
    photographs = [to_float(photo)[:, :400, :400] for photo in sample_photographs(["astronaut.png", "coffee.png"])]
    cases = [
        (degrade(hq, DegradationSpec().draw(np.random.default_rng(n))), hq) for hq in photographs for n in range(4)
    ]
    stages = [load_generator(run / stage / "generator.safetensors").eval() for stage in ("psnr", "gan")]
    with torch.inference_mode():
        enlarged = [[stage(lq[None]).clamp(0, 1) for lq, _ in cases] for stage in stages]
    return [[luma(to_levels(image)) for image in images] for images in (*enlarged, [hq for _, hq in cases])]


def sharpness(images):
    """The mean step from a pixel to the next, in levels."""
    return np.mean([float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean()) for image in images])


def grid(images):
    """The energy of what repeats every 4 pixels: the variance of the 16 places of a block, means of all blocks."""
    found = []
    for image in images:
        plane = image.reshape(1, 1, *image.shape[-2:])
        fine = (plane - F.avg_pool2d(plane, 5, 1, 2, count_include_pad=False))[0, 0]
        rows, columns = (side // 4 for side in fine.shape)
        places = fine[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4).mean((0, 2))
        found.append(float(places.var(correction=0)))
    return np.mean(found)
