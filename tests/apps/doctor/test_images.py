"""Each fault of a folder is found, counted and named, and a sound folder gives no warning."""

import io
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from rich.console import Console
from rich.filesize import decimal

from wildsr.apps.doctor import images
from wildsr.apps.doctor.findings import FAULT, OK, WARNING, format_page
from wildsr.apps.doctor.images import check_images


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoilt(findings):
    return [(finding.level, finding.found) for finding in findings if finding.level != OK]


def test_sound_images_are_counted_in_one_line(cfg, progress, tmp_path):
    (finding,) = check_images(cfg(), False, progress)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.png"))  # noise of one size: all of one length
    read = f"read: all headers, all pixels, {decimal(size)} to find copies"
    assert finding[:3] == (OK, "images", f"training 4, validation 2; {read}")


def test_a_truncated_file_is_found_by_its_pixels_and_one_of_four_stops_a_run(cfg, progress, tmp_path):
    cut(tmp_path / "train" / "2.png")
    ((level, found),) = spoilt(check_images(cfg(), False, progress))
    assert level == FAULT
    assert found.startswith(f"training: 1 of 4 not readable: {tmp_path / 'train' / '2.png'}: not a readable image (")
    assert "truncated" in found


def test_one_damaged_file_in_a_hundred_is_a_warning_and_two_are_a_fault(cfg, progress, tmp_path, draw):
    for number in range(4, 100):
        draw(tmp_path / "train" / f"{number}.png", 8, 8)
    (tmp_path / "train" / "0.png").write_bytes(b"nothing")
    small = cfg("data.crop=8", "data.patch=4")
    assert [level for level, _ in spoilt(check_images(small, False, progress))] == [WARNING]
    (tmp_path / "train" / "1.png").write_bytes(b"nothing")
    ((level, found),) = spoilt(check_images(small, False, progress))
    assert level == FAULT and "2 of 100 not readable: " in found


def test_a_sample_says_about_how_much_is_damaged_and_all_counts_it(cfg, progress, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "SAMPLE", 2)  # places 0 and 2 of four
    cut(tmp_path / "train" / "2.png")
    cut(tmp_path / "train" / "3.png")
    first, fault = check_images(cfg(), False, progress)
    assert "the pixels of 2 a set (--all: of all)" in first.found
    assert "1 of 4 not readable, about 50.0% of all by the 2 decoded" in fault.found
    ((_, found),) = spoilt(check_images(cfg(), True, progress))
    assert "2 of 4 not readable: " in found and "% of all" not in found


def test_images_below_the_crop_are_padded_with_a_warning_or_left_out_by_choice(cfg, progress, tmp_path, draw):
    draw(tmp_path / "train" / "0.png", 48, 31)
    ((level, found),) = spoilt(check_images(cfg(), False, progress))
    assert level == WARNING
    assert found == "training: 1 of 4 below 32 pixels a side (data.crop), padded by reflection"
    left_out = check_images(cfg("data.undersized=leave_out"), False, progress)
    assert not spoilt(left_out) and left_out[1].found.endswith("1 of 4 below 32 pixels a side (data.crop), left out")


def test_files_of_the_same_bytes_are_named_and_files_of_one_length_are_not(cfg, progress, tmp_path, draw):
    folder = tmp_path / "train"
    draw(folder / "a.bmp"), draw(folder / "b.bmp")  # not compressed: of one length
    assert (folder / "a.bmp").stat().st_size == (folder / "b.bmp").stat().st_size
    assert not spoilt(check_images(cfg(), False, progress))
    shutil.copy(folder / "a.bmp", folder / "c.bmp")
    ((level, found),) = spoilt(check_images(cfg(), False, progress))
    assert level == WARNING
    names = f"{folder / 'a.bmp'} = {folder / 'c.bmp'}"
    assert found == f"training: 1 file equal to another, byte for byte: {names}"


