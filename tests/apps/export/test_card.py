"""The model card's text and image."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wildsr.apps.export.bundle import Written, write_file
from wildsr.apps.export.card import SIDE, degrade_photographs, draw_comparison, format_card, format_scores
from wildsr.apps.export.origin import Origin
from wildsr.data import sample_photographs
from wildsr.images import to_float, to_pil
from wildsr.networks import CompactNet, RRDBNet

FACTS = {"licence": "not stated", "source": "a|b.ckpt", "weights_sha256": "ab12"}
FILES = [Written(Path("mine.pth"), 0.0, 2_500_000, "cd34"), Written(Path("mine.onnx"), 0.00012, 1500, "ef56")]


def test_the_best_of_each_metric_is_bold_also_where_it_is_bicubic():
    scores = {
        "bicubic": {"psnr_y": 22.444, "ssim_y": 0.6288, "niqe": 11.2, "hard/psnr_y": 19.0},
        "gan stage": {"psnr_y": 22.1, "ssim_y": 0.6301, "niqe": 8.97},
    }
    assert format_scores(scores, "gan stage").splitlines() == [
        "|  | PSNR-Y ↑ (dB) | SSIM-Y ↑ | NIQE ↓ |",
        "| --- | --- | --- | --- |",
        "| bicubic | **22.44** | 0.6288 | 11.20 |",
        "| GAN stage (this network) | 22.10 | **0.6301** | **8.97** |",
    ]


def test_what_was_not_measured_is_a_dash_and_nothing_alone_is_best():
    table = format_scores({"bicubic": {"psnr_y": 22.444}, "gan stage": {"niqe": 8.97}}, "gan stage")
    assert table.splitlines()[2:] == ["| bicubic | 22.44 | - |", "| GAN stage (this network) | - | 8.97 |"]


def test_a_hub_reads_what_the_network_started_from_unless_it_is_a_file_of_the_user():
    released = Origin(FACTS, start="realesrgan-x4plus", start_licence="BSD-3-Clause", images_from="12 of the folder p")
    text = format_card("mine", CompactNet(2, 3, 4, 1), released, FILES)
    assert 'base_model: "realesrgan-x4plus"' in text.split("---")[1]
    assert "| started from | realesrgan-x4plus; licence: BSD-3-Clause |" in text
    assert "| training images | 12 of the folder p |" in text
    other = Origin(FACTS, start="mine.pth", start_licence="not stated", degradation="scale: 2\n")
    text = format_card("mine", CompactNet(2, 3, 4, 1), other, FILES)
    assert "base_model" not in text and "```yaml\nscale: 2\n```" in text


@pytest.mark.parametrize("channels", [1, 3])
def test_the_programs_of_a_card_run_as_they_stand_and_agree_with_the_network(channels, tmp_path, monkeypatch):
    for module in ("spandrel", "onnxruntime"):
        pytest.importorskip(module)
    torch.manual_seed(0)
    generator = RRDBNet(4, channels, features=4, blocks=1, growth=32).eval()
    torch.nn.init.constant_(generator.conv_last.bias, 0.5)  # untrained it gives black
    torch.nn.init.normal_(generator.conv_last.weight, std=2.0)
    lqs = [torch.rand(channels, 8, 9)]
    files = [write_file(generator, tmp_path / f"my net.{kind}", {}, lqs) for kind in ("safetensors", "onnx")]
    photograph = Image.fromarray(sample_photographs(["coffee.png"])[0][:, :20, :31].permute(1, 2, 0).numpy())
    photograph.save(tmp_path / "photo.jpg")
    with Image.open(tmp_path / "photo.jpg") as image:
        read = np.atleast_3d(np.asarray(image.convert({1: "L", 3: "RGB"}[channels])))
    with torch.inference_mode():
        wanted = to_pil(generator(to_float(torch.from_numpy(read.transpose(2, 0, 1).copy()))[None])[0].clamp(0, 1))
    assert np.asarray(wanted).std() > 5
    text = format_card("my net", generator, Origin(FACTS), files)
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(programs) == 2
    monkeypatch.chdir(tmp_path)
    for program in programs:
        exec(compile(program, "card", "exec"), {})
        with Image.open("large.png") as large:
            assert (large.size, large.mode) == ((124, 80), wanted.mode)
            assert np.abs(np.asarray(large, dtype=int) - np.asarray(wanted, dtype=int)).max() <= 1
        Path("large.png").unlink()


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
    both = [*FILES, Written(Path("mine.fp16.onnx"), 0.2, 800, "ab78")]
    assert "InferenceSession('mine.onnx')" in format_card("mine", CompactNet(), Origin(FACTS), both)
    assert "InferenceSession('mine.fp16.onnx')" in format_card("mine", CompactNet(), Origin(FACTS), both[2:])


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
