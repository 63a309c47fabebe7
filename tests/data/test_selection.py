import pytest
import torch

from wildsr.data import Photographs, Samples, large_enough
from wildsr.degradation import DegradationSpec
from wildsr.images import read_image, write_image


def named(folder, text):
    (folder.parent / "list.txt").write_text(text)
    return Photographs(folder, names=str(folder.parent / "list.txt"))


def test_a_list_file_names_the_images_and_their_order(photographs):
    images = named(photographs, "more/d.png\n\n  a.png  \n")
    assert [path.name for path in images.paths] == ["d.png", "a.png"]
    assert torch.equal(images[1], read_image(photographs / "a.png"))


@pytest.mark.parametrize("name", ["../outside.png", "more/../../outside.png", "away/../outside.png"])
def test_a_list_never_leads_out_of_the_folder(photographs, name):
    write_image(torch.zeros(3, 8, 8, dtype=torch.uint8), photographs.parent / "outside.png")
    (photographs.parent / "elsewhere").mkdir()
    (photographs / "away").symlink_to(photographs.parent / "elsewhere")
    with pytest.raises(ValueError, match=rf"{name}: given as an image in .*, and leads out of it"):
        named(photographs, f"a.png\n{name}\n")
    with pytest.raises(ValueError, match="leads out of it"):
        Photographs(photographs, names=[str(photographs.parent / "outside.png")])


def test_a_list_may_lead_through_linked_files_and_folders(photographs, tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    write_image(torch.zeros(3, 8, 8, dtype=torch.uint8), away / "outside.png")
    (photographs / "link.png").symlink_to(away / "outside.png")
    (photographs / "folder").symlink_to(away)
    images = named(photographs, "link.png\nfolder/outside.png\nmore/../a.png\n")
    assert [images.name(i) for i in range(3)] == ["link.png", "folder/outside.png", "more/../a.png"]
    assert torch.equal(images[0], images[1]) and not images[0].any()


def test_a_list_that_names_what_is_not_there_is_refused(photographs):
    with pytest.raises(ValueError, match=r"e\.png: no such file; wanted every image that the list names"):
        named(photographs, "a.png\ne.png\n")
    with pytest.raises(ValueError, match=r"list\.txt, which names no image"):
        named(photographs, "\n \n")
    with pytest.raises(ValueError, match=r"nowhere\.txt: no readable list"):
        Photographs(photographs, names="nowhere.txt")
    with pytest.raises(ValueError, match=r"^~\$nowhere\.txt: no readable list"):
        Photographs(photographs, names="~$nowhere.txt")


def test_undersized_images_are_left_out_and_counted(photographs, caplog):
    write_image(torch.zeros(3, 300, 95, dtype=torch.uint8), photographs / "narrow.png")
    (photographs / "broken.png").write_bytes(b"nothing")
    images = Photographs(photographs)
    kept = large_enough(images, 96)
    assert caplog.messages == ["left out: 1 of 6 images, below 96 pixels a side"]
    assert len(kept) == 5  # the broken one stays, to be named when it is its turn
    assert {tuple(kept[i].shape[1:]) for i in range(5) if i != 2} == {(160, 192)}
    assert Samples(kept, DegradationSpec(), crop=96, patch=32, seed=0)[3][0].shape == (3, 96, 96)


def test_nothing_is_left_out_where_all_are_large_enough(photographs, caplog):
    images = Photographs(photographs)
    assert large_enough(images, 160) is images and not caplog.messages


def test_a_set_without_an_image_large_enough_says_so(photographs):
    with pytest.raises(ValueError, match="leaves nothing: all 4 images are below 400 pixels"):
        large_enough(Photographs(photographs), 400)
