"""What a cluster sends before it ends a job."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from wildsr.train import train
from wildsr.training.module import SuperResolution
from wildsr.training.stops import Interrupted

TINY = [
    "generator=tiny", "loss=no_perceptual", "data.crop=64", "data.patch=32", "data.batch_size=2", "data.val=null",
    "stage=psnr", "stage.iterations=3", "stage.checkpoint_every=1000", "compare=false",
]  # fmt: skip


def interrupted_by(number: signal.Signals, folder: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SuperResolution, "on_train_batch_start", lambda *_: os.kill(os.getpid(), number))
        with pytest.raises(Interrupted) as caught:
            train(TINY, folder)
    assert (folder / "psnr" / "checkpoints" / "iteration_0000001.ckpt").is_file()
    return str(caught.value)


@pytest.mark.parametrize(
    ("array", "job"), [({}, "77"), ({"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3"}, "70_3")]
)
def test_a_slurm_job_saves_and_goes_back_into_the_queue(tmp_path, monkeypatch, array, job):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\nls "{tmp_path}/run/psnr/checkpoints" >> "{tmp_path}/asked"\n'
    )
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, value in {"SLURM_JOB_ID": "77", **array}.items():
        monkeypatch.setenv(name, value)
    assert "SIGUSR1" in interrupted_by(signal.SIGUSR1, tmp_path / "run")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == f"requeue {job}"
    assert "last.ckpt" in asked  # saved before it asked


def test_a_handler_that_a_launcher_had_set_runs_after_the_save(tmp_path):
    seen = []
    before = signal.signal(signal.SIGUSR2, lambda *_: seen.append((tmp_path / "psnr/checkpoints/last.ckpt").is_file()))
    try:
        assert "SIGUSR2" in interrupted_by(signal.SIGUSR2, tmp_path)
        assert signal.getsignal(signal.SIGUSR2) is not None
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [True]


def test_the_time_limit_is_that_of_the_call_not_of_each_stage(tmp_path, monkeypatch):
    words = [*TINY, "discriminator.network.features=4"]
    train(words, tmp_path)
    began = time.monotonic() - 100  # the gan stage of a call that began long before
    monkeypatch.setattr("wildsr.train.time.monotonic", lambda: began)
    monkeypatch.setattr("wildsr.training.stops.time", SimpleNamespace(monotonic=lambda: began + 100))
    with pytest.raises(Interrupted, match=r"gan stage stopped after iteration 1 \(trainer.max_time after 50 s\)"):
        train([*words, "stage=gan", "trainer.max_time=00:00:00:50"], tmp_path)
