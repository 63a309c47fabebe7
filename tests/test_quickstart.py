"""The quickstart itself, as a newcomer runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

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
    assert list(scores) == ["bicubic", start, "psnr stage", "gan stage"]
    bicubic, psnr, gan = scores["bicubic"], scores["psnr stage"], scores["gan stage"]
    assert psnr["psnr_y"] >= bicubic["psnr_y"] + 0.5
    assert gan["niqe"] < min(bicubic["niqe"], psnr["niqe"])
    assert "without the perceptual loss" in first.stdout
    assert "next:" in first.stdout
    with Image.open(run / "comparison.png") as image:
        assert image.width > 2000
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "gan stage: finished, 100 iterations" in again.stdout
