"""The end of a run: bicubic, the starting weights and each stage evaluated on every validation set, once."""

from __future__ import annotations

import logging
import math
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from torch import nn
from torchmetrics import Metric

from wildsr.apps.evaluate.crops import CROPS, START, reference_folder
from wildsr.apps.evaluate.evaluator import Method, bicubic, evaluate
from wildsr.apps.evaluate.files import (
    COMPARISON,
    IMAGES,
    SCORES,
    STRATA,
    Scores,
    read_scores,
    read_table,
    stage_row,
    start_row,
    write_displays,
)
from wildsr.apps.evaluate.labels import contents_of, method_label, run_title, set_words
from wildsr.apps.evaluate.results import write_results
from wildsr.apps.evaluate.tables import method_rows, strata_tables, tables_of
from wildsr.apps.evaluate.terminal import metric_head, score_lines, shortfalls, strata_lines
from wildsr.apps.evaluate.windows import Windows
from wildsr.apps.upscale.backends import find_device
from wildsr.config import ConfigError
from wildsr.data import ValidationSet
from wildsr.io import CONFIG, GENERATOR, UserError, choose_from, first_line
from wildsr.metrics.choice import own_displays
from wildsr.networks import load_generator, load_weights
from wildsr.networks.released import GENERATORS, local_file
from wildsr.scores import MAIN
from wildsr.training.validation import upscale_batch

log = logging.getLogger(__name__)


class RunEvaluation:
    """What closes a run: its scores, the images of its report, and the report. The configuration's `evaluate`.

    Args:
        sets: the validation sets by name; without any there is nothing to evaluate.
        build_generator: gives a network of the run's own kind, which the stages' weights fit; None: their files say.
        run: its folder.
        name, scale, metrics: of the configuration.
        stages: names of the trained stages, in order.
        all_stages: names of all stages that there are, in order: those that an earlier command has finished in this
            folder are evaluated, too.
        start: the weights that the first of them began with, a file or a released network.
        references: other weights to be evaluated beside them, alike; a released network that is not on this machine
            is left out, not downloaded.
        compare: evaluate at all.
        own_metrics: of a user's own, by name.
        objective: the validation metric that a search looks at, such as val/psnr_y.
        write_report: called with the folder, at last; returns the page.
        publish: called with what a new evaluation found; see `WandbPublisher`.

    Raises:
        ConfigError: the objective is none.
    """

    def __init__(
        self,
        sets: Mapping[str, ValidationSet],
        run: str | Path,
        name: str,
        scale: int,
        stages: Sequence[str],
        metrics: Sequence[str],
        start: str | None = None,
        compare: bool = True,
        objective: str | None = None,
        write_report: Callable[[Path], Path] | None = None,
        own_metrics: Mapping[str, Metric] | None = None,
        build_generator: Callable[[], nn.Module] | None = None,
        all_stages: Sequence[str] = (),
        references: Sequence[str] = (),
        publish: Callable[..., None] | None = None,
    ) -> None:
        self.metric = objective_of(objective, metrics, will_evaluate=compare and bool(sets))
        self.sets, self.run, self.name, self.scale = sets, Path(run), name, scale
        self.stages, self.metrics, self.start, self.compare = list(stages), list(metrics), start, compare
        self.all_stages, self.references = list(all_stages) or self.stages, list(references)
        self.write_report, self.build_generator, self.publish = write_report, build_generator, publish
        self.own = {name: metric for name, metric in (own_metrics or {}).items() if name in self.metrics}
        self.displays = own_displays(self.own)

    def __call__(self, fresh: bool) -> float | None:
        """Evaluate, unless nothing is `fresh` and it is done already; print what was found.

        Returns the objective's value, if there is one.
        """
        scores: Scores = {}
        is_new = fresh or not (self.run / SCORES).is_file()
        if self.compare and self.sets:
            if is_new:
                self.evaluate()
            scores = read_scores(self.run / SCORES)
            self.show(scores)
        report = None if self.write_report is None else self.write_report(self.run)
        if report is not None and not self.metric:  # a search says at its end where its best run is
            log.info("report:   %s", report)
        row = stage_row(self.stages[-1])
        if self.publish is not None and is_new and row in scores:
            self.publish(self.run, self.stages[-1], row, scores, self.displays, report)
        return finite_score(scores, row, self.metric) if self.metric else None

    def evaluate(self) -> None:
        """Write the scores, the comparison, and what the report shows."""
        stages, start = self.finished_stages(), self.start_weights()
        methods = methods_of(self.run, stages, start, self.scale, self.build_generator, self.references)
        folders = {start_row(start): self.run / CROPS / START} if start else {}
        folders |= {name: reference_folder(self.run, name) for name in self.references}
        folders |= {stage_row(stage): self.run / stage / CROPS for stage in stages}
        windows = Windows(self.run, folders, self.sets)
        found = evaluate(methods, self.sets, self.metrics, self.scale, find_device(), windows, self.own)
        windows.write_list()
        write_displays(self.displays, self.run)
        write_results(found, self.sets, self.metrics, self.run, windows, self.displays)

    def finished_stages(self) -> list[str]:
        """Return the stages of which the averaged generator lies in the run's folder."""
        return [stage for stage in self.all_stages if (self.run / stage / GENERATOR).is_file()]

    def start_weights(self) -> str | None:
        """Return the weights that the first of the finished stages began with, by its own configuration."""
        stages = self.finished_stages()
        if not stages or not (self.run / stages[0] / CONFIG).is_file():
            return self.start
        return OmegaConf.select(OmegaConf.load(self.run / stages[0] / CONFIG), "generator.weights")

    def show(self, scores: Scores) -> None:
        """Print a table for each set, whether the run helped, and where the rest is."""
        where = run_title(self.name, self.run.name)
        contents = contents_of(read_table(self.run / IMAGES))  # as evaluated: today's sets may be others
        for table in tables_of(method_rows(scores), self.displays, contents):
            what = set_words(table.set, table.content)
            Console().print(score_lines(table, f"{where} · {what} · {self.scale} px border excluded"))
        strata = strata_tables([row for row in read_table(self.run / STRATA) if row["set"] == MAIN], self.displays)
        if strata and strata[0].rows:
            head = metric_head(strata[0].title, strata[0].meaning)
            Console().print(strata_lines(strata[0], f"{where} · validation · {head} by degradation"))
        start = self.start_weights()
        baselines = ["bicubic", start_row(start)] if start else ["bicubic"]
        for shortfall in shortfalls(scores, baselines, stage_row(self.stages[-1]), self.displays):
            log.warning(shortfall)
        if self.metric:  # a search lists no paths of each trial
            return
        if (self.run / STRATA).is_file():
            log.info("strata:   %s", self.run / STRATA)
        weights = shlex.quote(str(self.run / self.stages[-1] / GENERATOR))
        log.info("images:   %s; their scores: %s", self.run / COMPARISON, self.run / IMAGES)
        program = shlex.quote(str(executable("wildsr")))
        log.info("next:     %s upscale YOUR_IMAGE -o OUT.png --weights %s", program, weights)


