"""A browser for the pages: Chromium without a window, spoken to through its own pipe."""

import base64
import io
import json
import os
import shutil
import subprocess
import time
from functools import lru_cache

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import save_file

from wildsr.apps.evaluate.crops import CROPS, write_list
from wildsr.apps.evaluate.results import write_page
from wildsr.apps.evaluate.windows import Windows, chosen, write_crop, write_inputs
from wildsr.apps.report.drawn import DRAWN, look_at, write_drawn
from wildsr.config import compose_config, stage_config
from wildsr.data import sample_photographs, validation_set
from wildsr.degradation import DegradationSpec, degrade
from wildsr.images import to_float, to_pil
from wildsr.training.pairs import ValidationPair

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
]  # fmt: skip


@lru_cache(maxsize=2)
def config_of(stage):
    """Composing takes half a second."""
    words = ["experiment=quickstart", "stages.psnr.iterations=4", "stages.gan.iterations=4"]
    return stage_config(compose_config(words), stage)


def write_stage(run, name, overrides, *rows):
    """What a stage of 4 iterations leaves: its configuration, a generator's head, and curves."""
    folder = run / name
    (folder / "csv" / "version_0").mkdir(parents=True)
    config = OmegaConf.merge(config_of(name), OmegaConf.from_dotlist(list(overrides)))
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    save_file({"a": torch.zeros(1)}, folder / "generator.safetensors", {"iterations": "4"})
    lines = ["iteration,loss/pixel,val/psnr_y,val/hard/psnr_y", *rows]
    (folder / "csv" / "version_0" / "metrics.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """What a run leaves for its report: images of a synthetic and of a real set, and what its degradation draws."""
    run, photographs = tmp_path_factory.mktemp("kept"), tmp_path_factory.mktemp("photographs")
    for number, name in enumerate(("chelsea.png", "coffee.png")):
        image = to_pil(sample_photographs([name])[0]).resize((192, 160), Image.Resampling.LANCZOS)
        image.save(photographs / f"{'ab'[number]}.png")
    sets = {"main": validation_set(4, hq=photographs), "phone": validation_set(4, lq=photographs)}
    write_drawn(look_at(DegradationSpec(), draws=50), run / DRAWN)
    crops = []
    for place in chosen(sets):
        hq, recipe, lq = sets[place[0]][place[1]]
        low = to_float(lq) if hq is None else degrade(to_float(hq), recipe)
        high = None if hq is None else to_float(hq)[None]
        crops.append(write_inputs(run, *place, sets[place[0]], low[None], high))
        for stage, level in (("psnr", 0.2), ("gan", 0.8)):  # dark and bright: easy to tell apart on a page
            write_crop(run / stage / CROPS, crops[-1], torch.full((3, 4 * low.shape[1], 4 * low.shape[2]), level))
    write_list(run, crops)
    return run


@pytest.fixture
def make_run(tmp_path, kept):
    """make_run(name, overrides, psnr): a finished run without the training, its last PSNR-Y chosen."""

    def make(name="run", overrides=(), psnr=25.0, words=("experiment=quickstart",)):
        run = tmp_path / "runs" / name
        shutil.copytree(kept, run)
        write_stage(run, "psnr", overrides, "2,0.5,,", "2,,23,20", "4,0.3,,", "4,,24,21")
        write_stage(run, "gan", overrides, "2,0.4,,", "4,0.2,,", f"4,,{psnr},22")
        start = "realesr-animevideov3 (start)"
        figures = {"bicubic": 22.0, start: 22.5, "psnr stage": 24.0, "gan stage": psnr}
        scores = {method: {"psnr_y": value, "hard/psnr_y": value - 3} for method, value in figures.items()}
        (run / "scores.json").write_text(json.dumps(scores))
        (run / "overrides.json").write_text(json.dumps(list(words)))
        return run

    return make


@pytest.fixture
def evaluated(tmp_path, kept):
    """evaluated(methods, name): the page of an evaluation on grey images, each method's a level of its own."""

    def make(methods, name="phone"):
        folder = tmp_path / "evaluated"
        folder.mkdir()
        images = validation_set(4, hq=tmp_path / "hq")
        hq, recipe, _ = images[0]
        low = degrade(to_float(hq), recipe)
        results = {method: torch.full((1, 3, 160, 192), level) for method, level in methods.items()}
        folders = {method: tmp_path / "windows" / str(number) for number, method in enumerate(methods)}
        windows = Windows(tmp_path / "windows", folders, {name: images})
        windows.write(name, 0, images, ValidationPair(low[None], to_float(hq)[None]), results)
        (folder / "scores.json").write_text(json.dumps({method: {f"{name}/psnr_y": 20.0} for method in methods}))
        rows = [f'{name},a.png,0,"{method}",20.5' for method in methods]
        (folder / "images.csv").write_text("\n".join(["set,picture,version,method,psnr_y", *rows]))
        weights = {method: {"source": method, "scale": 4, "digest": "ab" * 32} for method in list(methods)[1:]}
        sets = {name: {"kind": "synthetic", "images": 1, "scale": 4, "digest": "cd" * 32}}
        settings = {"weights": weights, "sets": sets, "border": 4, "backend": "torch", "half": False}
        write_page(folder, windows, settings | {"device": "cpu", "version": "0"})
        return folder / "index.html"

    (tmp_path / "hq").mkdir()
    to_pil(sample_photographs(["chelsea.png"])[0]).resize((192, 160)).save(tmp_path / "hq" / "a.png")
    return make


class Browser:
    """One tab. Commands are those of the Chrome DevTools Protocol: JSON, each ended by a zero byte."""

    def __init__(self, profile, width, height, touch=False):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        to_browser, from_browser = os.pipe(), os.pipe()

        def connect():  # the browser reads from 3 and writes to 4
            ends = (os.dup(to_browser[0]), os.dup(from_browser[1]))
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        command = [program, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        self.process = subprocess.Popen(
            command, preexec_fn=connect, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.writer, self.reader = os.fdopen(to_browser[1], "wb"), os.fdopen(from_browser[0], "rb")
        self.number, self.buffer, self.session, self.events = 0, b"", None, []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if touch else 1, "mobile": touch}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.writer.write(json.dumps(message).encode() + b"\0")
        self.writer.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        while b"\0" not in self.buffer:
            more = self.reader.read1(1 << 16)
            assert more, "the browser has ended"
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, file):
        self.events = []
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def run(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.05)

    def box(self, selector):
        """The place of an element in the window, scrolled to: x, y, width, height."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = f"JSON.stringify(document.querySelector({selector!r}).getBoundingClientRect())"
        found = json.loads(self.run(box))
        return found["x"], found["y"], found["width"], found["height"]

    def screenshot(self, box=None, whole=False):
        """The visible image, or a part of the window, as an array."""
        return np.asarray(Image.open(io.BytesIO(self.png(box, whole))).convert("RGB")).astype(int)

    def png(self, box=None, whole=False):
        params = {"captureBeyondViewport": whole}
        if box is not None:
            scroll = self.run("[scrollX, scrollY]")
            x, y, width, height = box
            params["clip"] = {"x": x + scroll[0], "y": y + scroll[1], "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", **params)["data"])

    def mouse(self, kind, x, y):
        pressed = {"button": "left", "clickCount": 1, "buttons": 1} if kind != "mouseReleased" else {"button": "left"}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def touch(self, kind, *points):
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in points])

    def press(self, key):
        for kind in ("rawKeyDown", "keyUp"):
            codes = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, "Tab": 9}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def close(self):
        self.writer.close()
        self.reader.close()
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture
def browser(tmp_path):
    """Opens a browser: browser(width, height, touch)."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no Chromium here: apt-get install -y chromium")
    opened = []

    def start(width=1280, height=900, touch=False):
        opened.append(Browser(tmp_path / f"profile{len(opened)}", width, height, touch))
        return opened[-1]

    yield start
    for tab in opened:
        tab.close()
