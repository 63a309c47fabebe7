"""What measured figures come to: times, memory, waiting, cores."""

import pytest

from wildsr.apps.doctor import speed
from wildsr.apps.doctor.findings import ERROR, OK, WARNING
from wildsr.apps.doctor.speed import check_speed, cores, not_measured, rate, relief
from wildsr.apps.doctor.stages import Sizes

FOUND = {
    "iterations": 20, "seconds": 10.0, "waited": 1.0, "validation": 30.0, "peak": 2 * 10**9, "free": 10**10,
    "workers": 0, "threads": 4, "degrade_in": "device",
}  # fmt: skip


@pytest.fixture
def page(cfg, progress, monkeypatch):
    """The findings on a machine of four cores without a GPU, on which a burst gives these figures."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(speed, "usable_cores", lambda: 4)

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


def test_a_run_of_more_than_a_month_is_a_warning_with_the_way_out(page, cfg):
    # 1,000,000 iterations, 100 s each: 1e8 s
    found = page(seconds=2000.0, validation=0.0)["speed"]
    assert (found.level, found.found) == (WARNING, "1,000,000 iterations take 3 years here")
    assert found.advice.endswith("experiment=quickstart, made for a CPU")
    assert page()["speed"].level == OK


def test_what_was_not_measured_is_estimated_by_its_operations(cfg, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(speed, "usable_cores", lambda: 2)
    # 6 * 16.7e6 parameters * 64 * 64 pixels * 48 images * 1e6 iterations / (2 * 96e9) = 1.026e8 s
    whole = [cfg("stages.psnr.iterations=1000000", "data.batch_size=48", "data.patch=256", "data.crop=400")]
    sizes = {"psnr": Sizes(0, 4 * 16_700_000)}
    (finding,) = not_measured(whole, {}, sizes)
    assert finding.found == "1,000,000 iterations take at least 3 years on 2 CPU cores" and finding.level == WARNING
    assert not_measured(whole, {"psnr": 990_000}, sizes) == []


def test_a_finished_stage_is_not_measured(page):
    assert page(done=1_000_000) == {}


def test_speeds_are_told_in_three_digits_and_more_only_before_the_point():
    assert rate(FOUND | {"iterations": 12345}, 1) == "1,234 iterations/s, 1,234 images/s"
    assert rate(FOUND | {"iterations": 2}, 48) == "5 s/iteration, 9.6 images/s"


def test_memory_near_its_end_is_a_warning_and_beyond_it_a_fault(page):
    assert page()["memory"].level == OK and "psnr 2.0 GB of 10.0 GB free" in page()["memory"].found
    assert page(peak=9.5 * 10**9)["memory"].level == WARNING
    fault = page(error="no memory", out_of_memory=True)["memory"]
    assert fault.level == ERROR and "accumulate" in fault.advice
    late = page(error="not measured within 10 minutes", late=True)["speed"]
    assert late.level == WARNING and late.found == "psnr: not measured within 10 minutes"
    assert page(error="a loss is not finite", out_of_memory=False)["speed"].level == ERROR


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
