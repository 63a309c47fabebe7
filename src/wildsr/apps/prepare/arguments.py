"""Arguments of `wildsr prepare`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from wildsr.apps.common.arguments import Parser, positive
from wildsr.apps.prepare.plan import Plan
from wildsr.apps.prepare.sources import DF2K_SCALES, SETS
from wildsr.memory import usable_cores

SIZE = 400  # of a released sub-image

DESCRIPTION = """Bring a dataset and cut it into sub-images to train on.

  wildsr prepare df2k_ost     DIV2K, Flickr2K and OutdoorSceneTraining, what the released networks saw; then:
                              python train.py experiment=real_esrgan_plus
  wildsr prepare div2k        the smallest published set: 4 GB to download, about 35 GB while it is prepared
  wildsr prepare folder photos -o data/mine --val 20
                              images of your own, of any format that wildsr reads, 20 of them held out whole
                              for validation; then: python train.py experiment=quickstart data=folder
                              data.train.root=data/mine/train data.val.root=data/mine/val
  wildsr prepare df2k_ost --store
                              the same images in one file, data/df2k_ost/train.store, of which a crop is read in
                              a twentieth of a millisecond instead of decoded; half the size of the PNG files; then:
                              python train.py experiment=real_esrgan_plus data=store
  wildsr prepare folder photos -o data/mine --size whole --store
                              your images as they are, in a store, uncut: crops are drawn out of whole images

Of each image smaller copies are made (Lanczos), and out of each copy squares that overlap by half, the last
one flush with the border. A copy with a side shorter than --size is kept whole. They become PNG files in
DIR/train; images for validation stay as they are, in DIR/val. OutdoorSceneTraining gets no copies.

Archives are downloaded to DIR/archives, and removed when their images are cut. What you put there by
hand is used instead and never removed: a .zip, a .tar or a folder whose name begins with DIV2K_train_HR,
DIV2K_valid_HR, Flickr2K or OutdoorSceneTrain. The last has no address for programs: `wildsr prepare ost`
says where to get it. data/README.md tells the sizes.

Damaged images are named and left out; more than 1 % of them stops the work. Stop at any time: the same
command continues, and where nothing is left to do it says so."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call, with every default filled in, and `plan`; a wrong one ends with exit code 2.

    Raises:
        ConfigError: sizes, steps or scales do not fit.
    """
    parser = Parser("prepare", DESCRIPTION)
    parser.add_argument(
        "set",
        choices=[*SETS, "folder"],
        metavar="DATASET",
        help=f"Which dataset: {', '.join(SETS)}, or folder for images of your own.",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="The folder with your images.")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="Write to this folder (default: data/DATASET)."
    )
    parser.add_argument("--store", action="store_true", help="Write one file, DIR/train.store, instead of PNG files.")
    parser.add_argument(
        "--size",
        type=size,
        default=SIZE,
        metavar="PX",
        help="Side of a sub-image, or whole to leave images uncut (default: %(default)s).",
    )
    parser.add_argument("--step", type=positive, metavar="PX", help="Distance of sub-images (default: half of --size).")
    parser.add_argument(
        "--scales", type=scales, metavar="LIST",
        help="Smaller copies: factors below 1 and shortest edges in pixels, or none (default: 0.75,0.5,1/3,400).",
    )  # fmt: skip
    parser.add_argument(
        "--val", type=positive, default=0, metavar="N", help="Hold N of your images out for validation."
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=usable_cores(),
        metavar="N",
        help="Number of processes (default: all %(default)s cores).",
    )
    parser.add_argument("--keep-archives", action="store_true", help="Keep the downloaded archives.")
    given = parser.parse_args(words)
    given.step = given.step or max((given.size or SIZE) // 2, 1)  # of uncut images it is written down, too
    if wrong := misuse(given):
        parser.error(wrong)
    if given.scales is None:
        given.scales = () if given.set == "ost" or given.size is None else DF2K_SCALES
    given.plan = None if given.size is None else Plan(given.size, given.step, given.scales)
    given.output = given.output or Path("data", given.set)
    return given


def misuse(given: argparse.Namespace) -> str:
    """Return what is wrong with a call whose words are right one by one; "" where nothing is."""
    if given.set == "folder" and (given.folder is None or given.output is None):
        return "folder wants the folder with your images and -o DIR"
    if given.set != "folder" and (given.folder is not None or given.val):
        return f"a folder and --val belong to `prepare folder DIR`, not to {given.set}"
    if given.set == "ost" and given.scales is not None:
        return "ost gets no smaller copies, so --scales says nothing"
    if given.size is None and given.scales:
        return "--size whole keeps images as they are, so --scales says nothing"
    if given.folder is not None:
        source = given.folder.resolve()
        for target in (given.output.resolve() / split for split in ("train", "val")):
            if source.is_relative_to(target) or target.is_relative_to(source):
                return f"{given.output} and {given.folder} lie in each other; choose another --output"
    return ""


def size(text: str) -> int | None:
    """Read a side in pixels, or None for "whole", for `type=`."""
    if text == "whole":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, wanted a whole number of pixels, or whole")
    return int(text)


def scales(text: str) -> tuple[Fraction, ...]:
    """Read a list such as 0.75,0.5,1/3,400, or "none", for `type=`."""
    try:
        wanted = () if text == "none" else tuple(Fraction(word) for word in text.split(","))
        return Plan(scales=wanted).scales
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(
            f"{text!r} given, wanted factors below 1 and edges in pixels, such as 0.75,1/3,400, or none"
        ) from None
