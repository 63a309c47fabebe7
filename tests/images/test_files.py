import os

import pytest

from wildsr.images import find_images, write_whole


def test_images_are_found_in_sub_folders_and_in_order(photographs):
    (photographs / "notes.txt").write_text("no image")
    (photographs / ".hidden.png").write_bytes(b"")
    names = [path.relative_to(photographs).as_posix() for path in find_images(photographs)]
    assert names == ["a.png", "b.jpg", "c.webp", "more/d.png"]


def test_links_out_of_the_folder_are_left_out(tmp_path, photographs):
    outside = tmp_path / "outside.png"
    outside.write_bytes((photographs / "a.png").read_bytes())
    (photographs / "link.png").symlink_to(outside)
    (photographs / "inside.png").symlink_to(photographs / "a.png")
    names = {path.name for path in find_images(photographs)}
    assert "link.png" not in names
    assert "inside.png" in names


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
