"""`wildsr doctor`: what could spoil a long run, on one page, before it starts."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wildsr.apps.common.logs import message_console
from wildsr.apps.common.progress import has_bars
from wildsr.apps.doctor.disk import check_disk
from wildsr.apps.doctor.findings import ERROR, WARNING, Finding, format_page, unique
from wildsr.apps.doctor.images import check_images
from wildsr.apps.doctor.loggers import check_loggers
from wildsr.apps.doctor.speed import FASTER, check_speed, not_measured
from wildsr.apps.doctor.stages import check_folder, check_stages
from wildsr.apps.doctor.weights import check_weights
from wildsr.apps.evaluate.closing import executable, objective_of
from wildsr.config import compose_config, stage_config
from wildsr.io import display_path
from wildsr.stage import stage_names


def main(given: argparse.Namespace) -> int:
    """Check everything and print the page. Returns the exit code."""
    cfg = given.cfg
    objective_of(cfg.objective, cfg.metrics, will_evaluate=bool(cfg.compare and cfg.data.val))
    cfg.paths.run = display_path(Path(cfg.paths.run).absolute())
    findings = examine(cfg, given.quick, given.all)
    command = next_command(given.overrides, findings)
    Console().print(format_page(f"wildsr doctor: {cfg.name}", findings, command), crop=False)
    return int(any(finding.level == ERROR for finding in findings))


def next_command(words: Sequence[str], findings: Sequence[Finding]) -> str:
    """Return a command that would run here: as given where nothing is wrong, else with what can be done without.

    Empty where none is found.
    """
    program = [str(executable("wildsr")), "train"]
    if would_run(findings):
        return shlex.join([*program, *words])
    quickstart = ["experiment=quickstart"]
    for more in ([*words, "loss=no_perceptual"], quickstart, [*quickstart, "loss=no_perceptual"]):
        with suppress(ValueError, OSError):  # it does not go with the other words
            if would_run(examine(compose_config(more), quick=True, everything=False)):
                return shlex.join([*program, *more])
    return ""


def would_run(findings: Sequence[Finding]) -> bool:
    """Return whether a run would come to its end here, within a time that people wait."""
    return not any(finding.level == ERROR or finding.advice == FASTER for finding in findings)


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
        sound = [cfg for cfg in stages if cfg.stage.name in sizes]
        images = check_images(stages[0], everything, progress, sound)
        if quick:
            speed = not_measured(sound, done, sizes)
        elif any(finding.level == ERROR for finding in [*built, *images]):
            speed = [
                Finding(WARNING, "speed", "not measured: the errors above would end it"),
                *not_measured(sound, done, sizes),
            ]
        else:
            speed = check_speed(stages, done, absent, progress)
    outside = [*weights, *check_loggers(stages[0]), *check_disk(sound, run, sizes)]
    return unique([*built, *folder, *images, *outside, *speed])
