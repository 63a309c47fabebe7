import numpy as np
import pytest
from PIL import Image

from wildsr.images.sheets import GAP, sheet, wrap


def test_each_picture_stands_in_its_cell_unchanged():
    red, blue = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (30, 50), "blue")
    page = sheet([[(red, "one"), (blue, "two")], [(blue, "")]])
    assert page.width == 40 + 30 + 3 * GAP
    colours = page.getcolors(maxcolors=100_000)
    count = {colour: number for number, colour in colours}
    assert count[(255, 0, 0)] == 40 * 20
    assert count[(0, 0, 255)] == 2 * 30 * 50


def test_captions_wrap_to_the_width_of_their_picture():
    text = wrap("blur aniso 13 px; down; Gaussian noise; JPEG 47", 120)
    assert text.count("\n") >= 2
    assert text.replace("\n", " ") == "blur aniso 13 px; down; Gaussian noise; JPEG 47"


def test_every_line_of_a_caption_stands_above_the_picture():
    page = np.asarray(sheet([[(Image.new("RGB", (40, 20), "red"), "one\ntwo\nsum")]])).astype(int)
    reds = (page == (255, 0, 0)).all(axis=2)
    assert reds.sum() == 40 * 20
    inked = (page[: reds.any(axis=1).argmax()].max(axis=2) < 128).any(axis=1)
    assert (np.diff(inked.astype(int)) == 1).sum() == 3


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no pictures"):
        sheet([])
