"""The pages in a real browser: they open without an error or a request, fit the window, and their sliders move."""

import numpy as np
import pytest

from wildsr.apps.report.comparing import write_comparison
from wildsr.apps.report.page import write_report

pytestmark = pytest.mark.slow
SLIDER = ".slider input"


def brightness(tab):
    """Mean levels of the left and of the right half of the first slider, as they are seen."""
    x, y, width, height = tab.box(".slider")
    image = tab.screenshot((x, y, width, height))
    # Without the border in the middle, the labels above and the rounded corners.
    third = image.shape[1] // 3
    return image[40:-10, 10:third].mean(), image[40:-10, -third:-10].mean()


def place(tab):
    return tab.run(f"document.querySelector('{SLIDER}').valueAsNumber")


def at(tab, share):
    """A point of the first slider, so far across."""
    x, y, width, height = tab.box(".slider")
    return x + share * width, y + height / 2


@pytest.fixture
def report(make_run):
    return write_report(make_run(words=["experiment=quickstart", "loss.pixel.weight=2"]))


def opened(browser, page, **window):
    tab = browser(**window)
    tab.open(page)
    return tab


def compare_stages(tab):
    """Show the PSNR stage, dark, on the left, and the GAN stage, bright, on the right."""
    for number, label in enumerate(("PSNR stage", "GAN stage")):
        tab.run(
            f"""(() => {{
              const choice = document.querySelectorAll('select')[{number}];
              choice.value = [...choice.options].find((option) => option.textContent === '{label}').value;
              choice.dispatchEvent(new Event('change'));
            }})()"""
        )


def test_the_mouse_moves_what_is_seen(browser, report):
    tab = opened(browser, report)
    compare_stages(tab)
    assert brightness(tab) == pytest.approx((51, 204), abs=2)  # 0.2 and 0.8 of 255
    tab.mouse("mousePressed", *at(tab, 0.5))
    tab.mouse("mouseMoved", *at(tab, 0.97))
    tab.mouse("mouseReleased", *at(tab, 0.97))
    assert place(tab) == pytest.approx(97, abs=1)
    assert brightness(tab)[0] == pytest.approx(51, abs=2)
    assert brightness(tab)[1] < 80  # dark nearly everywhere
    tab.mouse("mousePressed", *at(tab, 0.02))
    tab.mouse("mouseReleased", *at(tab, 0.02))
    assert brightness(tab) == pytest.approx((204, 204), abs=2)


def test_the_keyboard_moves_it_and_shows_where_it_is(browser, report):
    tab = opened(browser, report)
    compare_stages(tab)
    tab.run(f"document.querySelector('{SLIDER}').focus()")
    for _ in range(3):
        tab.press("ArrowRight")
    assert place(tab) == 53
    tab.press("Home")
    assert tab.run("[...document.querySelector('.slider').querySelectorAll('.half')].map((half) => half.hidden)") == [
        True, False,
    ]  # fmt: skip
    assert brightness(tab) == pytest.approx((204, 204), abs=2)
    tab.press("End")
    assert brightness(tab) == pytest.approx((51, 51), abs=2)
    assert tab.run("getComputedStyle(document.querySelector('.slider')).outlineStyle") == "solid"
    name = tab.run(f"document.querySelector('{SLIDER}').getAttribute('aria-label')")
    assert name == "Border between PSNR stage on the left and GAN stage on the right"
    halves = tab.run("[...document.querySelector('.slider').querySelectorAll('.half')].map((half) => half.textContent)")
    assert halves == ["PSNR stage", "GAN stage"]


def test_a_finger_moves_it(browser, report):
    tab = opened(browser, report, width=390, height=844, touch=True)
    compare_stages(tab)
    tab.touch("touchStart", at(tab, 0.5))
    for share in (0.6, 0.8, 0.95):
        tab.touch("touchMove", at(tab, share))
    tab.touch("touchEnd")
    assert place(tab) == pytest.approx(95, abs=2)
    assert brightness(tab)[1] < 80


def test_lq_shows_its_own_pixels(browser, report):
    tab = opened(browser, report)
    tab.run(f"document.querySelector('{SLIDER}').value = 100")
    tab.run(f"document.querySelector('{SLIDER}').dispatchEvent(new Event('input'))")
    x, y, width, height = tab.box(".slider")
    image = tab.screenshot((x, y, width, height))
    side = image.shape[1] / 48  # a 192 pixel wide window at scale 4
    inside = image[round(20 * side) + 2 : round(21 * side) - 2, round(20 * side) + 2 : round(21 * side) - 2]
    assert inside.shape[0] > 4
    assert np.ptp(inside, axis=(0, 1)).max() == 0  # one colour


@pytest.mark.parametrize(("width", "touch"), [(1280, False), (390, True)])
def test_pages_open_without_an_error_or_a_request_and_fit_the_window(
    browser, make_run, evaluated, tmp_path, width, touch
):
    runs = [make_run(f"a long name of a run, ablation={n}", [f"loss.pixel.weight={n}"]) for n in range(1, 9)]
    write_comparison(runs, tmp_path / "compare.html")
    evaluation = evaluated(
        {"bicubic": 0.2} | {f"runs/a/long/path/of/weights-{n}.safetensors": n / 9 for n in range(1, 9)}
    )
    for page in (write_report(runs[0]), tmp_path / "compare.html", evaluation):
        tab = opened(browser, page, width=width, touch=touch)
        errors = [e for e in tab.events if e.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
        assert errors == []
        requests = [e["params"]["request"]["url"] for e in tab.events if e.get("method") == "Network.requestWillBeSent"]
        assert {url.split(":")[0] for url in requests} <= {"file", "data"}
        assert len([url for url in requests if url.startswith("file")]) == 1
        assert tab.run("document.documentElement.scrollWidth") == width
        assert tab.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")


def test_a_curve_can_be_read_under_the_pointer(browser, report):
    tab = opened(browser, report)
    x, y, width, height = tab.box("svg.chart-area")
    tab.mouse("mouseMoved", x + width * 344 / 360, y + height / 2)
    assert tab.run("document.querySelector('.chart output').textContent") == "8: 25.00"


def test_the_dark_scheme_is_dark(browser, report):
    tab = opened(browser, report)
    assert tab.screenshot((0, 0, 20, 20)).mean() > 240
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.screenshot((0, 0, 20, 20)).mean() < 40
