"""The page: its layout, and what its buttons do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from wildsr.apps.demo.controls import CONTROLS, PARTS, Control, draw, recipe_of, to_conf, used, values_of
from wildsr.apps.demo.images import MOST_MEGAPIXELS, PART, damage, restore
from wildsr.degradation import DegradationSpec
from wildsr.images import SUFFIXES, first_line
from wildsr.io import UserError, can_be_mended
from wildsr.networks.memory import is_out_of_memory

NONE = "none"
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1, "api_visibility": "private"}
PROGRESS = gr.Progress()  # as a default it marks the argument by which gradio hands the bar over
# Fonts of the system: none is fetched.
THEME = gr.themes.Base(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def build_page(weights: Sequence[str], folder: Path) -> gr.Blocks:
    """Build the page with its two tabs.

    Args:
        weights: names of released networks and files; the first is chosen.
        folder: where results go.
    """
    with gr.Blocks(title="wildsr", analytics_enabled=False) as page:
        with gr.Tab("Upscale"):
            _upscale_tab(list(weights), folder)
        with gr.Tab("Degrade"):
            _degrade_tab(folder)
    return page


def _upscale_tab(weights: list[str], folder: Path) -> None:
    with gr.Row():
        with gr.Column(scale=1):
            source = _dropped()
            first = gr.Dropdown(weights, value=weights[0], label="weights")
            second = gr.Dropdown([NONE, *weights], value=NONE, label="mixed with")
            strength = gr.Slider(0, 1, 0.5, step=0.05, label="strength of the second")
            button = gr.Button("Upscale", variant="primary")
            gr.Markdown(
                f"At most {MOST_MEGAPIXELS:g} megapixels. Only networks of one architecture mix, and only those that "
                "share their beginning, such as the two stages of a run, mix well."
            )
        with gr.Column(scale=2):
            pair = gr.ImageSlider(label="by Lanczos | by the network", interactive=False, max_height=640)
            file = gr.DownloadButton("Download the PNG", visible=False)

    def run(path: str | None, first: str, second: str, strength: float, progress: gr.Progress = PROGRESS) -> Any:
        others = None if second == NONE else second
        done = restore(_given(path), folder, first, others, strength, lambda share: progress(share, desc="upscaling"))
        return (done.before, done.after), gr.update(value=done.file, visible=True)

    button.click(_in_one_line(run), [source, first, second, strength], [pair, file], **ONE_AT_A_TIME)


def _degrade_tab(folder: Path) -> None:
    start = values_of(draw(DegradationSpec(), 0))
    boxes: dict[str, Any] = {}
    with gr.Row():
        with gr.Column(scale=1):
            source = _dropped()
            with gr.Row(equal_height=True):
                number = gr.Number(0, label="seed of the draw", precision=0, minimum=0, maximum=2**31 - 1)
                button = gr.Button("Draw a recipe", variant="primary")
            for name, controls in PARTS.items():
                with gr.Accordion(name, open=name == "First order"):
                    for control, visible in zip(controls, used(start, controls), strict=True):
                        boxes[control.key] = _box(control, start[control.key], visible)
        with gr.Column(scale=2):
            pair = gr.ImageSlider(label="the image | degraded", interactive=False, max_height=640)
            words = gr.Textbox(label="the recipe in words", interactive=False, lines=2)
            file = gr.DownloadButton("Download the degraded PNG", visible=False)
            code = gr.Code(label="for conf/degradation/", language="yaml", interactive=False)
            gr.Markdown(f"The middle {PART} × {PART} pixels are degraded, and shown enlarged without smoothing.")

    order = [boxes[control.key] for control in CONTROLS]

    def show(path: str | None, *set_to: Any) -> list[Any]:
        values = dict(zip((control.key for control in CONTROLS), set_to, strict=True))
        recipe = recipe_of(values)
        visible = [gr.update(visible=shown) for shown in used(values)]
        if path is None:
            return [None, recipe.describe(), gr.update(visible=False), to_conf(recipe), *visible]
        done = damage(Path(path), folder, recipe)
        shown = gr.update(value=done.file, visible=True)
        return [(done.before, done.after), recipe.describe(), shown, to_conf(recipe), *visible]

    def redraw(number: float | None) -> list[Any]:
        values = values_of(draw(DegradationSpec(), int(number or 0)))
        return [values[control.key] for control in CONTROLS]

    shown: dict[str, Any] = {"inputs": [source, *order], "outputs": [pair, words, file, code, *order], **ONE_AT_A_TIME}
    gr.on([source.change, *(box.input for box in order)], _in_one_line(show), trigger_mode="always_last", **shown)
    button.click(_in_one_line(redraw), number, order, **ONE_AT_A_TIME).then(_in_one_line(show), **shown)


def _dropped() -> Any:
    """Build a box whose image's file is handed on unopened: gradio's own reading answers damage with many lines."""
    image = gr.Image(label="an image", sources=["upload", "clipboard"], height=260)
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
        raise UserError(f"no image yet; wanted one of {', '.join(SUFFIXES)}")
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
