import pickle

import pytest
import torch
from PIL import Image, PngImagePlugin
from torch.utils.data import DataLoader

from wildsr.apps.common.logs import show_messages
from wildsr.data import Photographs, sample_photographs
from wildsr.io import UserError


def many(folder, count, broken=()):
    """A folder of `count` copies of one photograph, some of them cut short."""
    content = (folder / "a.png").read_bytes()
    target = folder.parent / "many"
    target.mkdir()
    for number in range(count):
        (target / f"{number:03d}.png").write_bytes(content[:300] if number in broken else content)
    return Photographs(target)


def test_a_damaged_file_is_named_once_and_replaced_by_the_next(photographs, caplog):
    images = many(photographs, 200, broken=[5])
    assert torch.equal(images[5], images[6])
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "005.png" in caplog.messages[0]
    images[5]
    assert len(caplog.messages) == 1


def test_more_than_one_percent_of_damaged_files_stops(photographs):
    images = many(photographs, 150, broken=[5, 9])
    images[5]
    with pytest.raises(ValueError, match="2 of 150 pictures not readable, more than 1%"):
        images[9]


def test_a_set_with_nothing_readable_says_so(tmp_path):
    (tmp_path / "only.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="none of 1 image files is readable"):
        Photographs(tmp_path)[0]


def test_a_missing_folder_says_what_brings_it(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no such folder; bring the data with: wildsr prepare"):
        Photographs(tmp_path / "nowhere", hint="bring the data with: wildsr prepare df2k_ost")
    with pytest.raises(ValueError, match=r"^~\$nowhere: no such folder"):
        Photographs("~$nowhere")


def test_the_sample_photographs_are_there_without_a_download():
    images = sample_photographs(["astronaut.png", "coffee.png"])
    assert [tuple(images[i].shape) for i in range(2)] == [(3, 512, 512), (3, 400, 600)]


def test_an_unknown_sample_photograph_is_refused():
    with pytest.raises(ValueError, match=r"carries no picture 'atronaut\.png'"):
        sample_photographs(["atronaut.png"])


def test_kept_pictures_are_decoded_once(photographs):
    images = Photographs(photographs, cache_size=4)
    assert images[0] is images[0]


def test_the_smallest_picture_is_found_by_its_header(photographs):
    (photographs / "broken.png").write_bytes(b"nothing")
    assert Photographs(photographs).smallest()[0] == 160


def test_photographs_travel_to_worker_processes_that_start_afresh(photographs):
    images = Photographs(photographs, cache_size=2)
    first = images[0]
    assert torch.equal(pickle.loads(pickle.dumps(images))[0], first)


def test_pictures_are_called_by_their_place_and_a_damaged_ones_by_its_replacements(photographs):
    images = many(photographs, 120, broken=[5])
    images[5]
    assert [images.name(index) for index in (4, 5, 6)] == ["004.png", "006.png", "006.png"]
    assert Photographs(photographs).name(3) == "more/d.png"


def test_workers_share_what_they_found_damaged(photographs, capfd):
    images = many(photographs, 150, broken=[5, 9])
    loaders = [DataLoader(images, sampler=[place], batch_size=None, num_workers=1) for place in (5, 9)]
    with show_messages():
        [image] = loaders[0]
    assert torch.equal(image, images[6])
    assert images.corrupt.nonzero().flatten().tolist() == [5]
    images[5]  # in this process: known, and not named again
    said = capfd.readouterr().err
    assert said.startswith("warning: left out: ") and said.count("005.png") == 1
    with pytest.raises(UserError, match="2 of 150 pictures not readable, more than 1%"):
        list(loaders[1])


def test_what_generators_and_cameras_write_is_trained_on(tmp_path, caplog):
    info, image = PngImagePlugin.PngInfo(), Image.new("RGB", (8, 6), (255, 0, 0))
    info.add_text("workflow", "x" * 1_500_000, zip=True)
    image.save(tmp_path / "a.png", pnginfo=info)
    for suffix, kind in {"jfif": "JPEG", "gif": "GIF", "tga": "TGA", "ppm": "PPM", "dds": "DDS"}.items():
        image.save(tmp_path / f"b.{suffix}", kind)
    photographs = Photographs(tmp_path)
    assert len(photographs) == 6
    assert all(photograph[0].float().mean() > 250 for photograph in photographs)
    assert not caplog.records
