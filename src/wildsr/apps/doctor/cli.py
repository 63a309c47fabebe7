"""`wildsr doctor`: what could spoil a long run, on one page, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wildsr.apps.common.arguments import Parser
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
from wildsr.config import compose_config, stage_config
from wildsr.io import display_path
from wildsr.preflight import stage_names

DESCRIPTION = """Look before a long run: the same words as for train.py, and one page says what they would meet.

  wildsr doctor experiment=quickstart
  wildsr doctor experiment=real_esrgan_plus data=folder data.train.root=DIR data.val.root=DIR
  wildsr doctor experiment=real_esrgan_plus --quick     without the burst: seconds instead of minutes
  wildsr doctor experiment=real_esrgan_plus --all       every image is read to its last pixel

It builds every stage; reads the header of every image and the pixels of a sample, and looks for copies and for
images of validation among those of training; compares the disk with what the run will write; runs each stage for
some ten seconds (the burst) for its memory, its speed and so the time to the end; looks for weights and loggers;
and says whether the run's folder would be gone on with. The run's folder stays as it is, and nothing is downloaded.

Each line begins with ok, warning or fault. Exit code 1 where there is a fault: the run would fail, now or later."""


def main(words: Sequence[str]) -> int:
    parser = Parser("doctor", DESCRIPTION)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py")
    parser.add_argument("--quick", action="store_true", help="leave the burst out, and with it memory and speed")
    parser.add_argument("--all", action="store_true", help="read the pixels of every image, not of a sample")
    given = parser.parse_intermixed_args(words)
    if not given.overrides:
        parser.error("nothing given; wanted what train.py gets, for example experiment=quickstart")
    cfg = compose_config(given.overrides)
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
