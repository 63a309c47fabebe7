"""The page of `wildsr demo` in a real browser: Chromium, without a network beyond this machine."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from wildsr.degradation import Recipe
from wildsr.networks import CompactNet, save_generator

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60_000  # milliseconds: two busy cores

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
pytest.importorskip("gradio", reason="the page needs gradio")
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright to drive Chromium")


@pytest.fixture
def address(tmp_path):
    """A running `wildsr demo` with a small network of its own, whose address it prints."""
    torch.manual_seed(0)
    save_generator(CompactNet(scale=2, features=4, convs=1), tmp_path / "small.safetensors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = "import sys; from wildsr.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["demo", "--port", str(port), "--weights", "small.safetensors"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WILDSR_OFFLINE": "1", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", call, *words], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"http://127.0.0.1:{port} ")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def page(address):
    """The page opened; every request that leaves this machine fails the test."""
    strangers = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        view.set_default_timeout(PATIENCE)

        def guard(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                strangers.append(route.request.url)
                route.abort()

        view.route("**/*", guard)
        view.goto(address)
        yield view
        browser.close()
    assert strangers == []


@pytest.fixture
def screenshots(tmp_path):
    """Where images of the page go: WILDSR_SCREENSHOTS, to be looked at, or nowhere that stays."""
    folder = Path(os.environ.get("WILDSR_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def drop(page, photograph):
    """Give a photograph to the visible tab."""
    page.locator("input[type=file]:visible, .tabitem:visible input[type=file]").first.set_input_files(photograph)


def test_an_image_is_upscaled_compared_and_downloaded(page, photographs, screenshots):
    drop(page, photographs / "a.png")
    page.get_by_role("button", name="Upscale", exact=True).click()
    button = page.get_by_role("button", name="Download the PNG")
    button.wait_for()
    page.wait_for_timeout(1000)  # the images fade in
    page.screenshot(path=screenshots / "demo_upscale.png")
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename == "a_x2.png"


def test_on_a_phone_the_result_stands_above_the_controls_and_nothing_is_wider(page, screenshots):
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator(".slider:visible").count() == 0  # nothing to show yet
    page.locator(".gallery-item:visible, .gallery button:visible").nth(2).click()
    page.locator(".image-frame img:visible").wait_for()  # the example has arrived in the box
    page.get_by_role("button", name="Upscale", exact=True).click()
    page.get_by_text("160 × 160 → 320 × 320 pixels (×2) in").wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=screenshots / "demo_phone.png", full_page=True)
    result, button = (page.locator(name).bounding_box() for name in (".slider:visible", "button.primary:visible"))
    assert result["y"] < button["y"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_only_what_mixes_is_offered(page):
    assert page.get_by_label("Weights").input_value() == "small.safetensors"
    assert page.get_by_label("Mix with").count() == 0


def test_an_error_is_one_line_on_the_page(page, tmp_path):
    page.get_by_role("button", name="Upscale", exact=True).click()
    page.get_by_text("no image yet; choose from .png").wait_for()
    (tmp_path / "damaged.png").write_bytes(b"no image")
    drop(page, tmp_path / "damaged.png")
    page.get_by_role("button", name="Upscale", exact=True).click()
    page.get_by_text("damaged.png: not a readable image").wait_for()


def test_a_recipe_is_drawn_edited_and_copied(page, photographs, screenshots):
    page.get_by_role("tab", name="Degrade").click()
    drop(page, photographs / "a.png")
    page.get_by_role("button", name="Download the degraded PNG").wait_for()
    page.get_by_label("seed of the draw").fill("3")
    page.get_by_role("button", name="Draw a recipe").click()
    page.get_by_text("The recipe as a file of conf/degradation/").click()
    code = page.locator(".cm-content")
    playwright.expect(code).to_contain_text("seed: 3")
    page.wait_for_timeout(1500)
    page.screenshot(path=screenshots / "demo_degrade.png", full_page=True)
    before = shown_recipe(page)
    page.get_by_role("button", name="1st order").click()
    box = page.get_by_label("number input for strength (Gaussian: σ in levels)").first
    box.fill("42.5")
    box.press("Enter")
    playwright.expect(code).to_contain_text("strength: 42.5")
    after = shown_recipe(page)
    assert after.records["first.noise"].strength == 42.5
    assert after.seed == before.seed == 3


def shown_recipe(page):
    """What the page offers for conf/."""
    return Recipe.from_dict(yaml.safe_load(page.locator(".cm-content").inner_text())["fixed_recipe"])
