"""The `wildsr` command: finds the verb and answers errors in one line.

Each verb is a folder of `apps/`: `arguments.py` parses the call without torch, then `cli.py` does the work.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from wildsr import __version__
from wildsr.io import choose_from

# What ends a process without a word: sent by kill and by clusters, and where a terminal is closed.
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
VERBS = {
    "train": "Train an upscaler, such as: wildsr train experiment=quickstart.",
    "upscale": "Enlarge images or a video with a released or a trained network.",
    "preview": "Draw what the degradation does to an image.",
    "degrade": "Make a synthetic dataset of pairs from a folder of images.",
    "evaluate": "Score networks beside bicubic on any number of sets.",
    "export": "Write a generator as .safetensors, .pth and .onnx, with a model card.",
    "doctor": "Check data, disk, memory, speed and weights before a long run.",
    "report": "Write the page of a run, or of several runs side by side.",
    "dashboard": "Lay out a dashboard of curves and images on wandb.",
    "demo": "Open a page on this machine to upscale and degrade images.",
    "prepare": "Download a dataset, or cut images of your own, to train on.",
    "match": "Find the degradation that made your images, as recipes to train on.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0; 1 where the work failed; 2 where the call was wrong.

    What a user can mend is one line on the standard error output; any other exception is a bug, and leaves this
    function. `--debug`, before or behind the verb, or WILDSR_DEBUG=1 shows the traceback of the one line, too.
    """
    words, debug = take_debug(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"wildsr {__version__}")
        return 0
    verb, *rest = words
    if verb not in VERBS:
        close = get_close_matches(verb, VERBS, n=1)
        wanted = f"did you mean {close[0]!r}?" if close else choose_from(VERBS)
        print(f"error: unknown command {verb!r} ({wanted})", file=sys.stderr)
        return 2
    from wildsr.apps.common.logs import show_messages
    from wildsr.io import can_be_mended

    before = os.environ.get("WILDSR_DEBUG", "0")
    if debug:  # where further processes see it, too
        os.environ["WILDSR_DEBUG"] = "1"
    try:
        if verb == "train":  # which looks after its signals itself, and Hydra after what it logs
            return int(importlib.import_module("wildsr.apps.train.cli").main(rest))
        with show_messages(), interrupt_on(*ENDINGS):
            given = importlib.import_module(f"wildsr.apps.{verb}.arguments").parse(rest)
            # Imported once the call is known to be right: torch takes seconds to load.
            return int(importlib.import_module(f"wildsr.apps.{verb}.cli").main(given))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    except Exception as error:
        if not can_be_mended(error):
            raise
        from wildsr.config import report_error

        return report_error(error)
    finally:
        if debug:
            os.environ["WILDSR_DEBUG"] = before


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
    """Take `--debug` out of a command line, up to `--`. Returns the other words, and whether it was there."""
    end = words.index("--") if "--" in words else len(words)
    others = [word for word in words[:end] if word != "--debug"]
    return [*others, *words[end:]], len(others) < end


def overview() -> str:
    """Return what `wildsr --help` prints."""
    verbs = "\n".join(f"  {verb:9} {text}" for verb, text in VERBS.items())
    return (
        "Super-resolution for real, degraded photographs.\n\n"
        f"{verbs}\n\n"
        "wildsr VERB --help explains one. In a clone, python train.py is wildsr train.\n"
        "Errors that you can mend are one line; --debug, or WILDSR_DEBUG=1, shows where\nthey come from."
    )
