import re

import numpy as np
import pytest
import torch
from PIL import Image

from wildsr.apps.demo import images
from wildsr.apps.demo.controls import draw
from wildsr.apps.demo.images import damage, degraded, restore
from wildsr.cli import main
from wildsr.degradation import DegradationSpec, degrade
from wildsr.images import crop_to_multiple, read_image, to_float, to_uint8
from wildsr.networks import CompactNet, save_generator


@pytest.fixture
def networks(tmp_path):
    files = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        files.append(tmp_path / f"{seed}.safetensors")
        save_generator(CompactNet(scale=2, features=4, convs=1), files[-1])
    return [str(file) for file in files]


def test_the_image_is_enlarged_as_by_the_command(photographs, networks, tmp_path):
    shares = []
    done = restore(photographs / "a.png", tmp_path, networks[0], done=shares.append)
    assert main(["upscale", str(photographs / "a.png"), "-o", str(tmp_path / "x.png"), "--weights", networks[0]]) == 0
    assert done.file.name == "a_x2.png"
    assert torch.equal(read_image(done.file), read_image(tmp_path / "x.png"))
    assert np.array_equal(np.asarray(done.after), np.asarray(Image.open(done.file).convert("RGB")))
    assert done.before.size == done.after.size == (384, 320)
    assert shares[-1] == 1
    size = f"{done.file.stat().st_size / 1000:.1f} kB"
    assert re.fullmatch(rf"192 × 160 → 384 × 320 pixels \(×2\) in \d+\.\d s on the [CG]PU; PNG of {size}", done.about)


def test_strength_mixes_the_second_in(photographs, networks, tmp_path):
    results = [
        np.asarray(restore(photographs / "a.png", tmp_path, *networks, strength).after).astype(int)
        for strength in (0.0, 0.5, 1.0)
    ]
    alone = np.asarray(restore(photographs / "a.png", tmp_path, networks[1]).after).astype(int)
    assert np.array_equal(results[2], alone)
    assert not np.array_equal(results[0], results[1]) and not np.array_equal(results[1], results[2])


def test_only_what_is_shown_of_a_large_result_is_reduced(photographs, networks, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "SHOWN", 100)
    done = restore(photographs / "a.png", tmp_path, networks[0])
    assert done.after.size == done.before.size == (100, 83)
    assert read_image(done.file).shape == (3, 320, 384)


def test_an_image_too_large_for_the_page_is_refused_in_one_line(networks, tmp_path):
    Image.new("L", (2500, 2000)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match=r"^2500 x 2000 pixels; wanted at most 4 megapixels here"):
        restore(tmp_path / "large.png", tmp_path, networks[0])


def test_a_damaged_image_is_refused_by_the_name_that_it_had(networks, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"^a.png: not a readable image"):
        restore(tmp_path / "a.png", tmp_path, networks[0])


def test_the_middle_of_an_image_is_degraded_by_the_recipe(photographs, tmp_path):
    recipe = draw(DegradationSpec(), 0)
    done = damage(photographs / "a.png", tmp_path, recipe)
    hq = crop_to_multiple(to_float(read_image(photographs / "a.png")), 4)
    assert torch.equal(read_image(done.file), to_uint8(degrade(hq, recipe)))
    assert done.before.size == done.after.size == (192, 160)


def test_there_are_three_examples_of_160_pixels_each_with_damage_of_its_own(tmp_path):
    files = degraded(tmp_path)
    assert [file.name for file in files] == ["coffee_lq.png", "chelsea_lq.png", "astronaut_lq.png"]
    images = [read_image(file) for file in files]
    assert {tuple(image.shape) for image in images} <= {(3, 160, 160), (3, 150, 160)}  # one is 300 pixels high
