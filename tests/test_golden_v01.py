"""What 0.1 made stays: records for ever; pixels bit for bit on the machine that froze them, elsewhere within a level.

Shapes: C = 1 or 3, S side of the HQ crop.
"""

import gzip
import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from wildsr.building import build_data
from wildsr.cli import main as wildsr
from wildsr.config import build, compose_config
from wildsr.data import Batch, sample_photographs
from wildsr.degradation import Recipe, degrade
from wildsr.images import to_float
from wildsr.networks import load_generator

GOLDEN = Path(__file__).parent / "golden" / "v01"
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
CONFIGURATIONS = {  # name: overrides, C, S
    "second_order-mixed": ([], 3, 64),
    "second_order-gaussian_only": (["kernels=gaussian_only"], 3, 64),
    "second_order-no_sinc": (["kernels=no_sinc"], 3, 64),
    "first_order-mixed": (["degradation=first_order"], 3, 64),
    "first_order-gaussian_only": (["degradation=first_order", "kernels=gaussian_only"], 3, 64),
    "first_order-no_sinc": (["degradation=first_order", "kernels=no_sinc"], 3, 64),
    "bicubic": (["degradation=bicubic"], 3, 64),
    "second_order-x2": (["scale=2"], 3, 48),
    "second_order-x1": (["scale=1"], 3, 32),
    "second_order-grey": ([], 1, 64),
}


def machine():
    """What decides the bits of a pixel: the processor, what torch uses of it, and the versions."""
    cpu = Path("/proc/cpuinfo")
    lines = [line.partition(":") for line in cpu.read_text(encoding="utf-8").splitlines()] if cpu.is_file() else []
    facts = {key.strip(): value.strip() for key, _, value in lines}
    names = [facts.get(key, platform.machine()) for key in ("model name", "cpu family", "model", "stepping")]
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    return {"processor": " ".join(names), "capability": torch.backends.cpu.get_cpu_capability(), **versions}


SAME_MACHINE = json.loads((GOLDEN / "machine.json").read_text()) == machine()


def lines_of(file):
    return [json.loads(line) for line in gzip.decompress((GOLDEN / file).read_bytes()).splitlines()]


def levels_of(image):
    return (image * 255).round().byte().numpy()


def crop_of(number, channels, side, image):
    """The crop of the n-th recipe: a place that its number gives, (C, S, S) in [0, 1]."""
    height, width = image.shape[-2:]
    top, left = 37 * number % (height - side), 53 * number % (width - side)
    return to_float(image[:channels, top : top + side, left : left + side])


def assert_pixels(found, frozen):
    """Bit for bit where they were frozen; elsewhere at most one level off, on 99.9 % of the values."""
    difference = np.abs(np.asarray(found).astype(int) - frozen)
    assert (difference <= 1).mean() >= 0.999
    if SAME_MACHINE:
        assert difference.max() == 0


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_recipes_are_drawn_and_applied_as_by_v01(name):
    overrides, channels, side = CONFIGURATIONS[name]
    spec = build(compose_config(overrides).degradation, "degradation")
    images = list(sample_photographs(NAMES))
    lqs = []
    for number, frozen in enumerate(lines_of(f"recipes/{name}.jsonl.gz")):
        recipe = Recipe.from_dict(frozen)
        assert spec.draw(np.random.default_rng([2026, number])) == recipe
        lqs.append(levels_of(degrade(crop_of(number, channels, side, images[number % len(images)]), recipe)))
    assert len(lqs) == 200
    with np.load(GOLDEN / "recipes" / f"{name}.npz") as golden:
        assert_pixels(np.stack(lqs), golden["lq"])


def test_the_first_100_samples_of_a_run_are_those_of_v01():
    cfg = compose_config(["experiment=quickstart", "generator=tiny", "data.val=null"])
    data = build_data(cfg)
    lqs = []
    for number, frozen in enumerate(lines_of("samples/samples.jsonl.gz")):
        item = data.samples[number]
        pair = data.make_pairs(Batch.collate([item]))
        assert hashlib.sha256(levels_of(pair.target_pixel[0]).tobytes()).hexdigest() == frozen.pop("hq_sha256")
        assert item.params.recipe == Recipe.from_dict(frozen.pop("recipe"))
        assert item.params.to_dict() | frozen == item.params.to_dict()
        lqs.append(levels_of(pair.lq[0]))
    assert len(lqs) == 100
    with np.load(GOLDEN / "samples" / "lq.npz") as golden:
        assert_pixels(np.stack(lqs), golden["lq"])


@pytest.mark.parametrize("way", ["drawn", "replayed"])
def test_a_set_of_v01_is_made_again(way, tmp_path):
    how = ["--seed", "3"] if way == "drawn" else ["--replay", str(GOLDEN / "set" / "lq" / "recipes.jsonl")]
    assert wildsr(["degrade", str(GOLDEN / "set" / "hq"), "-o", str(tmp_path / "lq"), *how]) == 0
    frozen = sorted((GOLDEN / "set" / "lq").rglob("*.png"))
    assert len(frozen) == 3
    for file in frozen:
        with Image.open(file) as picture, Image.open(tmp_path / file.relative_to(GOLDEN / "set")) as made:
            assert_pixels(made, np.asarray(picture).astype(int))


@pytest.mark.parametrize("stage", ["psnr", "gan"])
def test_the_weights_of_a_run_of_v01_load(stage):
    folder = GOLDEN / "run" / stage
    files = [load_generator(folder / name) for name in ("generator.safetensors", "last.ckpt")]
    image = torch.linspace(0, 1, 3 * 16 * 16).view(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(*(network(image) for network in files))
