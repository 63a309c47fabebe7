"""`wildsr evaluate`: any weights and bicubic, judged the same way on any number of sets."""

from __future__ import annotations

import argparse
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console

from wildsr import __version__
from wildsr.apps.common.arguments import Parser, positive, refuse_inputs, whole
from wildsr.apps.common.progress import Bar
from wildsr.apps.evaluate.eval_sets import EvalSet, UnpairedError, read_set, set_digest
from wildsr.apps.evaluate.evaluator import EvalResult, Score
from wildsr.apps.evaluate.ledger import Ledger
from wildsr.apps.evaluate.page import Windows, write_judgement
from wildsr.apps.evaluate.results import (
    COMPARISON,
    IMAGES,
    MEANS,
    PAGE,
    STRATA,
    mean_rows,
    table_of_sets,
    write_findings,
)
from wildsr.apps.evaluate.trials import BICUBIC, build_evaluators, check_scales, evaluate_all
from wildsr.apps.upscale.backends import NAMES
from wildsr.data import ValidationSet
from wildsr.images import expanded, printable
from wildsr.io import UserError, write_rows
from wildsr.locking import lock_folder
from wildsr.metrics import METRICS, chosen_metrics
from wildsr.metrics.choice import WITHOUT_REFERENCE
from wildsr.networks import load_generator
from wildsr.networks.digest import weights_digest

DEFAULT_METRICS = ("psnr_y", "ssim_y", "niqe")  # as of a run
log = logging.getLogger(__name__)

DESCRIPTION = """Judge networks, and bicubic beside them, on any number of sets: methods x sets, as papers print it.

  wildsr evaluate --weights realesrgan-x4plus --set photos hard -o report/
  wildsr evaluate --weights mine=runs/mine/gan/generator.safetensors theirs.pth --set phone=phone/ -o report/
  wildsr evaluate --weights mine.pth --set set14=Set14/LRx4:Set14/HR -o report/ --lq-ending x4
  wildsr evaluate --weights mine.pth --set wild=synthetic:DIV2K_valid_HR/ --recipes 4 -o report/

Weights are files (.safetensors, .pth, .ckpt; other architectures through spandrel) or released names, and may be given
a name for the tables: NAME=W. Sets are:

  NAME=LQ_DIR              real: pictures without an original, which have NIQE only
  NAME=LQ_DIR:HQ_DIR       paired: files of one name; all pairs are checked before. LQ_DIR::HQ_DIR where it is not
                           clear which colon parts them
  NAME=synthetic:HQ_DIR    degraded here by the released recipes, frozen; --recipes N versions of each picture
  photos, hard             what runs validate on: two photographs by the released recipes; text, brick, lines, line art

Folders are searched with their sub-folders. A paired set has the scale of its pairs; the others have --scale, or that
of the first weights. A network of another scale is left out of a set, which a line says, and has - in the table.
Pictures are taken at full size, in tiles where memory wants it, and all methods see the same input: RGB, or grey where
every network is of one channel (colour by its luma).

The folder gets index.html (all of it as one page, with a before/after slider), means.csv, images.csv (each picture),
strata.csv (by blur, noise, JPEG and order, where recipes are known), comparison.png (the same crops of all methods),
scores.json and settings.json. The same command again goes on where it was interrupted. A damaged picture is named and
left out of all means, and the exit code is 1."""


def main(words: Sequence[str]) -> int:
    given = parse(words)
    folders = [folder for one in given.set for folder in (one.lq, one.hq) if folder is not None]
    refuse_inputs([given.output / PAGE], folders)
    networks = {name: load_generator(source) for name, source in given.weights.items()}
    scale = given.scale or next(iter(networks.values())).scale
    channels = 1 if all(network.channels == 1 for network in networks.values()) else 3
    try:
        sets = {
            asked.name: asked.open(scale, given.recipes, given.lq_ending, given.hq_ending, channels)
            for asked in given.set
        }
    except UnpairedError as error:
        for fault in error.faults:
            log.error(printable(fault))
        raise
    check_scales(networks, sets)
    given.metrics = list(chosen_metrics(given.metrics, 0))  # those that can be had
    check_metrics(given.set, given.metrics)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    """Judge what the folder does not hold yet, write and print the results. Returns the exit code."""
    ledger = Ledger(given.output, settings, given.overwrite)
    total = sum(len(pictures) for pictures in sets.values())
    if ledger.is_complete(sets):
        log.info("judged already with these weights, sets and settings; --overwrite judges anew")
        return show(given, ledger.scores(sets), 0, total)
    with TemporaryDirectory() as place:
        windows = Windows(Path(place))
        with Bar(total, "MP") as bar:
            trials = build_evaluators(given, networks, sets, device, bar, windows)
            try:
                rows, failed = evaluate_all(trials, ledger, bar)
            except KeyboardInterrupt:
                log.info("what was judged is kept; the same command goes on")
                raise
            finally:
                ledger.write()
        verdict = EvalResult(ledger.scores(sets), rows)
        if verdict.scores:
            write_rows(mean_rows(verdict.scores), given.output / MEANS)
            write_findings(verdict, sets, given.metrics, given.output)
            write_judgement(given.output, windows, settings, given.output / PAGE)
    return show(given, verdict.scores, failed, total)


