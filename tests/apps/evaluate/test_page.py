import base64
import html
import io
import re

import numpy as np
from PIL import Image

EVIL = '<script>alert("x")</script>'


def images(page):
    """The images of a page by their labels."""
    found = re.findall(r'<img src="data:image/png;base64,([^"]*)"[^>]* alt="([^"]*)"', page)
    content = {html.unescape(label): io.BytesIO(base64.b64decode(data)) for data, label in found}
    return {label: np.asarray(Image.open(data)) for label, data in content.items()}


def test_a_page_shows_each_method_as_it_was(evaluated):
    page = evaluated({"bicubic": 0.2, "mine": 0.4, "theirs": 0.8}).read_text()
    found = images(page)
    assert list(found) == ["LQ", "bicubic", "mine", "theirs", "HQ"]
    assert [found[name].mean() for name in ("bicubic", "mine", "theirs")] == [51, 102, 204]
    assert found["HQ"].shape == (160, 192, 3) and found["LQ"].shape == (40, 48, 3)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for words in (
        "3 methods on 1 set",
        "Set phone 1 image",
        "PSNR-Y",
        "20.00",
        "20.50 dB",
        "a border of 4 px excluded",
        "abababababab",
    ):
        assert words in text, words


def test_nothing_that_an_evaluation_says_becomes_markup(evaluated):
    page = evaluated({"bicubic": 0.2, EVIL: 0.4, "'>&": 0.8}).read_text()
    assert page.count("<script") == 1
    assert list(images(page)) == ["LQ", "bicubic", EVIL, "'>&", "HQ"]
