"""After a break the same command goes on, and gives the same video."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="video needs PyAV")

from wildsr.apps.upscale.video import command  # noqa: E402
from wildsr.locking import lock_folder  # noqa: E402
from wildsr.networks import CompactNet, save_generator  # noqa: E402

UNEVEN = tuple(6400 * n + (n % 3) * 700 for n in range(10))


def test_the_same_command_goes_on_after_a_break_and_gives_the_same_video(make_clip, run, interrupted, read, tmp_path):
    source = make_clip(tmp_path / "in.mp4", UNEVEN, sound="aac")
    assert run(source, "-o", tmp_path / "whole.mp4")[0] == 0
    words = (source, "-o", tmp_path / "broken.mp4")
    with interrupted(6):
        code, _, errors = run(*words)
    assert code == 1
    assert "the same command goes on" in errors
    assert not (tmp_path / "broken.mp4").exists()
    with interrupted(6):  # the four of the first segment are not enlarged again
        code, _, errors = run(*words)
    assert code == 0, errors
    assert "in.mp4: goes on after 4 of 10 frames" in errors
    assert read.seconds(tmp_path / "broken.mp4") == read.seconds(tmp_path / "whole.mp4")
    assert np.array_equal(read.levels(tmp_path / "broken.mp4"), read.levels(tmp_path / "whole.mp4"))
    assert read.packets(tmp_path / "broken.mp4", "audio") == read.packets(source, "audio")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("name", "other"), [("crf", ("--crf", "30")), ("half", ("--half",)), ("scale", ("--scale", "3"))]
)
def test_parts_that_other_choices_have_left_are_not_mixed_in(make_clip, run, interrupted, tmp_path, name, other):
    source = make_clip(tmp_path / "in.mp4")
    with interrupted(6):
        run(source, "-o", tmp_path / "out.mp4")
    code, _, errors = run(source, "-o", tmp_path / "out.mp4", *other)
    assert (code, errors.count("\n")) == (1, 1)
    assert f".out.mp4.parts: begun with another {name}; --overwrite begins anew" in errors
    code, _, errors = run(source, "-o", tmp_path / "out.mp4", *other, "--overwrite")
    assert code == 0
    assert "goes on" not in errors


def test_parts_that_another_release_has_left_are_not_mixed_in(make_clip, run, interrupted, tmp_path, monkeypatch):
    source = make_clip(tmp_path / "in.mp4")
    with interrupted(6):
        run(source, "-o", tmp_path / "out.mp4")
    monkeypatch.setattr(command, "__version__", "99")
    code, _, errors = run(source, "-o", tmp_path / "out.mp4")
    assert code == 1
    assert ".out.mp4.parts: begun with another wildsr; --overwrite begins anew" in errors


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with_and_gives_the_same_video(make_clip, run, read, tmp_path):
    torch.manual_seed(0)
    slow = tmp_path / "slow.safetensors"  # a quarter of a second a frame
    save_generator(CompactNet(scale=2, features=64, convs=16), slow)
    source = make_clip(tmp_path / "in.mp4", [6400 * n for n in range(24)], size=(96, 64))
    words = ["upscale", source, "-o", tmp_path / "out.mp4", "--weights", slow, "--backend", "torch"]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from wildsr.cli import main; sys.exit(main(sys.argv[1:]))", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    parts = tmp_path / ".out.mp4.parts"
    until = time.monotonic() + 60
    while not list(parts.glob("*.mp4")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out.mp4").exists()
    code, _, errors = run(*words[1:4], weights=str(slow))
    assert code == 0, errors
    assert "goes on after" in errors
    assert run(source, "-o", tmp_path / "whole.mp4", weights=str(slow))[0] == 0
    assert read.seconds(tmp_path / "out.mp4") == read.seconds(tmp_path / "whole.mp4")
    assert np.array_equal(read.levels(tmp_path / "out.mp4"), read.levels(tmp_path / "whole.mp4"))


def test_a_full_disk_leaves_no_part_under_the_results_name(make_clip, run, tmp_path, monkeypatch):
    source = make_clip(tmp_path / "in.mp4")

    def full(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    code, _, errors = run(source, "-o", tmp_path / "out.mp4")
    assert code == 1
    assert "No space left on device" in errors.splitlines()[-1]
    assert not (tmp_path / "out.mp4").exists()


def test_a_second_call_for_a_video_is_told_who_holds_it(make_clip, run, tmp_path):
    source, parts = make_clip(tmp_path / "in.mp4"), tmp_path / ".out.mp4.parts"
    with lock_folder(parts, "wildsr upscale"):
        code, _, errors = run(source, "-o", tmp_path / "out.mp4", "--overwrite")
    assert (code, errors.count("\n")) == (1, 1)
    assert "another wildsr upscale is at work there (process " in errors
    assert run(source, "-o", tmp_path / "out.mp4")[0] == 0
    assert not parts.exists()
