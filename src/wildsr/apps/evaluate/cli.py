"""`wildsr evaluate`: any weights and bicubic, evaluated alike on any number of sets."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console

from wildsr import __version__
from wildsr.apps.common.arguments import refuse_inputs
from wildsr.apps.common.progress import Bar
from wildsr.apps.evaluate.arguments import check_metrics, import_metrics
from wildsr.apps.evaluate.crops import CROPS
from wildsr.apps.evaluate.eval_sets import UnpairedError, set_digest
from wildsr.apps.evaluate.evaluator import Evaluator, ImageScores, means
from wildsr.apps.evaluate.files import (
    COMPARISON,
    IMAGES,
    MEANS,
    PAGE,
    STRATA,
    read_displays,
    read_table,
    write_displays,
)
from wildsr.apps.evaluate.labels import contents_of, set_words
from wildsr.apps.evaluate.methods import build_evaluators, check_scales
from wildsr.apps.evaluate.results import mean_rows, write_page, write_results
from wildsr.apps.evaluate.saved_scores import SavedScores
from wildsr.apps.evaluate.tables import method_rows, tables_of
from wildsr.apps.evaluate.terminal import score_lines
from wildsr.apps.evaluate.windows import OF_A_SET, Windows
from wildsr.apps.upscale.backends import find_device
from wildsr.data import ValidationSet
from wildsr.io import can_be_mended, first_line, printable, write_rows
from wildsr.locking import lock_folder
from wildsr.metrics import chosen_metrics
from wildsr.metrics.choice import own_displays
from wildsr.networks import load_generator
from wildsr.networks.memory import is_out_of_memory
from wildsr.networks.states import weights_digest

log = logging.getLogger(__name__)


def main(given: argparse.Namespace) -> int:
    """Evaluate what was named. Returns the exit code."""
    folders = [folder for one in given.set for folder in (one.lq, one.hq) if folder is not None]
    refuse_inputs([given.output / PAGE], folders)
    networks = {name: load_generator(source) for name, source in given.weights.items()}
    scale = given.scale or next(iter(networks.values())).scale
    channels = 1 if all(network.channels == 1 for network in networks.values()) else 3
    try:
        sets = {
            one.name: one.open(scale, given.recipes, given.lq_ending, given.hq_ending, channels) for one in given.set
        }
    except UnpairedError as error:
        for fault in error.faults:
            log.error(printable(fault))
        raise
    check_scales(networks, sets)
    own = import_metrics(given.own)
    given.metrics = list(chosen_metrics(given.metrics, 0, own=own))  # those that can be had
    check_metrics(given.set, given.metrics, own)
    device = find_device()
    settings = settings_of(given, networks, sets, device)
    for name, network in settings["weights"].items():
        log.debug("%s: %s, x%d, weights %s", name, network["source"], network["scale"], network["digest"])
    with lock_folder(given.output, "wildsr evaluate"):
        return evaluate_sets(given, networks, sets, device, settings)


def evaluate_sets(
    given: argparse.Namespace,
    networks: Mapping[str, Any],
    sets: Mapping[str, ValidationSet],
    device: torch.device,
    settings: dict[str, Any],
) -> int:
    """Evaluate what the folder does not hold yet, write and print the results. Returns the exit code."""
    saved = SavedScores(given.output, settings, given.overwrite)
    total = sum(map(len, sets.values()))
    if saved.is_complete(sets):
        log.info("evaluated already with these weights, sets and settings; --overwrite evaluates anew")
        return show(given, sets, saved.of(sets), 0)
    with TemporaryDirectory() as scratch:
        folders = {name: Path(scratch, CROPS, str(number)) for number, name in enumerate(networks)}
        windows = Windows(Path(scratch), folders, sets, at_most=OF_A_SET * len(sets))
        with Bar(total, "MP") as bar:
            evaluators = build_evaluators(given, networks, sets, device, bar, windows)
            try:
                failed = evaluate_all(evaluators, saved, bar)
            except KeyboardInterrupt:
                log.info("what was evaluated is saved; the same command goes on")
                raise
            finally:
                saved.write()
        found = saved.of(sets)
        if found:
            write_rows(mean_rows(found), given.output / MEANS)
            displays = own_displays(import_metrics(given.own))
            write_results(found, sets, given.metrics, given.output, windows, displays)
            write_displays(displays, given.output)
            write_page(given.output, windows, settings)
    return show(given, sets, found, failed)


def evaluate_all(evaluators: Sequence[Evaluator], saved: SavedScores, bar: Bar) -> int:
    """Evaluate every image that has no scores yet. Returns how many images failed.

    Those of which windows are shown are evaluated again: what the methods made of them is not saved.
    """
    failed = 0
    for evaluator, index in [(one, index) for one in evaluators for index in range(len(one.images))]:
        label = evaluator.images.label(index)
        bar.begin(f"{evaluator.name}/{label.picture}")
        if (evaluator.name, label) in saved.found and not evaluator.is_shown(index):
            continue
        try:
            found = evaluator.evaluate(index)
        except Exception as error:
            if not (can_be_mended(error) or is_out_of_memory(error)):
                raise
            failed += 1
            log.warning("left out of %s: %s: %s", evaluator.name, printable(label.picture), first_line(error))
            continue
        saved.add(evaluator.name, label, found)
    return failed


def show(
    given: argparse.Namespace, sets: Mapping[str, ValidationSet], found: Sequence[ImageScores], failed: int
) -> int:
    """Print the means and where the files are. Returns the exit code."""
    if found:
        contents = contents_of(read_table(given.output / IMAGES))
        for table in tables_of(method_rows(means(found)), read_displays(given.output), contents):
            scale = sets[table.set].scale
            border = scale if given.border is None else given.border
            what = set_words(table.set, table.content)
            Console().print(score_lines(table, f"{what} · ×{scale} · {border} px border excluded"))
        print(f"means:    {given.output / MEANS}; of each image: {given.output / IMAGES}")
        if (given.output / STRATA).is_file():
            print(f"strata:   {given.output / STRATA}")
        print(f"images:   {given.output / COMPARISON}")
        print(f"all:      {given.output / PAGE}, a page to open in a browser")
    if failed:
        log.error("%d of %d images left out of all means", failed, sum(map(len, sets.values())))
    return 1 if failed else 0


def settings_of(
    given: argparse.Namespace, networks: Mapping[str, Any], sets: Mapping[str, ValidationSet], device: torch.device
) -> dict[str, Any]:
    """Return all that decides the scores, and where it came from, as JSON has it."""
    return {
        "version": __version__,
        "weights": {
            name: {
                "source": given.weights[name],
                "scale": network.scale,
                "digest": weights_digest(network.state_dict()),
            }
            for name, network in networks.items()
        },
        "sets": {
            one.name: {
                "kind": one.kind,
                "folders": [str(folder) for folder in (one.lq, one.hq) if folder is not None],
                "scale": images.scale,
                "images": len(images),
                "digest": set_digest(images),
            }
            for one, images in zip(given.set, sets.values(), strict=True)
        },
        "metrics": given.metrics,
        **({"own_metrics": given.own} if given.own else {}),
        "border": given.border,
        "backend": given.backend,
        "half": given.half,
        "device": device.type,
    }
