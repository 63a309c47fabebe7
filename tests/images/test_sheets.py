import numpy as np
import pytest
from PIL import Image

from wildsr.images.sheets import GAP, NAMES, sheet, wrap


def test_each_image_stands_in_its_cell_unchanged():
    red, blue = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (30, 50), "blue")
    page = sheet([[(red, "one"), (blue, "two")], [(blue, "")]])
    assert page.width == 40 + 30 + 3 * GAP
    colours = page.getcolors(maxcolors=100_000)
    count = {colour: number for number, colour in colours}
    assert count[(255, 0, 0)] == 40 * 20
    assert count[(0, 0, 255)] == 2 * 30 * 50


def test_captions_wrap_to_the_width_of_their_column():
    text = wrap("blur aniso 13 px; down; Gaussian noise; JPEG 47", 120)
    assert text.count("\n") >= 2
    assert text.replace("\n", " ") == "blur aniso 13 px; down; Gaussian noise; JPEG 47"


def test_a_word_that_is_longer_than_its_column_is_broken():
    lines = wrap("stages.psnr.lr=0.0001,stages.gan.lr=0.0001 and more", 120).split("\n")
    assert "".join(lines) == "stages.psnr.lr=0.0001,stages.gan.lr=0.0001 andmore" and len(lines) == 4
    assert wrap("ab", 1) == "a\nb" and wrap("", 1) == ""


def marked(page):
    """Where a page is red, and which of its rows hold letters."""
    levels = np.asarray(page).astype(int)
    reds = (levels == (255, 0, 0)).all(axis=2)
    return reds, (levels.max(axis=2) < 128).any(axis=1)


def lines_in(inked):
    return (np.diff(inked.astype(int), prepend=0) == 1).sum()


def test_every_line_of_a_caption_stands_below_its_image():
    reds, inked = marked(sheet([[(Image.new("RGB", (40, 20), "red"), "one\ntwo\nsum")]]))
    assert reds.sum() == 40 * 20
    last = np.flatnonzero(reds.any(axis=1))[-1]
    assert not inked[: last + 1].any()
    assert lines_in(inked[last:]) == 3


def test_rows_lie_on_one_grid_however_long_their_captions_are():
    red = Image.new("RGB", (60, 20), "red")
    reds, _ = marked(sheet([[(red, "one\ntwo\nsum")], [(red, "")], [(red, "one")]]))
    tops = np.flatnonzero(np.diff(reds.any(axis=1).astype(int)) == 1)
    assert len(tops) == 3
    assert tops[1] - tops[0] == tops[2] - tops[1]


def test_heads_stand_once_above_and_names_at_the_left():
    red = Image.new("RGB", (60, 20), "red")
    plain, _ = marked(sheet([[(red, ""), (red, "")]] * 2))
    page = sheet([[(red, ""), (red, "")]] * 2, title="sum", heads=["one", "two"], names=["a", "b"])
    reds, inked = marked(page)
    assert reds.sum() == plain.sum()
    assert page.width == plain.shape[1] + NAMES + GAP
    assert lines_in(inked[: reds.any(axis=1).argmax()]) == 2  # the title, the heads
    assert not reds[:, : NAMES + 2 * GAP].any()
    assert (np.asarray(page)[:, : NAMES + GAP].max(axis=2) < 128).any()


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no images"):
        sheet([])
