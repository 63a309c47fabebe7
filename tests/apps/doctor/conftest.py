"""A configuration small enough to be built at once, and folders of noise to spoil."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress

from wildsr.config import compose_config

TINY = [
    "data=folder", "generator=tiny", "discriminator.network.features=4", "loss=no_perceptual", "data.crop=32",
    "data.patch=16", "data.batch_size=2", "data.sets.hard=null", "metrics=[psnr_y]",
]  # fmt: skip


def draw(path: Path, width: int = 48, height: int = 40, seed: int | None = None) -> Path:
    """An image of noise, of its own by its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path).encode()) if seed is None else seed)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(name="draw")
def draw_fixture():
    return draw


@pytest.fixture
def words(tmp_path):
    """Overrides of a run on four images, judged on two others."""
    for number in range(4):
        draw(tmp_path / "train" / f"{number}.png")
    for number in range(2):
        draw(tmp_path / "val" / f"{number}.png")
    roots = [f"data.{side}.root='{tmp_path / side}'" for side in ("train", "val")]
    return [*TINY, *roots, f"paths.runs='{tmp_path / 'runs'}'", "name=sick"]


@pytest.fixture
def cfg(words):
    """The psnr stage of that run, with further overrides."""
    return lambda *more: compose_config([*words, "stage=psnr", *more])


@pytest.fixture
def progress():
    return Progress(disable=True)