def objective_of(objective: str | None, metrics: Sequence[str], will_evaluate: bool) -> str | None:
    """Return the metric that a search looks at, by its name in the scores; None outside of a search.

    Raises:
        ConfigError: there is no such metric, or the run will not be evaluated.
    """
    if objective is None:
        return None
    names = {f"val/{name}": name for name in metrics}
    if objective not in names:
        raise ConfigError(f"objective={objective}: no such metric; {choose_from(names)}")
    if not will_evaluate:
        raise ConfigError(f"objective={objective}: wanted compare=true and validation images (data.val)")
    return names[objective]


def finite_score(scores: Scores, method: str, metric: str) -> float:
    """Return a mean score of a method, for a search.

    Raises:
        UserError: it is not finite; Optuna takes nothing else.
    """
    score = scores[method][metric]
    if not math.isfinite(score):
        raise UserError(f"{metric} of the {method_label(method)}: given {score}, wanted a finite number")
    return score


def methods_of(
    run: Path,
    stages: Sequence[str],
    start: str | None,
    scale: int,
    build_generator: Callable[[], nn.Module] | None = None,
    references: Sequence[str] = (),
) -> dict[str, Method]:
    """Return the rows of the closing table: name -> upscaling function.

    What cannot be loaded, such as an earlier command's network of another kind, is left out, which a line says.
    """
    sources: dict[str, str | Path] = {start_row(start): start} if start else {}
    sources |= {name: file for name in references if (file := at_hand(name))}
    sources |= {stage_row(stage): run / stage / GENERATOR for stage in stages}
    methods = {"bicubic": bicubic(scale)}
    for name, source in sources.items():
        try:
            network = load_network(source, build_generator, is_own=isinstance(source, Path)).to(find_device())
        except UserError as error:
            log.warning("%s is left out of the table: %s", method_label(name), first_line(error))
            continue
        if network.scale == scale:  # weights taken over from another scale have nothing to show at this one
            methods[name] = partial(upscale_batch, network)
    return methods


def at_hand(reference: str) -> str:
    """Return the file of weights, a released network's without a download; "", and a line, where it is not here."""
    if reference not in GENERATORS:
        return reference
    if file := local_file(GENERATORS[reference]):
        return str(file)
    log.info("%s is left out of the table: it is not on this machine, and is not downloaded for that", reference)
    return ""


def load_network(source: str | Path, build_generator: Callable[[], nn.Module] | None, is_own: bool) -> Any:
    """Load a stage's own weights into a network of the run's kind, others as the network that they say, if known."""
    if not is_own or build_generator is None:
        try:
            return load_generator(source)
        except UserError:
            if build_generator is None:
                raise
    network = build_generator().eval()
    load_weights(network, source)
    return network


def executable(program: str) -> Path:
    """Return a program by its bare name where the environment is active, else by its path beside Python."""
    if shutil.which(program):
        return Path(program)
    path, here = Path(sys.executable).parent / program, Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