def test_files_that_differ_behind_their_beginning_are_no_copies(cfg, progress, tmp_path, draw):
    one = draw(tmp_path / "train" / "a.bmp", 200, 200)
    content = bytearray(one.read_bytes())
    assert len(content) > images.BEGINNING
    content[-1] ^= 1
    (tmp_path / "train" / "b.bmp").write_bytes(content)
    assert not spoilt(check_images(cfg(), False, progress))


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "the same folder"])
def test_validation_images_that_are_trained_on_are_counted(cfg, progress, tmp_path, copied):
    if copied:
        shutil.copy(tmp_path / "train" / "3.png", tmp_path / "val" / "other.png")
        text, more = f"1 of 3 are training images, too: {tmp_path / 'val' / 'other.png'}", []
    else:
        text, more = "4 of 4 are training images, too: ", [f"data.val.root='{tmp_path / 'train'}'"]
    ((level, found),) = spoilt(check_images(cfg(*more), False, progress))
    assert level == WARNING and found.startswith(f"validation: {text}")


def test_a_pair_of_the_wrong_size_is_a_fault_with_both_sizes(cfg, progress, tmp_path, draw):
    for name in "ab":
        draw(tmp_path / "hq" / f"{name}.png", 48, 40), draw(tmp_path / "lq" / f"{name}.png", 12, 10)
    paired = cfg("data.paired_share=1", f"data.pairs.lq='{tmp_path / 'lq'}'", f"data.pairs.hq='{tmp_path / 'hq'}'")
    assert not spoilt(check_images(paired, False, progress))
    draw(tmp_path / "lq" / "b.png", 12, 11)
    ((level, found),) = spoilt(check_images(paired, False, progress))
    assert level == FAULT
    assert "1 of 2 do not pair at scale=4" in found and "b.png is 48 x 40, wanted 48 x 44 for b.png" in found


def test_every_missing_folder_is_a_fault_of_its_own(cfg, progress):
    found = spoilt(check_images(cfg("data.train.root=/no", "data.val.root=/none"), False, progress))
    assert [level for level, _ in found] == [FAULT, FAULT]
    assert found[0][1].startswith("data.train: /no: no such folder")
    assert found[1][1].startswith("data.val: /none: no such folder")


def test_a_store_is_measured_by_its_index(cfg, progress, tmp_path):
    from wildsr.cli import main

    folder = [str(tmp_path / "train"), "-o", str(tmp_path / "made")]
    assert main(["prepare", "folder", *folder, "--size", "whole", "--store", "--workers", "1"]) == 0
    root = f"data.train.root='{tmp_path / 'made' / 'train.store'}'"
    stored = cfg("data.train._target_=wildsr.data.Store", root, "data.crop=44", "data.patch=16", "data.val=null")
    counts, small = check_images(stored, False, progress)
    assert counts.found == "training 4"
    assert small.found.startswith("training: 4 of 4 below 44 pixels a side")


def test_a_name_that_no_terminal_can_show_is_shown_on_one_line(cfg, progress, tmp_path):
    Path(os.fsdecode(bytes(tmp_path / "train") + b"/\xff\n.png")).write_bytes(b"nothing")
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"), width=500)
    console.print(format_page("title", check_images(cfg(), False, progress)))  # strict, as stdout is
    console.file.flush()
    (line,) = [line for line in console.file.buffer.getvalue().decode().splitlines() if line.startswith("fault")]
    assert "/\\udcff\\n.png: not a readable image" in line


def test_large_text_in_a_png_is_no_fault(cfg, progress, tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 1_500_000, zip=True)
    with Image.open(tmp_path / "train" / "0.png") as image:
        image.save(tmp_path / "train" / "0.png", pnginfo=info)
    assert spoilt(check_images(cfg(), False, progress)) == []


def test_files_of_other_formats_that_training_reads_are_counted(cfg, progress, tmp_path):
    for suffix in ("gif", "ppm", "tga", "jfif"):
        with Image.open(tmp_path / "train" / "0.png") as image:
            image.save(tmp_path / "train" / f"more.{suffix}", "JPEG" if suffix == "jfif" else None)
    (first, *_) = check_images(cfg(), False, progress)
    assert "training 8, validation 2" in first.found


def test_an_image_that_memory_has_no_room_for_is_named_with_size_and_limit(cfg, progress, tmp_path, monkeypatch):
    monkeypatch.setattr("wildsr.images.limits.ALWAYS", 1000)
    monkeypatch.setattr("wildsr.images.limits.free_ram", lambda: 64_000)
    found = " ".join(found for _, found in spoilt(check_images(cfg(), False, progress)))
    assert "more than the 1,000 that the free memory has room for" in found
