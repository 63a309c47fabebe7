"""`wildsr export` as one types it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from wildsr.apps.export import bundle
from wildsr.cli import main
from wildsr.networks import CompactNet, load_generator, save_generator

NAMES = {"mine.safetensors", "mine.pth", "mine.onnx", "mine.png", "mine.md"}


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.manual_seed(0)
    save_generator(CompactNet(2, 3, features=4, convs=1), tmp_path / "a b.pth")
    return str(tmp_path / "a b.pth")


def test_a_bundle_is_whole(weights, tmp_path, photographs, capsys):
    for module in ("onnx", "onnxruntime"):
        pytest.importorskip(module)
    call = ["export", weights, "-o", str(tmp_path / "out" / "mine"), "--photo", str(photographs / "a.png")]
    assert main([*call, "--licence", "CC0-1.0"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == NAMES
    said = capsys.readouterr().out
    size = (tmp_path / "out" / "mine.pth").stat().st_size
    assert 1000 < size < 10_000 and f"mine.pth: {size / 1000:.1f} kB, equal to the checkpoint\n" in said
    assert f"{tmp_path / 'out' / 'mine.md'}: the model card, with mine.png\n" in said
    text = (tmp_path / "out" / "mine.md").read_text()
    assert 'license: "CC0-1.0"' in text
    assert "| checkpoint | a b.pth |" in text
    with Image.open(tmp_path / "out" / "mine.png") as image:
        assert image.height < 300  # one photograph, of 160 pixels
    assert load_generator(tmp_path / "out" / "mine.safetensors").scale == 2


def test_formats_are_chosen_and_dots_in_a_name_stay(weights, tmp_path, photographs):
    call = ["export", weights, "-o", str(tmp_path / "x2.v1"), "--photo", str(photographs / "a.png")]
    assert main([*call, "--formats", "pth"]) == 0
    assert {path.name for path in tmp_path.glob("x2*")} == {"x2.v1.pth", "x2.v1.md", "x2.v1.png"}


def test_nothing_is_left_where_a_file_differs(weights, tmp_path, photographs, monkeypatch, capsys):
    monkeypatch.setattr(bundle, "_opened", lambda file, name: lambda lq: load_generator(weights)(lq) + 1)
    call = ["export", weights, "-o", str(tmp_path / "out" / "mine"), "--photo", str(photographs / "a.png")]
    assert main([*call, "--formats", "safetensors", "pth"]) == 1
    error = capsys.readouterr().err
    assert "mine.safetensors: loaded again it differs by 255 levels" in error
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_is_replaced_unasked(weights, tmp_path, photographs, capsys):
    (tmp_path / "mine.md").write_text("mine")
    call = ["export", weights, "-o", str(tmp_path / "mine"), "--formats", "pth", "--photo", str(photographs / "a.png")]
    assert main(call) == 1
    assert "mine.md already exists (use --overwrite)" in capsys.readouterr().err
    assert (tmp_path / "mine.md").read_text() == "mine"
    assert main([*call, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["WEIGHTS", "-o", "OUT/mine.pth"], 2, "wanted a name without a suffix"),
        (["WEIGHTS", "-o", "OUT"], 2, "is a folder; wanted a name in it, such as"),
        (["WEIGHTS", "-o", "OUT/.."], 2, "wanted a name without a suffix"),
        (["WEIGHTS"], 2, "required: -o/--output"),
        (["WEIGHTS", "-o", "OUT/mine", "--formats", "tflite"], 2, "given 'tflite'; choose from"),
        (["OUT/none.pth", "-o", "OUT/mine"], 1, "none.pth: no such file"),
        (["realesrgan-x4pluss", "-o", "OUT/mine"], 1, "neither a file nor a released network"),
        (["WEIGHTS", "-o", "OUT/mine", "--photo", "OUT/none.png"], 1, "none.png: no such file"),
    ],
)
def test_bad_input_is_one_line(words, code, message, weights, tmp_path, capsys):
    words = [word.replace("WEIGHTS", weights).replace("OUT", str(tmp_path)) for word in words]
    if code == 2:
        with pytest.raises(SystemExit) as stop:
            main(["export", *words])
        assert stop.value.code == 2
    else:
        assert main(["export", *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("mine*"))
