"""`wildsr preview`: what the degradation does to a photograph, in images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wildsr.apps.common.arguments import Parser, positive, refuse_inputs, whole
from wildsr.apps.preview import figures as previews
from wildsr.config import build, chosen_options, compose_config
from wildsr.data import sample_photographs
from wildsr.degradation import DegradationSpec, SharpenSpec
from wildsr.images import crop_to_multiple, middle, read_image, save_picture, to_float
from wildsr.training.pairs import sharpened

DESCRIPTION = """Draw what the degradation does.

  wildsr preview                             a sheet: HQ and degraded versions of it, each with its recipe
  wildsr preview photo.jpg -o sheet.png -n 11
  wildsr preview photo.jpg --steps           one recipe, step by step: every intermediate image with its operation
  wildsr preview --kernels                   the kernel mix as images, by kind
  wildsr preview --statistics                histograms of what is drawn
  wildsr preview degradation=first_order kernels=gaussian_only
  wildsr preview degradation.first.noise.gaussian_sigma='[1,10]'

Without a photograph it takes one of the sample photographs. KEY=VALUE are ordinary overrides, as for train.py."""


def main(words: Sequence[str]) -> int:
    parser = Parser("preview", DESCRIPTION)
    parser.add_argument("photo", nargs="?", help="an image (default: the sample photograph 'coffee')")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="choices for the degradation")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--steps", action="store_true", help="one recipe, step by step")
    what.add_argument("--kernels", action="store_true", help="blur kernels by kind")
    what.add_argument("--statistics", action="store_true", help="histograms of 5000 recipes")
    parser.add_argument("-o", "--output", type=Path, default=Path("preview.png"), help="(default: %(default)s)")
    parser.add_argument("-n", type=positive, default=7, help="versions, or kernels of a kind (default: %(default)s)")
    parser.add_argument("--seed", type=whole, default=0, help="of the recipes (default: %(default)s)")
    parser.add_argument("--side", type=positive, default=320, help="shown part of the photograph, pixels")
    given = parser.parse_intermixed_args(words)
    overrides = list(given.overrides)
    if given.photo is not None and "=" in given.photo and not Path(given.photo).exists():
        overrides, given.photo = [given.photo, *overrides], None
    refuse_inputs([given.output], [] if given.photo is None else [Path(given.photo)])
    cfg = compose_config(overrides)
    spec: DegradationSpec = build(cfg.degradation, "degradation")
    sharpening: SharpenSpec = build(cfg.sharpen, "sharpen")
    title = header(overrides, given.seed, spec.scale)
    if given.kernels:
        image = previews.draw_kernels(spec, given.n, given.seed, title=title)
    elif given.statistics:
        image = previews.draw_statistics(spec, 5000, given.seed, title)
    else:
        photo = sample_photographs(["coffee.png"])[0] if given.photo is None else read_image(given.photo)
        hq = crop_to_multiple(middle(to_float(photo), given.side), spec.scale)
        source = sharpened(hq, sharpening) if sharpening.source else hq
        if given.steps:
            image = previews.draw_steps(hq, source, spec.draw(np.random.default_rng(given.seed)), title)
        else:
            image = previews.draw_versions(hq, source, spec, given.n, given.seed, title)
    save_picture(image, given.output)
    print(f"{given.output}: {image.width} x {image.height} pixels, drawn from seed {given.seed}")
    return 0


def header(overrides: Sequence[str], seed: int, scale: int) -> str:
    """Return what a preview was drawn from: the configuration, the seed and the scale."""
    options = chosen_options(overrides, ("degradation", "kernels", "sharpen"))
    words = [f"{group}={option}" for group, option in options.items()]
    words += [override for override in overrides if override not in words]
    return f"{' '.join(words)} · seed {seed} · scale {scale}"
