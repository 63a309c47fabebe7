"""The model card's text and image."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wildsr.apps.export.bundle import Written
from wildsr.apps.export.card import SIDE, degrade_photographs, draw_comparison, format_card, format_scores
from wildsr.apps.export.origin import Origin
from wildsr.data import sample_photographs
from wildsr.networks import CompactNet, RRDBNet

FACTS = {"licence": "not stated", "source": "a|b.ckpt", "weights_sha256": "ab12"}
FILES = [Written(Path("mine.pth"), 0.0, 2_500_000, "cd34"), Written(Path("mine.onnx"), 0.00012, 1500, "ef56")]


def test_the_exported_row_of_the_scores_is_bold():
    table = format_scores({"bicubic": {"psnr_y": 22.444, "ssim_y": 0.6288}, "gan stage": {"niqe": 8.97}}, "gan stage")
    assert table.splitlines() == [
        "|  | PSNR-Y | SSIM-Y | NIQE |",
        "| --- | --- | --- | --- |",
        "| bicubic | 22.44 | 0.6288 | - |",
        "| **gan stage** | **-** | **-** | **8.97** |",
    ]


def test_a_card_tells_what_is_known_and_says_what_is_not():
    text = format_card("mine", CompactNet(2, 3, 4, 1), Origin(FACTS, remark="the run has not been evaluated"), FILES)
    assert "x2: CompactNet of 4 features, 1 convolutions; 712 parameters. Licence: not stated." in text
    assert "| `mine.pth` | 2.5 MB | 0.0000 | `cd34` |" in text
    assert "| `mine.onnx` | 1.5 kB | 0.0001 | `ef56` |" in text
    assert "None: the run has not been evaluated." in text
    assert "| checkpoint | a\\|b.ckpt |" in text
    assert "(<mine.png>)" in text
    assert "license:" not in text
    assert 'license: "MIT"' in format_card("mine", CompactNet(2, 3, 4, 1), Origin(FACTS | {"licence": "MIT"}), FILES)


def test_only_ways_that_work_are_shown():
    shown = format_card("mine", RRDBNet(4, 3, 4, 1, 32), Origin(FACTS), FILES)
    assert "load_from_file('mine.pth')" in shown
    assert "InferenceSession('mine.onnx')" in shown
    assert "spandrel" not in format_card("mine", RRDBNet(8, 3, 4, 1, 32), Origin(FACTS), FILES)
    assert "spandrel" not in format_card("mine", RRDBNet(4, 3, 4, 1, 2), Origin(FACTS), FILES)
    assert "onnxruntime" not in format_card("mine", CompactNet(), Origin(FACTS), FILES[:1])
    assert "wildsr upscale" not in format_card("mine", CompactNet(), Origin(FACTS), FILES[1:])


def test_the_image_has_a_row_a_photograph_and_the_network_s_own_result():
    coffee = sample_photographs(["coffee.png"])[0]
    white = CompactNet(2, 3, 2, 1)
    with torch.no_grad():
        white.body[-1].bias.fill_(9)  # clamped
    pairs = degrade_photographs([coffee, coffee], 2, 3)
    shown = draw_comparison(white, pairs)
    assert shown.width >= 4 * SIDE
    assert shown.height >= 2 * SIDE
    assert shown.getpixel((shown.width // 2 + SIDE // 2, SIDE // 2)) == (255, 255, 255)
    # Each photograph has a recipe of its own, and the same one every time.
    assert not torch.equal(pairs[0].lq, pairs[1].lq)
    assert torch.equal(degrade_photographs([coffee], 2, 3)[0].lq, pairs[0].lq)


@pytest.mark.parametrize(("scale", "channels"), [(4, 3), (3, 1), (1, 3), (2, 4)])
def test_pairs_are_in_the_network_s_channels_and_scale(scale, channels):
    (pair,) = degrade_photographs([torch.randint(0, 256, (3, 100, 90), dtype=torch.uint8)], scale, channels)
    height, width = (side - side % scale for side in (100, 90))
    assert pair.hq.shape == (channels, height, width)
    assert pair.lq.shape == (channels, height // scale, width // scale)


def test_a_photograph_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="photograph of 90 x 60 pixels: too small for x4, wanted 64 a side"):
        degrade_photographs([torch.zeros(3, 60, 90, dtype=torch.uint8)], 4, 3)
