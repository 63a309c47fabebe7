"""The disk: what a run takes is a sum that one can do by hand, and too little room is a fault."""

import shutil
from collections import namedtuple

import pytest

from wildsr.apps.doctor.disk import check_disk, panel_bytes
from wildsr.apps.doctor.findings import ERROR, OK
from wildsr.apps.doctor.stages import Sizes

Usage = namedtuple("Usage", "total used free")
# Three numbered checkpoints, the best, the one being written, and the generator.
SIZES, NEEDED = {"psnr": Sizes(10_000_000, 2_000_000)}, 5 * 10_000_000 + 2_000_000


@pytest.fixture
def disk(monkeypatch):
    return lambda free: monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, free))


@pytest.mark.parametrize(("free", "level"), [(NEEDED, OK), (NEEDED - 1, ERROR)])
def test_a_run_needs_the_checkpoints_that_it_keeps_at_once(cfg, tmp_path, disk, free, level):
    disk(free)
    (finding,) = check_disk([cfg("data.val=null")], tmp_path / "runs" / "sick", SIZES)
    assert finding.level == level and "the run takes 52.0 MB at most (checkpoints 52.0 MB)" in finding.found
    assert finding.found.startswith(f"{tmp_path}: ")  # the deepest folder that is there


@pytest.mark.parametrize(("kept", "size"), [("save_top_k=1", "32.0 MB"), ("save_top_k=-1", "92.0 MB")])
def test_as_many_checkpoints_are_counted_as_are_kept(cfg, tmp_path, disk, kept, size):
    disk(10**12)
    seven = ["stages.psnr.iterations=70", "stages.psnr.iterations_per_epoch=10", "stages.psnr.checkpoint_every=10"]
    (finding,) = check_disk([cfg("data.val=null", f"callbacks.checkpoints.{kept}", *seven)], tmp_path, SIZES)
    assert f"the run takes {size} at most" in finding.found


def test_checkpoints_that_lie_there_will_make_room(cfg, tmp_path, disk):
    folder = tmp_path / "psnr" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "iteration_0000001.ckpt").write_bytes(bytes(4_000_000))
    (folder / "last.ckpt").hardlink_to(folder / "iteration_0000001.ckpt")
    disk(10**12)
    (finding,) = check_disk([cfg("data.val=null")], tmp_path, SIZES)
    assert "the run takes 48.0 MB at most" in finding.found


def test_panels_count_once_a_validation_and_once_more_a_logger(cfg):
    panel = 3 * 1 * 4 * 3 * 256 * 256  # images, sets, columns, bytes a pixel, side x side
    words = [
        "stages.psnr.iterations=1001",
        "stages.gan.iterations=1001",
        "stages.psnr.iterations_per_epoch=500",
        "stages.gan.iterations_per_epoch=500",
    ]
    assert panel_bytes(cfg(*words)) == 3 * panel
    assert panel_bytes(cfg(*words, "logger=tensorboard")) == 6 * panel
    assert panel_bytes(cfg(*words, "data.val=null")) == 0


def test_a_folder_that_may_not_be_written_to_is_a_fault(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    (finding,) = check_disk([cfg()], tmp_path, SIZES)
    assert finding.level == ERROR and "may not be written to" in finding.found
