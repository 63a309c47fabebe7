"""`wildsr prepare`: a dataset, published or one's own, made ready to train on."""

from __future__ import annotations

import argparse
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.prepare.manifest import open_manifest
from wildsr.apps.prepare.preparation import Preparation
from wildsr.apps.prepare.published import prepare_published
from wildsr.apps.prepare.sources import SETS


def main(given: argparse.Namespace) -> int:
    """Prepare the dataset. Returns the exit code."""
    options: dict[str, Any] = {
        "set": given.set,
        "size": given.size,
        "step": given.step,
        "scales": ",".join(map(str, given.scales)),
    }
    if given.folder is not None:
        options |= {"folder": str(given.folder.resolve()), "val": given.val}
    if given.store:
        options["store"] = True
    name, amount = TextColumn("{task.description}"), TextColumn("{task.fields[amount]}")
    columns = (name, BarColumn(), amount, TimeRemainingColumn())
    progress = Progress(*columns, console=message_console(), disable=not has_bars())
    with open_manifest(given.output, options) as manifest:
        preparation = Preparation(given.output, manifest, given.plan, given.workers, progress, given.store)
        try:
            if given.folder is not None:
                preparation.prepare_folder(given.folder, given.val)
            else:
                prepare_published(preparation, SETS[given.set], given.keep_archives)
        finally:
            if progress.tasks:  # rich would end bars that were never shown with an empty line
                progress.stop()
    done = f"{given.output}: ready to train{'' if preparation.has_changed else ', nothing left to do'}"
    print("\n".join([*preparation.report, done]))
    return 0