def show(given: argparse.Namespace, scores: Sequence[Score], failed: int, total: int) -> int:
    """Print the means and where the files are. Returns the exit code."""
    if scores:
        border = "as many border pixels as the scale" if given.border is None else f"{given.border} border pixels"
        Console().print(table_of_sets(mean_rows(scores), f"means over the pictures, {border} left out"))
        print(f"means:    {given.output / MEANS}; of each picture: {given.output / IMAGES}")
        if (given.output / STRATA).is_file():
            print(f"strata:   {given.output / STRATA}")
        print(f"pictures: {given.output / COMPARISON}")
        print(f"all:      {given.output / PAGE}, a page to open in a browser")
    if failed:
        log.error("%d of %d pictures left out of all means", failed, total)
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
            asked.name: {
                "kind": asked.kind,
                "folders": [str(folder) for folder in (asked.lq, asked.hq) if folder is not None],
                "scale": pictures.scale,
                "images": len(pictures),
                "digest": set_digest(pictures),
            }
            for asked, pictures in zip(given.set, sets.values(), strict=True)
        },
        "metrics": given.metrics,
        "border": given.border,
        "backend": given.backend,
        "half": given.half,
        "device": device.type,
    }


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call, its weights by name; a wrong one ends with exit code 2."""
    parser = Parser("evaluate", DESCRIPTION)
    parser.add_argument(
        "--weights", nargs="+", action="extend", required=True, metavar="W", help="files or released names, or NAME=W"
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", type=asked, required=True, metavar="SET",
        help="NAME=LQ_DIR, NAME=LQ_DIR:HQ_DIR, NAME=synthetic:HQ_DIR, photos or hard",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the results go")
    parser.add_argument(
        "--metrics", nargs="+", choices=list(METRICS), default=DEFAULT_METRICS, metavar="M",
        help=f"of {', '.join(METRICS)} (default: {' '.join(DEFAULT_METRICS)}); lpips and dists want a download, once",
    )  # fmt: skip
    parser.add_argument("--border", type=whole, help="pixels left out on each side (default: as many as the scale)")
    parser.add_argument("--scale", type=positive, help="of all sets but paired ones (default: of the first weights)")
    parser.add_argument("--recipes", type=positive, help="versions of each picture (1 if synthetic, 4 of photos)")
    parser.add_argument("--lq-ending", default="", help="what names of LQ files end in besides: x4 for 0801x4.png")
    parser.add_argument("--hq-ending", default="", help="the same of HQ files, such as _HR")
    parser.add_argument("--half", action="store_true", help="compute in 16 bits, and in 32 where that overflows")
    parser.add_argument("--backend", choices=NAMES, default="auto", help="what runs the networks (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier judgement left in DIR")
    given = parser.parse_args(words)
    try:
        given.weights = named_weights(given.weights)
        check_names(given.set)
        check_metrics(given.set, given.metrics)
    except UserError as error:
        parser.error(str(error))
    return given


def named_weights(words: Sequence[str]) -> dict[str, str]:
    """Name weights for the tables: as in NAME=W, else as the file where no other is called so, else by the whole word.

    Raises:
        UserError: two have one name, or one has that of bicubic.
    """
    given, bare = [], []
    for word in words:
        name, equals, source = word.partition("=")
        own = equals and source and re.fullmatch(r"[\w.-]+", name) and not expanded(word).exists()
        given.append((name, source) if own else ("", word))
        bare.append(name if own else Path(word).stem)
    named = {
        name or (stem if bare.count(stem) == 1 else source): source
        for (name, source), stem in zip(given, bare, strict=True)
    }
    if len(named) < len(words) or BICUBIC in named:
        raise UserError(f"--weights {' '.join(words)}: wanted names that differ, also from {BICUBIC}, as NAME=W")
    return named


def check_names(sets: Sequence[EvalSet]) -> None:
    """Check that no two sets have one name. Raises: UserError."""
    for name, count in Counter(asked.name for asked in sets).items():
        if count > 1:
            raise UserError(f"--set {name}: given {count} times, wanted names that differ")


def check_metrics(sets: Sequence[EvalSet], metrics: Sequence[str]) -> None:
    """Check that the metrics go with every set. Raises: UserError."""
    if not metrics:
        raise UserError("--metrics: none is left; wanted one more, such as psnr_y")
    for asked in sets:
        free = set(metrics) & set(WITHOUT_REFERENCE)
        if asked.has_hq and free == set(metrics):
            raise UserError(f"--metrics: {' '.join(metrics)} alone for the set {asked.name}, whose "
                             "originals are there; it rewards noise, wanted one more, such as psnr_y")  # fmt: skip
        if not asked.has_hq and not free:
            raise UserError(f"--metrics: the set {asked.name} has no originals; wanted {WITHOUT_REFERENCE[0]}, too")


def asked(word: str) -> EvalSet:
    """Read a set, for `type=`."""
    try:
        return read_set(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
