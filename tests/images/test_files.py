import os

import numpy as np
import pytest
import torch
from PIL import Image

from wildsr.apps.upscale.images.content import read_content
from wildsr.images import find_images, image_size, read_image
from wildsr.io import write_whole

UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image.flip(-1),
    3: lambda image: image.flip(-1, -2),
    4: lambda image: image.flip(-2),
    5: lambda image: image.mT,
    6: lambda image: image.rot90(-1, (-2, -1)),
    7: lambda image: image.flip(-1, -2).mT,
    8: lambda image: image.rot90(1, (-2, -1)),
}  # orientation -> what it asks for


def stored(mode, file, orientation=1, **options):
    """A file of 6 x 4 random pixels, as they lie in it, with an orientation."""
    bands = {"1": 1, "L": 1, "P": 1, "I;16": 2, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    bytes_of_it = np.random.default_rng(0).integers(0, 256, 24 * bands).astype(np.uint8).tobytes()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.frombytes(mode, (6, 4), bytes_of_it).save(file, exif=exif, **options)
    return file


def test_images_are_found_in_sub_folders_and_in_order(photographs):
    (photographs / "notes.txt").write_text("no image")
    (photographs / ".hidden.png").write_bytes(b"")
    names = [path.relative_to(photographs).as_posix() for path in find_images(photographs)]
    assert names == ["a.png", "b.jpg", "c.webp", "more/d.png"]


def test_a_name_that_begins_with_a_tilde_is_a_name_where_there_is_no_such_home(photographs, monkeypatch):
    monkeypatch.chdir(photographs.parent)
    monkeypatch.setenv("HOME", str(photographs))
    assert find_images("~") == find_images(photographs)
    with pytest.raises(ValueError, match=r"^~\$set: no such folder"):
        find_images("~$set")
    photographs.rename("~$set")
    assert str(find_images("~$set")[0]) == "~$set/a.png"


def test_linked_files_and_folders_are_found_wherever_they_lead(tmp_path, photographs):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "one.png").symlink_to(photographs / "a.png")
    (linked / "all").symlink_to(photographs)
    (tmp_path / "root").symlink_to(linked)
    for root in (linked, tmp_path / "root"):
        names = [path.relative_to(root).as_posix() for path in find_images(root)]
        assert names == ["all/a.png", "all/b.jpg", "all/c.webp", "all/more/d.png", "one.png"]


def test_linked_folders_that_lead_back_are_entered_once(tmp_path, photographs):
    (photographs / "more" / "up").symlink_to(photographs)
    (photographs / "self").symlink_to(photographs / "self")
    other = tmp_path / "other"
    other.mkdir()
    (other / "back").symlink_to(photographs)
    (photographs / "other").symlink_to(other)  # into one another
    names = [path.relative_to(photographs).as_posix() for path in find_images(photographs)]
    assert names == ["a.png", "b.jpg", "c.webp", "more/d.png"]


def test_a_linked_file_that_leads_nowhere_is_listed_and_named_as_unreadable(tmp_path, photographs):
    (photographs / "gone.png").symlink_to(tmp_path / "deleted.png")
    (photographs / "round.png").symlink_to(photographs / "round.png")
    assert {"gone.png", "round.png"} < {path.name for path in find_images(photographs)}
    with pytest.raises(ValueError, match=r"gone\.png: a link to .*deleted\.png, which is not there$"):
        read_image(photographs / "gone.png")
    with pytest.raises(ValueError, match=r"round\.png: not a readable image \(.*symbolic links"):
        read_image(photographs / "round.png")


@pytest.mark.parametrize(("make", "words"), [(None, "no such folder"), ([], "nothing in"), (["a.txt"], "no image in")])
def test_a_folder_without_images_is_named(tmp_path, make, words):
    folder = tmp_path / "set"
    if make is not None:
        folder.mkdir()
        for name in make:
            (folder / name).write_text("")
    with pytest.raises(ValueError, match=f"set: {words}"):
        find_images(folder)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")

    def fail(file):
        file.write(b"half")
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="No space left"):
        write_whole(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "LA", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_turned_tiff_is_the_same_pixels_turned(tmp_path, mode, compression, orientation):
    plain = stored(mode, tmp_path / "plain.tif")
    turned = stored(mode, tmp_path / "turned.tif", orientation, compression=compression)
    assert torch.equal(read_image(turned), UPRIGHT[orientation](read_image(plain)))
    found, wanted = read_content(turned, "turned"), read_content(plain, "plain")
    assert torch.equal(found.colour, UPRIGHT[orientation](wanted.colour))
    if wanted.alpha is not None:
        assert torch.equal(found.alpha, UPRIGHT[orientation](wanted.alpha))


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_header_says_the_sides_of_the_image_as_it_is_read(tmp_path, suffix, orientation):
    file = stored("RGB", tmp_path / f"a.{suffix}", orientation)
    assert image_size(file) == read_image(file).shape[1:] == ((6, 4) if orientation > 4 else (4, 6))


def test_the_sides_of_a_tiff_that_only_its_xmp_turns_are_swapped(tmp_path):
    file = tmp_path / "a.tif"
    exif = Image.Exif()
    exif[700] = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    Image.new("RGB", (6, 4)).save(file, exif=exif)
    assert image_size(file) == read_image(file).shape[1:] == (6, 4)
