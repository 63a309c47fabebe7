"""`wildsr doctor`: what could spoil a long run, on one page, before it starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.doctor.disk import check_disk
from wildsr.apps.doctor.findings import FAULT, WARNING, Finding, format_page, unique
from wildsr.apps.doctor.images import check_images
from wildsr.apps.doctor.loggers import check_loggers
from wildsr.apps.doctor.speed import check_speed
from wildsr.apps.doctor.stages import check_folder, check_stages
from wildsr.apps.doctor.weights import check_weights
from wildsr.apps.evaluate.closing import objective_of
from wildsr.config import stage_config
from wildsr.train import display_path, stage_names


def main(given: argparse.Namespace) -> int:
    """Check everything and print the page. Returns the exit code."""
    cfg = given.cfg
    objective_of(cfg.objective, cfg.metrics, will_evaluate=bool(cfg.compare and cfg.data.val))
    cfg.paths.run = display_path(Path(cfg.paths.run).absolute())
    findings = examine(cfg, given.quick, given.all)
    Console().print(format_page(f"wildsr doctor: {cfg.name}", findings))
    return int(any(finding.level == FAULT for finding in findings))


def examine(cfg: DictConfig, quick: bool, everything: bool) -> list[Finding]:
    """Run all checks; returns what they found, in the order of the page."""
    stages, run = [stage_config(cfg, name) for name in stage_names(cfg)], Path(cfg.paths.run)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=message_console(), transient=True, disable=not has_bars()) as progress:
        bar = progress.add_task("building every stage", total=None)
        weights, absent = check_weights(stages)
        built, sizes = check_stages(stages, run, absent)
        folder, done = check_folder(stages, run)
        progress.remove_task(bar)
        images = check_images(stages[0], everything, progress)
        if quick:
            speed = []
        elif any(finding.level == FAULT for finding in [*built, *images]):
            speed = [Finding(WARNING, "speed", "not measured: the faults above would end it")]
        else:
            speed = check_speed(stages, done, absent, progress)
    outside = [*weights, *check_loggers(stages[0]), *check_disk(stages, run, sizes)]
    return unique([*built, *folder, *images, *outside, *speed])
