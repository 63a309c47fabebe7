"""What measured figures come to: times, memory, waiting, cores."""

import pytest

from wildsr.apps.doctor import speed
from wildsr.apps.doctor.findings import FAULT, OK, WARNING
from wildsr.apps.doctor.speed import check_speed, cores, format_duration, rate, relief

FOUND = {
    "iterations": 20, "seconds": 10.0, "waited": 1.0, "validation": 30.0, "peak": 2 * 10**9, "free": 10**10,
    "workers": 0, "threads": 4, "degrade_in": "device",
}  # fmt: skip


@pytest.fixture
def page(cfg, progress, monkeypatch):
    """The findings on a machine of four cores without a GPU, on which a burst gives these figures."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(speed, "available", lambda: 4)

    def check(
        done=0,
        words=("stages.psnr.iterations=1000000", "stages.gan.iterations=1000000", "data.batch_size=48"),
        **figures,
    ):
        monkeypatch.setattr(speed, "run_burst", lambda *_: FOUND | figures)
        found = check_speed([cfg(*words)], {"psnr": done}, set(), progress)
        return {finding.topic: finding for finding in found}

    return check


def test_the_time_to_the_end_counts_what_is_left_and_its_validations(page):
    # 1,000,000 iterations, 2 a second: 500,000 s; 200 validations of 30 s: 6,000 s
    text = "psnr: 2 iterations/s, 96 images/s; to its end 5 d 21 h, 1 h 40 min of it validation"
    assert page()["speed"].found == text
    assert "to its end 18 min, 60 s of it validation" in page(done=998_000, validation=60.0)["speed"].found


def test_a_finished_stage_is_not_measured(page):
    assert page(done=1_000_000) == {}


def test_times_are_told_in_two_units():
    given = {5: "5 s", 89: "89 s", 90: "2 min", 3600: "1 h", 3660: "1 h 1 min", 86400 * 3 + 7200: "3 d 2 h"}
    assert {seconds: format_duration(seconds) for seconds in given} == given
    assert format_duration(86400 * 11574) == "11,574 d"
    assert format_duration(3599) == "60 min"
    assert rate(FOUND | {"iterations": 12345}, 1) == "1,234 iterations/s, 1,234 images/s"
    assert rate(FOUND | {"iterations": 2}, 48) == "5 s/iteration, 9.6 images/s"


def test_memory_near_its_end_is_a_warning_and_beyond_it_a_fault(page):
    assert page()["memory"].level == OK and "psnr 2.0 GB of 10.0 GB free" in page()["memory"].found
    assert page(peak=9.5 * 10**9)["memory"].level == WARNING
    fault = page(error="no memory", out_of_memory=True)["memory"]
    assert fault.level == FAULT and "accumulate" in fault.advice
    late = page(error="not measured within 10 minutes", late=True)["speed"]
    assert late.level == WARNING and late.found == "psnr: not measured within 10 minutes"
    assert page(error="a loss is not finite", out_of_memory=False)["speed"].level == FAULT


def test_waiting_for_pairs_is_a_warning_with_the_way_out(page, cfg, monkeypatch):
    assert page()["data"].found == "loading and degrading: psnr 10% of the time"
    late = page(waited=6.0)["data"]
    assert late.level == WARNING
    assert late.advice == "data.workers=1, or a store, read without decoding (wildsr prepare --store)"
    assert relief(cfg("data.train._target_=wildsr.data.Store"), FOUND | {"workers": 1}).startswith("more or faster")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert relief(cfg(), FOUND | {"degrade_in": "worker"}).startswith("data.workers=3, or data.degrade_in=device")
    codecs = relief(cfg("degradation=video"), FOUND | {"degrade_in": "worker"})
    assert codecs.startswith("data.workers=3, or a store")


def test_workers_and_threads_are_held_against_the_cores(page):
    assert page()["cores"].level == OK
    (idle,) = cores(FOUND | {"threads": 1})
    assert idle.level == WARNING and idle.advice == "OMP_NUM_THREADS=4"
    (crowd,) = cores(FOUND | {"workers": 16})
    assert crowd.level == WARNING and "16 workers" in crowd.found
