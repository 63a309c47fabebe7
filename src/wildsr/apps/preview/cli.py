"""`wildsr preview`: what the degradation does to a photograph, in images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from wildsr.apps.preview import figures as previews
from wildsr.config import build, chosen_options
from wildsr.data import sample_photographs
from wildsr.degradation import DegradationSpec, SharpenSpec
from wildsr.images import crop_to_multiple, middle, read_image, save_pil, to_float
from wildsr.io import printable
from wildsr.training.pairs import sharpened


def main(given: argparse.Namespace) -> int:
    """Draw and write the image. Returns the exit code."""
    cfg = given.cfg
    spec: DegradationSpec = build(cfg.degradation, "degradation")
    sharpening: SharpenSpec = build(cfg.sharpen, "sharpen")
    title = header(given.overrides, given.seed, spec.scale)
    if given.kernels:
        image = previews.draw_kernels(spec, given.n, given.seed, title=title)
    elif given.statistics:
        image = previews.draw_statistics(spec, 5000, given.seed, title)
    else:
        photo = sample_photographs(["coffee.png"])[0] if given.photo is None else read_image(given.photo)
        hq = crop_to_multiple(middle(to_float(photo), given.side), spec.scale, printable(given.photo or "coffee.png"))
        source = sharpened(hq, sharpening) if sharpening.source else hq
        if given.steps:
            image = previews.draw_steps(hq, source, spec.draw(np.random.default_rng(given.seed)), title)
        else:
            image = previews.draw_versions(hq, source, spec, given.n, given.seed, title)
    save_pil(image, given.output)
    print(f"{given.output}: {image.width} x {image.height} pixels, drawn from seed {given.seed}")
    return 0


def header(overrides: Sequence[str], seed: int, scale: int) -> str:
    """Return what a preview was drawn from: the configuration, the seed and the scale."""
    options = chosen_options(overrides, ("degradation", "kernels", "sharpen"))
    words = [f"{group}={option}" for group, option in options.items()]
    words += [override for override in overrides if override not in words]
    return f"{' '.join(words)} · seed {seed} · scale {scale}"
