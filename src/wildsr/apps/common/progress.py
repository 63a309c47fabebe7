"""Progress of a call, its speed, and how long it takes."""

from __future__ import annotations

import time

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wildsr.apps.common.logs import is_quiet, message_console

TICK = 0.016  # seconds between two values of the coarsest clock, that of Windows
YEAR = 365.25 * 86400  # seconds
MEMORY = 600.0  # seconds over which the time left is estimated: a tile on a CPU may take half a minute


def has_bars() -> bool:
    """Return whether bars are shown: on a terminal alone, and not under --quiet.

    rich's bars want ipywidgets in Jupyter, and leave lines in a file that say nothing.
    """
    console = message_console()
    return console.is_terminal and not (is_quiet() or console.is_jupyter)


class Bar:
    """A bar of the inputs done, the speed in some unit a second, and the time left; on the standard error output.

    What is logged while it is shown appears above it, for messages and bars have one console.

    Args:
        total: number of inputs.
        unit: what is counted, such as MP for megapixels.
    """

    def __init__(self, total: int, unit: str) -> None:
        # Names are not markup: a file may be called [red].png.
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[speed]}", markup=False),
            TimeRemainingColumn(),
            console=message_console(),
            disable=not has_bars(),
            speed_estimate_period=MEMORY,
        )
        self.task = self.progress.add_task("upscaling", total=total, speed="")
        self.unit, self.started, self.amount, self.begun = unit, time.monotonic(), 0.0, -1

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.progress.update(self.task, completed=self.progress.tasks[0].total)
        self.progress.stop()

    def begin(self, name: str) -> None:
        """Begin the next input; what the one before had left is done, or never will be."""
        self.begun += 1
        self.progress.update(self.task, description=shortened(name), completed=self.begun)

    def advance(self, share: float, amount: float) -> None:
        """Add a share of the present input, of so many units."""
        self.amount += amount
        speed = self.amount / max(time.monotonic() - self.started, TICK)
        self.progress.update(self.task, advance=share, speed=f"{speed:.2f} {self.unit}/s")


def shortened(name: str, most: int = 30) -> str:
    """Cut a name at its beginning to `most` letters."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def format_duration(seconds: float) -> str:
    """Write seconds in the two largest units that say something: "89 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds >= 2 * YEAR:
        return f"{seconds / YEAR:,.0f} years"
    for size, unit, smaller, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            whole, rest = divmod(round(seconds / smaller), size // smaller)
            return f"{whole:,} {unit} {rest} {part}" if rest and whole < 100 else f"{whole:,} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
