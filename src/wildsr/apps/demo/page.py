"""The page: its layout, and what its buttons do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from wildsr.apps.demo.controls import CONTROLS, PARTS, Control, draw, recipe_of, to_conf, used, values_of
from wildsr.apps.demo.examples import degraded, photographs
from wildsr.apps.demo.images import MOST_MEGAPIXELS, PART, damage, restore
from wildsr.apps.demo.names import kind, labels, partners
from wildsr.degradation import DegradationSpec
from wildsr.images import SUFFIXES
from wildsr.io import UserError, can_be_mended, choose_from, first_line
from wildsr.networks.memory import is_out_of_memory

NONE = "none"
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1, "api_visibility": "private"}
PROGRESS = gr.Progress()  # as a default it marks the argument by which gradio hands the bar over
# Fonts of the system: none is fetched.
THEME = gr.themes.Base(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
# On a phone, where columns stand below each other, the result comes first.
CSS = "@media (max-width: 720px) { .result { order: -1; } .slider:not(:has(img)) { display: none; } }"
HEAD = """# wildsr

Enlarge real photographs that are blurred, noisy or compressed, and see what such damage is made of. Everything stays on
this machine."""
UPSCALE = "Choose an image and weights, then compare the result with Lanczos interpolation by moving the line."
DEGRADE = """Draw a recipe of the degradation that networks are trained on, change its numbers, and see what it does to
an image."""


def build_page(weights: Sequence[str], folder: Path) -> gr.Blocks:
    """Build the page with its two tabs.

    Args:
        weights: names of released networks and files; the first is chosen.
        folder: where results go.

    Raises:
        UserError: a file of weights cannot be read.
    """
    with gr.Blocks(title="wildsr", analytics_enabled=False) as page:
        gr.Markdown(HEAD)
        with gr.Tab("Upscale"):
            _upscale_tab(labels(weights), folder)
        with gr.Tab("Degrade"):
            _degrade_tab(folder)
    return page


def _upscale_tab(weights: list[tuple[str, str]], folder: Path) -> None:
    names = {name: text for text, name in weights}
    kinds = {name: kind(name) for name in names}

    def others(first: str) -> list[tuple[str, str]]:
        return [(NONE, NONE), *((names[name], name) for name in partners(first, kinds))]

    chosen = weights[0][1]
    gr.Markdown(UPSCALE)
    with gr.Row():
        with gr.Column(scale=1):
            source = _dropped()
            _examples(degraded(folder), source)
            first = gr.Dropdown(weights, value=chosen, label="Weights")
            second = gr.Dropdown(others(chosen), value=NONE, label="Mix with", visible=len(others(chosen)) > 1)
            strength = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second", visible=False)
            button = gr.Button("Upscale", variant="primary")
            gr.Markdown(f"At most {MOST_MEGAPIXELS:g} megapixels.")
        with gr.Column(scale=2, elem_classes="result"):
            pair = gr.ImageSlider(label="Lanczos | network", interactive=False, max_height=640, elem_classes="slider")
            about = gr.Markdown()
            file = gr.DownloadButton("Download the PNG", visible=False)

    def run(path: str | None, first: str, second: str, strength: float, progress: gr.Progress = PROGRESS) -> Any:
        other = None if second == NONE else second
        done = restore(_given(path), folder, first, other, strength, lambda share: progress(share, desc="upscaling"))
        return (done.before, done.after), done.about, gr.update(value=done.file, visible=True)

    def offer(first: str) -> Any:
        found = others(first)
        return gr.update(choices=found, value=NONE, visible=len(found) > 1), gr.update(visible=False)

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    first.input(offer, first, [second, strength], **private)
    second.input(lambda name: gr.update(visible=name != NONE), second, strength, **private)
    given = [source, first, second, strength]
    button.click(_in_one_line(run), given, [pair, about, file], **ONE_AT_A_TIME)


def _degrade_tab(folder: Path) -> None:
    drawn = draw(DegradationSpec(), 0)
    start = values_of(drawn)
    boxes: dict[str, Any] = {}
    gr.Markdown(DEGRADE)
    with gr.Row():
        with gr.Column(scale=1):
            source = _dropped()
            _examples(photographs(), source)
            with gr.Row(equal_height=True):
                number = gr.Number(0, label="seed of the draw", precision=0, minimum=0, maximum=2**31 - 1)
                button = gr.Button("Draw a recipe", variant="primary")
            for name, controls in PARTS.items():
                with gr.Accordion(name, open=False):
                    for control, visible in zip(controls, used(start, controls), strict=True):
                        boxes[control.key] = _box(control, start[control.key], visible)
        with gr.Column(scale=2, elem_classes="result"):
            pair = gr.ImageSlider(label="HQ | LQ", interactive=False, max_height=640, elem_classes="slider")
            about = gr.Markdown(f"The middle {PART} × {PART} pixels are degraded.")
            file = gr.DownloadButton("Download the degraded PNG", visible=False)
            words = gr.Textbox(drawn.describe(), label="The recipe in words", interactive=False, lines=2)
            with gr.Accordion("The recipe as a file of conf/degradation/", open=False):
                code = gr.Code(to_conf(drawn), show_label=False, language="yaml", interactive=False)

    order = [boxes[control.key] for control in CONTROLS]

    def show(path: str | None, *set_to: Any) -> list[Any]:
        values = dict(zip((control.key for control in CONTROLS), set_to, strict=True))
        recipe = recipe_of(values)
        visible = [gr.update(visible=shown) for shown in used(values)]
        if path is None:
            return [None, gr.skip(), recipe.describe(), gr.update(visible=False), to_conf(recipe), *visible]
        done = damage(Path(path), folder, recipe)
        shown = gr.update(value=done.file, visible=True)
        return [(done.before, done.after), done.about, recipe.describe(), shown, to_conf(recipe), *visible]

    def redraw(number: float | None) -> list[Any]:
        values = values_of(draw(DegradationSpec(), int(number or 0)))
        return [values[control.key] for control in CONTROLS]

    outputs = [pair, about, words, file, code, *order]
    shown: dict[str, Any] = {"inputs": [source, *order], "outputs": outputs, **ONE_AT_A_TIME}
    gr.on([source.change, *(box.input for box in order)], _in_one_line(show), trigger_mode="always_last", **shown)
    button.click(_in_one_line(redraw), number, order, **ONE_AT_A_TIME).then(_in_one_line(show), **shown)


def _examples(files: Sequence[Path], source: Any) -> None:
    """Build a row of images to try, unless there are none."""
    if files:
        # Not gr.Examples: it would have the box read its image again.
        row = gr.Dataset(
            label="Examples", components=[gr.Image(visible=False)], samples=[[str(file)] for file in files]
        )
        row.click(lambda sample: sample[0], row, source, api_visibility="private", show_progress="hidden")


def _dropped() -> Any:
    """Build a box whose image's file is handed on unopened: gradio's own reading answers damage with many lines."""
    image = gr.Image(label="Image", sources=["upload", "clipboard"], height=260)
    image.preprocess = lambda payload: payload and payload.path  # type: ignore
    return image


def _box(control: Control, value: Any, visible: bool) -> Any:
    if control.choices:
        return gr.Dropdown(list(control.choices), value=value, label=control.label, visible=visible)
    if control.span is not None:
        low, high, step = control.span
        return gr.Slider(low, high, value, step=step, label=control.label, visible=visible)
    return gr.Checkbox(value, label=control.label, visible=visible, container=False)


def _given(path: str | None) -> Path:
    if path is None:
        raise UserError(f"no image yet; {choose_from(SUFFIXES)}")
    return Path(path)


def _in_one_line(run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what a click runs: the page shows what goes wrong in one line; the terminal shows a bug's traceback."""

    @functools.wraps(run)
    def wrapped(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        except Exception as error:
            is_bug = not (can_be_mended(error) or is_out_of_memory(error))
            raise gr.Error(first_line(error), print_exception=is_bug) from error

    return wrapped
