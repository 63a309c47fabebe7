"""`wildsr match`: the degradation that made a folder of images, as recipes that training draws from."""

from __future__ import annotations

import argparse
import logging

from wildsr.apps.common.arguments import refuse_clashes, refuse_inputs
from wildsr.apps.match.findings import describe, evenly_spaced, infer, is_clean, measure_files, pool_of, to_lines
from wildsr.apps.match.inference import Inference
from wildsr.apps.match.page import write_page
from wildsr.apps.match.simulation import simulate
from wildsr.images import find_images
from wildsr.io import write_whole

log = logging.getLogger(__name__)


def main(given: argparse.Namespace) -> int:
    """Write the pool and its page. Returns the exit code."""
    recipes, report = given.output / "recipes.jsonl", given.output / "report.html"
    refuse_inputs([recipes, report], [given.folder])
    refuse_clashes([recipes, report], given.overwrite)
    images = measure_files(evenly_spaced(find_images(given.folder), given.images))
    if len(images) == 1:
        log.warning("one image alone: how images differ cannot be known")
    findings = infer(images, Inference(simulate(given.scale, given.recipes)))
    lines = to_lines(pool_of(findings))
    write_whole(recipes, lambda file: file.write(lines.encode()))
    command = (
        f"wildsr train experiment=finetune degradation=matched degradation.recipes={recipes.resolve()} "
        "data.train.root=MY_HQ"
    )
    write_page(findings, given.folder.resolve().name, command, report)
    for sentence in describe(findings):
        print(sentence)
    if is_clean(findings):
        print("No degradation but their size: nothing to match; degradation=bicubic trains for such images.")
    print(f"{recipes}: {len(findings)} images; {report}")
    return 0
