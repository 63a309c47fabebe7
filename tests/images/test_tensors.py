import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wildsr.images import crop_to_multiple, from_pil, read_image, to_channels, to_float, to_pil, to_uint8, write_image


def test_a_png_comes_back_bit_for_bit(tmp_path):
    image = torch.randint(0, 256, (3, 7, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_image(image, tmp_path / "ä b.png")
    assert torch.equal(read_image(tmp_path / "ä b.png"), image)


def test_levels_survive_the_way_to_float_and_back():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert torch.equal(to_uint8(to_float(levels)), levels)


def test_float_is_clamped_and_rounded():
    image = torch.tensor([-0.1, 0.0, 0.5 / 255, 1.4 / 255, 1.0, 1.2]).view(1, 1, 6)
    assert to_uint8(image).flatten().tolist() == [0, 0, 0, 1, 255, 255]


def test_grey_palette_and_alpha_become_rgb(tmp_path):
    for mode in ("L", "P", "RGBA", "LA", "CMYK", "1"):
        Image.new("RGB", (5, 4), (200, 200, 200)).convert(mode).save(tmp_path / f"{mode}.tif")
        assert read_image(tmp_path / f"{mode}.tif").shape == (3, 4, 5)


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (3, 8, 4)


def test_a_one_channel_tensor_becomes_a_grey_image():
    assert to_pil(torch.zeros(1, 4, 5)).mode == "L"


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0broken"])
def test_a_damaged_file_is_named_in_one_line(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.png: not a readable image") as caught:
        read_image(tmp_path / "bad.png")
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path, photographs):
    for name in ("a.png", "b.jpg", "c.webp"):
        whole = (photographs / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=name):
            read_image(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.png: no such file"):
        read_image(tmp_path / "nothing.png")


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"no image format '\.xyz'"):
        write_image(torch.zeros(3, 2, 2), tmp_path / "a.xyz")
    assert not any(tmp_path.iterdir())


def test_a_written_file_is_readable_by_others(tmp_path):
    write_image(torch.zeros(3, 2, 2), tmp_path / "a.png")
    umask = os.umask(0)
    os.umask(umask)
    assert Path(tmp_path / "a.png").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_written_image_owns_its_memory():
    picture = to_pil(torch.zeros(3, 2, 2))
    assert np.asarray(picture).sum() == 0


def test_sides_are_cut_to_multiples_and_too_small_an_image_is_refused():
    image = torch.arange(35).view(1, 5, 7)
    assert torch.equal(crop_to_multiple(image, 2), image[:, :4, :6])
    with pytest.raises(ValueError, match="7 x 5 pixels given, wanted at least 6 a side"):
        crop_to_multiple(image, 6)


def test_colour_becomes_grey_as_pillow_makes_it_and_grey_keeps_its_levels():
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    wanted = np.asarray(to_pil(image).convert("L"))
    assert np.array_equal(to_channels(image, 1)[0].numpy(), wanted)
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert torch.equal(to_channels(levels, 3), from_pil(to_pil(levels).convert("RGB")))
    assert torch.equal(to_channels(to_channels(levels, 3), 1), levels)
    assert to_channels(image, 3) is image
    for channels in (0, 2, 4):
        with pytest.raises(ValueError, match=f"channels: given {channels}; choose from 1 .grey., 3 .RGB."):
            to_channels(image, channels)
