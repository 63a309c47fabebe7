import json

import pytest

from wildsr.apps.prepare.cutting import Outcome, outputs
from wildsr.apps.prepare.manifest import NAME, open_manifest
from wildsr.apps.prepare.plan import Plan

OPTIONS = {"set": "folder", "size": 16}
PLAN = Plan(16, 8)


def make(folder, key, width=40, height=16):
    for name in outputs(key, width, height, PLAN):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_what_was_done_is_known_to_the_next_run(tmp_path):
    with open_manifest(tmp_path / "set", OPTIONS) as manifest:
        make(tmp_path / "set", "train/a.png")
        manifest.add_image("train/a.png", "5-1", Outcome(40, 16))
        manifest.add_image("train/b.png", "5-1", Outcome(damaged="b.png: damaged"))
        manifest.add(downloaded="set.zip")
        manifest.add(downloaded="gone.zip")
        manifest.add(removed="gone.zip")
        manifest.add(complete="set", placed="f00")
    with open_manifest(tmp_path / "set", OPTIONS) as manifest:
        assert manifest.is_done("train/a.png", PLAN, "5-1") and manifest.is_done("train/b.png", PLAN, "5-1")
        assert not manifest.is_done("train/a.png", PLAN, "6-2") and not manifest.is_done("train/c.png", PLAN)
        assert manifest.known("train/b.png").damaged == "b.png: damaged" and manifest.known("train/c.png") is None
        assert manifest.downloaded == {"set.zip"} and manifest.complete == {"set": "f00"}


def test_an_image_of_which_a_file_is_gone_is_not_done(tmp_path):
    with open_manifest(tmp_path, OPTIONS) as manifest:
        make(tmp_path, "train/a.png")
        manifest.add_image("train/a.png", "5-1", Outcome(40, 16))
        (tmp_path / "train" / "a_png" / "s002.png").unlink()
        assert not manifest.is_done("train/a.png", PLAN)


def test_what_an_earlier_version_became_is_removed(tmp_path):
    with open_manifest(tmp_path, OPTIONS) as manifest:
        make(tmp_path, "train/a.png")
        manifest.add_image("train/a.png", "5-1", Outcome(40, 16))
        manifest.remove_old("train/a.png", PLAN)
        assert not list((tmp_path / "train" / "a_png").iterdir())


def test_a_line_cut_short_is_forgotten_and_others_are_not(tmp_path):
    with open_manifest(tmp_path, OPTIONS) as manifest:
        manifest.add_image("val/a.png", "5-1", Outcome(40, 16))
        manifest.add_image("val/b.png", "5-1", Outcome(40, 16))
    (tmp_path / "val").mkdir()
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[:-20])
    with open_manifest(tmp_path, OPTIONS) as manifest:
        assert set(manifest.images) == {"val/a.png"}
        manifest.add_image("val/c.png", "5-1", Outcome(40, 16))
    with open_manifest(tmp_path, OPTIONS) as manifest:
        assert set(manifest.images) == {"val/a.png", "val/c.png"}


def test_lines_that_are_no_record_are_passed_over(tmp_path):
    rubbish = [b"[]", b"{", b'{"picture": "val/a.png"}', b"\xff\xfe", b"null", b'{"picture": [], "stamp": 1}']
    lines = [json.dumps({"options": OPTIONS}).encode(), *rubbish]
    (tmp_path / NAME).write_bytes(b"\n".join(lines) + b"\n")
    with open_manifest(tmp_path, OPTIONS) as manifest:
        assert not manifest.images


def test_other_options_are_refused_once_there_are_images(tmp_path):
    with open_manifest(tmp_path, OPTIONS):
        pass
    with open_manifest(tmp_path, {**OPTIONS, "size": 32}) as manifest:
        make(tmp_path, "train/a.png")
        manifest.add_image("train/a.png", "5-1", Outcome(40, 16))
    refused = pytest.raises(ValueError, match="prepared with size=32; choose another --output")
    with refused, open_manifest(tmp_path, OPTIONS):
        pass


def test_a_folder_with_images_of_other_origin_is_left_alone(tmp_path):
    (tmp_path / "train").mkdir()
    refused = pytest.raises(ValueError, match="holds images that wildsr prepare did not put there")
    with refused, open_manifest(tmp_path, OPTIONS):
        pass
    assert not (tmp_path / NAME).exists()


def test_two_at_a_time_are_refused(tmp_path):
    refused = pytest.raises(ValueError, match="another wildsr prepare is at work there")
    with open_manifest(tmp_path, OPTIONS), refused, open_manifest(tmp_path, OPTIONS):
        pass
    with open_manifest(tmp_path, OPTIONS):
        pass
