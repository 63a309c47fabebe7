"""The data that a configuration names is the data that a run reads."""

import pytest
import torch

from wildsr.building import build_data
from wildsr.cli import main
from wildsr.config import compose_config
from wildsr.data import Store
from wildsr.images import write_image
from wildsr.stage import plain
from wildsr.training.resume import Start, refuse_other_settings, stage_settings

FEW = ["data.crop=64", "data.patch=32", "data.val=null"]


def test_a_store_by_one_word_gives_the_samples_of_its_files(photographs, tmp_path):
    words = [
        "prepare",
        "folder",
        str(photographs),
        "--size",
        "96",
        "--step",
        "48",
        "--scales",
        "0.75",
        "--workers",
        "1",
    ]
    assert main([*words, "-o", str(tmp_path / "a")]) == main([*words, "-o", str(tmp_path / "b"), "--store"]) == 0
    files = compose_config(["data=folder", f"data.train.root={tmp_path / 'a' / 'train'}", *FEW])
    store = compose_config(["data=store", f"data.train.root={tmp_path / 'b' / 'train.store'}", *FEW])
    one, other = build_data(files).samples, build_data(store).samples
    assert isinstance(other.images, Store) and len(one.images) == len(other.images) > 4
    for number in (0, 9, 40):
        assert one[number][1] == other[number][1] and torch.equal(one[number][0], other[number][0])
    assert stage_settings(plain(files), "psnr") == stage_settings(
        plain(store), "psnr"
    )  # so that a run goes on where it is given the other


def test_a_list_file_is_given_as_names(photographs, tmp_path):
    (tmp_path / "list.txt").write_text("more/d.png\na.png\n")
    words = ["data=folder", f"data.train.root={photographs}", f"data.train.names={tmp_path / 'list.txt'}", *FEW]
    assert [path.name for path in build_data(compose_config(words)).samples.images.paths] == ["d.png", "a.png"]


def test_undersized_images_are_padded_or_left_out(photographs, caplog):
    write_image(torch.zeros(3, 40, 200, dtype=torch.uint8), photographs / "low.png")
    words = ["data=folder", f"data.train.root={photographs}", *FEW]
    assert len(build_data(compose_config(words)).samples.images) == 5
    assert len(build_data(compose_config([*words, "data.undersized=leave_out"])).samples.images) == 4
    assert caplog.messages == ["left out: 1 of 5 images, below 64 pixels a side"]
    with pytest.raises(ValueError, match=r"data\.undersized: given 'crop'; choose from pad, leave_out"):
        build_data(compose_config([*words, "data.undersized=crop"]))


def test_turning_is_a_word_and_a_run_from_before_it_goes_on_without(photographs, tmp_path):
    words = ["data=folder", f"data.train.root={photographs}", *FEW]
    assert not build_data(compose_config(words)).samples.rotate
    assert build_data(compose_config([*words, "data.rotate=true"])).samples.rotate
    with pytest.raises(ValueError, match=r"^data\.rotate: given left; choose from true, false"):
        build_data(compose_config([*words, "data.rotate=left"]))
    now, turned = (
        stage_settings(plain(compose_config([*words, *more])), "psnr") for more in ([], ["data.rotate=true"])
    )
    before = {key: value for key, value in now.items() if key != "data.rotate"}
    start = Start(tmp_path / "last.ckpt", 3, {"settings": before})
    refuse_other_settings(now, tmp_path, start)
    with pytest.raises(ValueError, match=r"was trained with data\.rotate=None, now True; wanted the same settings"):
        refuse_other_settings(turned, tmp_path, start)
