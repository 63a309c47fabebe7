import json

import numpy as np
import pytest
import torch

from wildsr.apps.evaluate.crops import CROPS, crop_file, read_crops, write_list
from wildsr.apps.evaluate.windows import chosen, write_crop, write_inputs
from wildsr.data import validation_set
from wildsr.degradation import degrade
from wildsr.images import read_image, to_float, to_uint8


@pytest.fixture
def large(tmp_path):
    """A folder with a 600 x 400 image: flat, but for noise between (304, 104) and (560, 360)."""
    from PIL import Image

    image = np.full((400, 600, 3), 128, np.uint8)
    image[104:360, 304:560] = np.random.default_rng(0).integers(0, 256, (256, 256, 3))
    (tmp_path / "large").mkdir()
    Image.fromarray(image).save(tmp_path / "large" / "a.png")
    return tmp_path / "large"


def test_each_version_of_all_images_comes_before_the_next(photographs):
    assert chosen({"main": validation_set(4, hq=photographs, recipes=2)}) == [("main", i) for i in (0, 2, 4, 6)]
    one = {"main": validation_set(4, hq=photographs / "more", recipes=3)}
    assert chosen(one) == [("main", 0), ("main", 1), ("main", 2)]
    many = {f"s{number}": validation_set(4, lq=photographs) for number in range(10)}
    assert chosen(many) == [(f"s{number}", 0) for number in range(8)]
    assert chosen(many, at_most=40) == [(f"s{number}", index) for number in range(10) for index in range(4)]
    assert chosen({}) == []


def test_the_window_is_where_the_detail_is_and_the_same_part_of_lq_and_hq(large, tmp_path):
    images = validation_set(4, hq=large)
    hq, recipe, _ = images[0]
    lq = degrade(to_float(hq), recipe)
    crop = write_inputs(tmp_path, "main", 0, images, lq[None], to_float(hq)[None])
    assert crop.window == (104, 304, 256, 256)
    kept = read_image(tmp_path / CROPS / "lq" / crop.file)
    assert torch.equal(kept, to_uint8(lq[:, 26:90, 76:140]))
    assert torch.equal(read_image(tmp_path / CROPS / "hq" / crop.file), hq[:, 104:360, 304:560])
    assert read_image(tmp_path / CROPS / "bicubic" / crop.file).shape == (3, 256, 256)
    assert "JPEG" in crop.recipe


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
def test_lq_and_hq_show_the_same_part_at_every_scale(photographs, tmp_path, scale):
    lq = torch.rand(1, 3, 600 // scale, 700 // scale, generator=torch.Generator().manual_seed(0))
    lq[..., : 104 // scale, :] = 0.5  # the detail begins at no multiple of 3
    hq = lq.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    crop = write_inputs(tmp_path, "main", 0, validation_set(scale, lq=photographs), lq, hq)
    small, large = (read_image(tmp_path / CROPS / side / crop.file) for side in ("lq", "hq"))
    assert torch.equal(small.repeat_interleave(scale, -1).repeat_interleave(scale, -2), large)
    assert 256 - scale < large.shape[1] == large.shape[2] <= 256


def test_a_name_holds_for_one_input_alone(photographs, tmp_path):
    images = validation_set(4, lq=photographs)
    lq = to_float(images[0].lq)[None]
    names = [write_inputs(tmp_path, "phone", 0, images, image, None).file for image in (lq, lq, 1 - lq)]
    assert names[0] == names[1] != names[2]
    assert not (tmp_path / CROPS / "hq").exists()


def test_a_list_can_be_read_back_and_no_other(photographs, tmp_path):
    images = validation_set(4, lq=photographs)
    crop = write_inputs(tmp_path, "phone", 1, images, to_float(images[1].lq)[None], None)
    write_list(tmp_path, [crop])
    assert read_crops(tmp_path) == [crop]
    good = json.loads((tmp_path / CROPS / "crops.json").read_text())[0]
    wrong = [
        {"set": "../../etc"}, {"digest": "/etc/passwd"}, {"window": [0, 0, 1]}, {"window": [0, 0, -1, 1]},
        {"index": "0/../.."}, {"more": 1},
    ]  # fmt: skip
    for change in wrong:
        (tmp_path / CROPS / "crops.json").write_text(json.dumps([good | change]))
        with pytest.raises(ValueError, match=r"crops\.json: damaged"):
            read_crops(tmp_path)


def test_no_image_comes_from_outside_of_the_run(photographs, tmp_path):
    run = tmp_path / "run"
    images = validation_set(4, lq=photographs)
    crop = write_inputs(run, "phone", 0, images, to_float(images[0].lq)[None], None)
    write_crop(tmp_path / "secret", crop, torch.zeros(3, 640, 768))
    assert crop_file(run, run / CROPS / "lq", crop) is not None
    (run / CROPS / "start").symlink_to(tmp_path / "secret")
    assert (run / CROPS / "start" / crop.file).is_file()
    assert crop_file(run, run / CROPS / "start", crop) is None
