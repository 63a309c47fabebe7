"""Arguments of `wildsr evaluate`: weights and sets by name, and metrics that go with the sets."""

from __future__ import annotations

import argparse
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wildsr.apps.common.arguments import Parser, positive, whole
from wildsr.apps.evaluate.eval_sets import EvalSet, read_set
from wildsr.apps.upscale.choices import NAMES
from wildsr.checks import checked_choice
from wildsr.io import ConfigError, UserError, expanded, first_line
from wildsr.scores import METRICS, WITHOUT_REFERENCE

if TYPE_CHECKING:
    from torchmetrics import Metric

DEFAULT_METRICS = ("psnr_y", "ssim_y", "niqe")  # as of a run

DESCRIPTION = """Evaluate networks, and bicubic beside them, on any number of sets: methods x sets, as papers print it.

  wildsr evaluate --weights realesrgan-x4plus --set photos hard -o report/
  wildsr evaluate --weights mine=runs/mine/gan/generator.safetensors theirs.pth --set phone=phone/ -o report/
  wildsr evaluate --weights mine.pth --set set14=Set14/LRx4:Set14/HR -o report/ --lq-ending x4
  wildsr evaluate --weights mine.pth --set wild=synthetic:DIV2K_valid_HR/ --recipes 4 -o report/

Weights are files (.safetensors, .pth, .ckpt; other architectures through spandrel) or released names, and may be given
a name for the tables: NAME=W. Sets are:

  NAME=LQ_DIR              real: LQ images without HQ, which have NIQE only
  NAME=LQ_DIR:HQ_DIR       paired: files of one name; all pairs are checked before. LQ_DIR::HQ_DIR where it is not
                           clear which colon parts them
  NAME=synthetic:HQ_DIR    degraded here by the released recipes, frozen; --recipes N versions of each image
  photos, hard             what runs validate on: two photographs by the released recipes; page, lines, mesh, brick,
                           drawing, text

Folders are searched with their sub-folders. A paired set has the scale of its pairs; the others have --scale, or that
of the first weights. A network of another scale is left out of a set, which a line says, and has - in the table.
Images are taken at full size, in tiles where memory wants it, and all methods see the same input: RGB, or grey where
every network is of one channel (colour by its luma).

The folder gets index.html (all of it as one page, with a before/after slider), means.csv, images.csv (each image),
strata.csv (by blur, noise, JPEG and order, where recipes are known), comparison.png (the same windows of all methods),
scores.json and settings.json. The same command again goes on where it was interrupted. A damaged image is named and
left out of all means, and the exit code is 1."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call, its weights by name; a wrong one ends with exit code 2."""
    parser = Parser("evaluate", DESCRIPTION)
    parser.add_argument(
        "--weights",
        nargs="+",
        action="extend",
        required=True,
        metavar="WEIGHTS",
        help="Files or released names, or NAME=WEIGHTS.",
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", type=eval_set, required=True, metavar="SET",
        help="Sets: NAME=LQ_DIR, NAME=LQ_DIR:HQ_DIR, NAME=synthetic:HQ_DIR, photos or hard.",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="Output folder.")
    parser.add_argument(
        "--metrics", nargs="+", default=DEFAULT_METRICS, metavar="METRIC",
        help=f"Metrics: {', '.join(METRICS)}, or a torchmetrics.Metric of your own as NAME=MODULE:CLASS; lpips and "
             f"dists download weights once (default: {' '.join(DEFAULT_METRICS)}).",
    )  # fmt: skip
    parser.add_argument("--border", type=whole, metavar="PX", help="Border excluded on each side (default: the scale).")
    parser.add_argument("--scale", type=positive, metavar="N", help="Scale of unpaired sets (default: the weights').")
    parser.add_argument("--recipes", type=positive, metavar="N", help="Versions of an image (default: 1; photos: 4).")
    parser.add_argument("--lq-ending", default="", metavar="TEXT", help="Ending of LQ names, such as x4 in 0801x4.png.")
    parser.add_argument("--hq-ending", default="", metavar="TEXT", help="Ending of HQ names, such as _HR.")
    parser.add_argument("--half", action="store_true", help="Compute in 16 bits, and in 32 where that overflows.")
    parser.add_argument(
        "--backend", choices=NAMES, default="auto", help="Runtime of the networks (default: %(default)s)."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace an earlier evaluation in DIR.")
    given = parser.parse_args(words)
    try:
        given.weights = named_weights(given.weights)
        check_names(given.set)
        given.metrics, given.own = named_metrics(given.metrics)
        check_metrics(given.set, given.metrics, import_metrics(given.own))
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
    if len(named) < len(words) or "bicubic" in named:
        raise UserError(f"--weights {' '.join(words)}: wanted names that differ, also from bicubic, as NAME=W")
    return named


def check_names(sets: Sequence[EvalSet]) -> None:
    """Check that no two sets have one name. Raises: UserError."""
    for name, count in Counter(one.name for one in sets).items():
        if count > 1:
            raise UserError(f"--set {name}: given {count} times, wanted names that differ")


def named_metrics(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the names of metrics, and the classes of those of a user's own by name, given as NAME=MODULE:CLASS.

    Raises:
        UserError: there is no such metric.
    """
    own = dict(word.split("=", 1) for word in words if "=" in word)
    return [checked_choice("--metrics", word.partition("=")[0], (*METRICS, *own)) for word in words], own


def import_metrics(classes: Mapping[str, str], border: int = 0) -> dict[str, Metric]:
    """Build metrics of a user's own, by name, from MODULE:CLASS; a class that takes a `border` is given it.

    Raises:
        UserError: a class cannot be imported or built, or is no torchmetrics Metric, or its name is taken.
    """
    own: dict[str, Any] = {}
    for name, place in classes.items():
        try:
            make = pkgutil.resolve_name(place)
            own[name] = make(border=border) if "border" in inspect.signature(make).parameters else make()
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            reason = f"{first_line(error)}; wanted MODULE:CLASS, its folder on PYTHONPATH"
            raise ConfigError(f"metric.{name}: {place}: {reason}") from error
    if own:  # without one torch is not imported yet
        from wildsr.metrics.choice import check_own

        check_own(own)
    return own


def check_metrics(sets: Sequence[EvalSet], metrics: Sequence[str], own: Mapping[str, Metric]) -> None:
    """Check that the metrics, and a user's own among them, go with every set. Raises: UserError."""
    if not metrics:
        raise UserError("--metrics: none is left; wanted one more, such as psnr_y")
    without_reference = set(WITHOUT_REFERENCE)
    if own:
        from wildsr.metrics.base import needs_hq

        without_reference |= {name for name, metric in own.items() if not needs_hq(metric)}
    for one in sets:
        free = set(metrics) & without_reference
        if one.has_hq and free == set(metrics):
            raise UserError(f"--metrics: {' '.join(metrics)} alone for the set {one.name}, whose "
                             "HQ is there; it rewards noise, wanted one more, such as psnr_y")  # fmt: skip
        if not one.has_hq and not free:
            raise UserError(f"--metrics: the set {one.name} has no HQ; wanted {WITHOUT_REFERENCE[0]}, too")


def eval_set(word: str) -> EvalSet:
    """Read a set, for `type=`."""
    try:
        return read_set(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
