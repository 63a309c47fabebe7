import base64

import numpy as np
import pytest
from PIL import Image

from wildsr.apps.evaluate.crops import Crop
from wildsr.apps.evaluate.panels import Panel, Version, embed, notes_of


@pytest.fixture
def panels(tmp_path):
    """Three panels of two noise images each: the hardest to compress."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(3):
        files = [tmp_path / f"{number}_{side}.png" for side in "ab"]
        for file in files:
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file)
        crop = Crop("main", number, f"{number}.png", 0, (0, 0, 64, 64), "0" * 12, "")
        made.append(Panel(crop, [Version(file.name, file) for file in files], 0, 1))
    return made


def test_images_within_the_bound_are_the_files_themselves(panels):
    found = embed(panels, bound=10**6)
    assert found.remark == ""
    for file, uri in found.uris.items():
        assert base64.b64decode(uri.removeprefix("data:image/png;base64,")) == file.read_bytes()


def test_images_beyond_the_bound_are_compressed_and_then_left_out(panels):
    whole = sum(map(len, embed(panels, bound=10**6).uris.values()))
    smaller = embed(panels, bound=whole - 1000)
    assert all(uri.startswith("data:image/webp") for uri in smaller.uris.values())
    assert len(smaller.panels) == 3
    assert "quality 90" in smaller.remark
    size = sum(map(len, smaller.uris.values()))
    least = embed(panels, bound=size - 1)
    assert len(least.panels) == 2
    assert sum(map(len, least.uris.values())) < size
    assert least.remark.endswith("1 of 3 are left out for the same reason.")


def test_an_image_is_noted_with_its_first_score():
    rows = [
        {"set": "main", "picture": "a", "version": "0", "method": "bicubic", "psnr_y": "21.234", "niqe": "9"},
        {"set": "phone", "picture": "b", "version": "0", "method": "bicubic", "psnr_y": "", "niqe": "9"},
        {"set": "phone", "picture": "c", "version": "0", "method": "bicubic", "psnr_y": "<b>"},
    ]
    assert notes_of([rows[0] | {"version": 0, "psnr_y": 21.234}]) == notes_of(rows[:1])  # as measured, or as read
    assert notes_of(rows) == {"bicubic": {("main", "a", "0"): "21.23 dB", ("phone", "b", "0"): "NIQE 9.00"}}
