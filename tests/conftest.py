"""What all tests share: one thread (the suite runs in two processes), no network, small photographs, whole runs."""

import json
import logging
import os
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from wildsr.config import compose_config
from wildsr.data import sample_photographs
from wildsr.images import to_pil

torch.set_num_threads(1)
os.environ["WILDSR_OFFLINE"] = "1"  # released networks come from torch hub's cache or the wheel


@pytest.fixture(autouse=True)
def logging_as_before():
    """Take what Hydra sets up for a run in this process away again."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder with four 160 x 192 photographs, one of them in a sub-folder."""
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    images = sample_photographs(["chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg"])
    for index, name in enumerate(["a.png", "b.jpg", "c.webp", "more/d.png"]):
        image = to_pil(images[index]).resize((192, 160), Image.Resampling.LANCZOS)
        image.save(folder / name)
    return folder


@pytest.fixture
def pairs(photographs: Path, tmp_path: Path) -> Path:
    """A folder with `hq`, the four photographs, and `lq`, the same four with each 4 x 4 pixels averaged."""
    for source in (path for path in photographs.rglob("*") if path.is_file()):
        name = source.relative_to(photographs).with_suffix(".png")
        for side, factor in (("hq", 1), ("lq", 4)):
            target = tmp_path / "pairs" / side / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(source) as image:
                image.convert("RGB").reduce(factor).save(target)
    return tmp_path / "pairs"


class Stdout(logging.StreamHandler):
    """Where the program logs, as conf/hydra has it: the standard output of the moment, which capsys replaces."""

    def emit(self, record):
        self.stream = sys.stdout
        super().emit(record)


@pytest.fixture(scope="session")
def train():
    """train(overrides, folder): train as the program does, in a folder; returns the closing scores, where there are."""
    from wildsr.train import train

    handler, log = Stdout(), logging.getLogger("wildsr")

    def run(overrides, folder):
        cfg = compose_config(list(overrides))
        cfg.paths.run = str(folder)
        level = log.level
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            train(cfg)
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
        scores = Path(folder) / "scores.json"
        return json.loads(scores.read_text()) if scores.is_file() else {}

    return run


@pytest.fixture
def optuna():
    """Optuna, where its sweeper installs: SQLAlchemy 1.4, which that wants, has no build from Python 3.13 on."""
    return pytest.importorskip("optuna")
