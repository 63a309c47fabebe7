"""What a cluster sends before it ends a job, and a time limit."""

import os
import signal
import time

import lightning as L
import pytest
import torch

from wildsr.training import GracefulStop
from wildsr.training.stops import SIGNALS, Interrupted, parse_duration


class Send(L.Callback):
    """Sends a signal to this process in the second iteration."""

    def __init__(self, number):
        self.number = number

    def on_train_batch_start(self, trainer, module, *_):
        if module.iteration == 1:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def stopped(data, psnr, trainer, tmp_path):
    """Fit until a signal stops it; returns what was said."""

    def stop(number):
        module = psnr()
        module.origin = {"stage": "psnr"}
        with pytest.raises(Interrupted) as caught:
            trainer(100, Send(number), GracefulStop(tmp_path / "kept")).fit(module, data())
        assert torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)["iteration"] == 2
        return str(caught.value)

    return stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_two_iterations_and_handlers_are_given_back(stopped, number):
    before = [signal.getsignal(each) for each in SIGNALS]
    assert stopped(number) == f"PSNR stage stopped after iteration 2 ({number.name})"
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize(
    ("array", "job"), [({}, "77"), ({"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3"}, "70_3")]
)
def test_a_slurm_job_saves_and_goes_back_into_the_queue(stopped, tmp_path, monkeypatch, array, job):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\nls "{tmp_path}/kept" >> "{tmp_path}/asked"\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, value in {"SLURM_JOB_ID": "77", **array}.items():
        monkeypatch.setenv(name, value)
    assert "SIGUSR1" in stopped(signal.SIGUSR1)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"requeue {job}", "last.ckpt"]  # saved before it asked


def test_a_handler_that_a_launcher_had_set_runs_after_the_save(stopped, tmp_path):
    seen = []

    def launchers(*_):
        seen.append((tmp_path / "kept" / "last.ckpt").is_file())

    before = signal.signal(signal.SIGUSR2, launchers)
    try:
        assert "SIGUSR2" in stopped(signal.SIGUSR2)
        assert signal.getsignal(signal.SIGUSR2) is launchers
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [True]


def test_the_time_limit_is_that_of_the_call_not_of_each_fit(data, psnr, trainer, tmp_path):
    stop = GracefulStop(tmp_path / "kept", "00:00:00:50")
    stop.begin = time.monotonic() - 100  # a call that began long before this fit
    with pytest.raises(Interrupted, match=r"^stopped after iteration 1 \(trainer.max_time after 50 s\)"):
        trainer(2, stop).fit(psnr(), data())
    assert (tmp_path / "kept" / "last.ckpt").is_file()


def test_without_a_wish_a_fit_ends_as_any(data, psnr, trainer, tmp_path):
    module = psnr()
    trainer(2, GracefulStop(tmp_path / "kept", "01:00:00:00")).fit(module, data())
    assert module.iteration == 2
    assert not (tmp_path / "kept").exists()


def test_a_duration_is_days_hours_minutes_seconds():
    assert parse_duration("01:02:03:04") == 24 * 3600 + 2 * 3600 + 3 * 60 + 4
    for text in ("10:00", "1:2:3:x", ""):
        with pytest.raises(ValueError, match=r"^max_time: given .*, wanted DD:HH:MM:SS"):
            parse_duration(text)
