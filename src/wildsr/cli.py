"""The `wildsr` command: finds the verb and answers errors in one line. Each verb is `cli.py` in a folder of `apps/`."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

# What ends a process without a word: sent by kill and by clusters, and where a terminal is closed.
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
VERBS = {
    "train": "train an upscaler: wildsr train experiment=quickstart; any choice and any value is one word more",
    "upscale": "enlarge a picture, or a folder of pictures, with a released or a trained network",
    "preview": "see what the degradation does: versions of a photograph, step by step, its kernels, its statistics",
    "degrade": "make a synthetic dataset of pairs out of a folder of images, with the recipe of each",
    "evaluate": "score networks beside bicubic on any number of sets: PSNR, SSIM, NIQE and more, in a table",
    "export": "write a generator for others: .safetensors, .pth, .onnx, each compared with it, and a model card",
    "doctor": "look before a long run: images, disk, memory, speed and the time to its end, weights, loggers",
    "report": "a run's page of scores, images and curves anew, or several runs side by side",
    "dashboard": "lay out a dashboard of the curves and panels on wandb",
    "demo": "a page on this machine: upscale an image, or degrade one by hand and copy the recipe",
    "prepare": "bring a published dataset, or images of your own, and cut them into sub-images to train on",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0; 1 where the work failed; 2 where the call was wrong.

    What a user can mend is one line on the standard error output; any other exception is a bug, and leaves this
    function. `--debug`, before or behind the verb, or WILDSR_DEBUG=1 shows the traceback of the one line, too.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    words, debug = take_debug(words)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0 if words else 2
    verb, *rest = words
    if verb not in VERBS:
        close = get_close_matches(verb, VERBS, n=1)
        print(f"error: no verb {verb!r}{f'; nearest: {close[0]}' if close else ''}; wanted one of: "
              f"{', '.join(VERBS)}", file=sys.stderr)  # fmt: skip
        return 2
    # Imported late: torch takes seconds to load, and --help of the whole should not.
    run = importlib.import_module(f"wildsr.apps.{verb}.cli").main
    from wildsr.apps.common.logs import show_messages
    from wildsr.io import can_be_mended

    try:
        if verb == "train":  # which looks after its signals itself, and Hydra after what it logs
            return int(run(rest))
        with show_messages(), interrupt_on(*ENDINGS):
            return int(run(rest))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    except Exception as error:
        if not can_be_mended(error):
            raise
        from wildsr.config import report_error

        return report_error(error, debug)


@contextmanager
def interrupt_on(*numbers: int) -> Iterator[None]:
    """Turn signals that would end this process at once into a Ctrl-C: what it has begun is put away first."""

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()  # others may set no handlers
    fatal = [n for n in numbers if is_main and signal.getsignal(n) is signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in fatal:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in fatal:
            signal.signal(number, signal.SIG_DFL)


def take_debug(words: Sequence[str]) -> tuple[list[str], bool]:
    """Take `--debug` out of a command line, up to `--`. Returns the other words, and whether to show tracebacks."""
    end = words.index("--") if "--" in words else len(words)
    others = [word for word in words[:end] if word != "--debug"]
    return [*others, *words[end:]], len(others) < end or os.environ.get("WILDSR_DEBUG", "0") not in ("", "0")


def overview() -> str:
    """Return what `wildsr --help` prints."""
    verbs = "\n".join(f"  {verb:9} {text}" for verb, text in VERBS.items())
    return (
        "Super-resolution for real, degraded photographs.\n\n"
        f"{verbs}\n\n"
        "wildsr VERB --help explains one. In a clone, python train.py is wildsr train.\n"
        "Errors that you can mend are one line; --debug, or WILDSR_DEBUG=1, shows where they come from."
    )
