import pytest
import torch
from PIL import Image

from wildsr.data import paired_folders
from wildsr.images import image_size, read_image


def test_a_pair_is_what_bears_the_same_name_in_both_folders(pairs):
    (pairs / "lq" / "more" / "d.png").rename(pairs / "lq" / "more" / "d.bmp")
    files = paired_folders(pairs / "lq", pairs / "hq", scale=4)
    assert [files.name(i) for i in range(4)] == ["a", "b", "c", "more/d"]
    lq, hq = files[3]
    assert torch.equal(lq, read_image(pairs / "lq" / "more" / "d.bmp"))
    assert torch.equal(hq, read_image(pairs / "hq" / "more" / "d.png"))


def test_endings_as_published_sets_have_them_can_be_left_out_of_the_name(pairs):
    for side, ending in (("lq", "_LR4"), ("hq", "_HR")):
        for path in list((pairs / side).rglob("*.png")):
            path.rename(path.with_stem(path.stem + ending))
    with pytest.raises(ValueError, match=r"8 of 8 do not pair at scale=4: .*a_HR\.png has no LQ; .*and 5 more$"):
        paired_folders(pairs / "lq", pairs / "hq", scale=4)
    assert len(paired_folders(pairs / "lq", pairs / "hq", 4, lq_ending="_LR4", hq_ending="_HR")) == 4


def test_what_does_not_pair_is_named_in_one_line_with_its_number(pairs):
    (pairs / "lq" / "a.png").unlink()
    with Image.open(pairs / "hq" / "b.png") as image:
        image.resize((191, 160)).save(pairs / "hq" / "b.png")
    (pairs / "hq" / "c.png").write_bytes(b"nothing")
    with pytest.raises(ValueError) as caught:
        paired_folders(pairs / "lq", pairs / "hq", scale=4)
    text = str(caught.value)
    assert "\n" not in text
    assert "3 of 4 do not pair at scale=4" in text
    assert "hq/a.png has no LQ" in text
    assert "hq/b.png is 191 x 160, wanted 192 x 160 for b.png" in text
    assert "hq/c.png: not a readable image" in text
    (pairs / "hq" / "more" / "d.png").unlink()
    with pytest.raises(ValueError, match=r"4 of 4 do not pair .*; and 1 more"):
        paired_folders(pairs / "lq", pairs / "hq", scale=4)


def test_two_files_of_one_name_on_one_side_are_refused(pairs):
    with Image.open(pairs / "hq" / "a.png") as image:
        image.save(pairs / "hq" / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png: one name for two files"):
        paired_folders(pairs / "lq", pairs / "hq", scale=4)


def test_a_pair_damaged_behind_its_header_is_named_and_left_out_whole(pairs, caplog):
    for side in ("lq", "hq"):
        content = (pairs / side / "a.png").read_bytes()
        for path in (pairs / side).rglob("*.png"):
            path.unlink()
        for number in range(120):
            (pairs / side / f"{number:03d}.png").write_bytes(content)
    whole = (pairs / "hq" / "007.png").read_bytes()
    (pairs / "hq" / "007.png").write_bytes(whole[: len(whole) // 2])
    files = paired_folders(pairs / "lq", pairs / "hq", scale=4)
    assert all(torch.equal(one, other) for one, other in zip(files[7], files[8], strict=True))
    assert len(caplog.messages) == 1 and "007.png" in caplog.messages[0]


def test_a_missing_folder_says_what_to_give(pairs, tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder; give the folders"):
        paired_folders(tmp_path / "nowhere", pairs / "hq", 4, hint="give the folders")
    with pytest.raises(ValueError, match=r"^~\$nowhere: no such folder"):
        paired_folders("~$nowhere", pairs / "hq", 4)
    with pytest.raises(ValueError, match=r"lq=None, hq=.*: wanted two folders"):
        paired_folders(None, pairs / "hq", 4)


def test_sizes_from_the_header_are_those_of_the_image_as_it_is_read(pairs, tmp_path):
    with Image.open(pairs / "hq" / "a.png") as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        for name in ("turned.jpg", "turned.png", "turned.webp"):
            image.save(tmp_path / name, exif=exif)
            assert image_size(tmp_path / name) == (192, 160)
            assert read_image(tmp_path / name).shape == (3, 192, 160)
    assert image_size(pairs / "hq" / "a.png") == (160, 192)
    with pytest.raises(ValueError, match="no such file"):
        image_size(tmp_path / "none.png")
