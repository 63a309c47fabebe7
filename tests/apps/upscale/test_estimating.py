import logging
from types import SimpleNamespace

import pytest

from wildsr.apps.upscale import estimating
from wildsr.apps.upscale.estimating import announce, expected


class Clock:
    """A network that takes a microsecond a pixel and an overhead, by a clock of its own."""

    def __init__(self, overhead=0.0, per_pixel=1e-6):
        self.now, self.overhead, self.per_pixel, self.sides = 0.0, overhead, per_pixel, []
        self.device = SimpleNamespace(type="cpu")

    def upscale(self, upscaler, image, tile):
        self.sides.append(image.shape[-1])
        self.now += self.overhead + self.per_pixel * image.shape[-1] * image.shape[-2]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(estimating, "upscale", clock.upscale)
    monkeypatch.setattr(estimating, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(estimating, "pixels_seen", lambda upscaler, height, width, tile: 2 * height * width)
    return clock


@pytest.fixture
def session(clock):
    given = SimpleNamespace(weights="realesrgan-x4plus")
    return SimpleNamespace(given=given, second=None, upscaler=clock, tile=lambda image: 256)


def said(caplog):
    return [record.getMessage() for record in caplog.records]


def test_long_work_is_said_before_it_begins_with_what_tiles_see_twice(clock, session, caplog):
    caplog.set_level(logging.INFO, "wildsr")
    clock.per_pixel = 75e-6  # 12 MP, of which tiles see each pixel twice: 1800 s
    announce(session, [(3000, 4000)], "big.jpg")
    assert said(caplog) == [
        "big.jpg, 12 MP: about 30 min on this CPU; --weights realesr-animevideov3: about 90 s, and less detail"
    ]


def test_short_work_and_a_gpu_are_not_measured_at_all(clock, session, caplog):
    caplog.set_level(logging.INFO, "wildsr")
    announce(session, [(480, 640)], "3 images")
    clock.device.type = "cuda"
    announce(session, [(3000, 4000)] * 100, "100 images")
    assert said(caplog) == clock.sides == []


def test_tiles_to_measure_grow_until_overhead_does_not_count(clock):
    clock.overhead = 0.5
    seconds = expected(clock, 10**9, 4000)
    assert clock.sides == [64, 128, 256, 512, 1024, 2048]
    assert seconds == pytest.approx(1000, rel=0.15)
    clock.sides.clear()
    assert expected(clock, 10**6, 4000) < 60  # quick anyway: the first tile is enough
    assert clock.sides == [64, 128]
