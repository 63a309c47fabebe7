"""The end of a run: bicubic, the starting weights and each stage evaluated on every validation set, once."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn
from torchmetrics import Metric

from wildsr.apps.evaluate.crops import CROPS, START, chosen, keep, keep_inputs, write_list
from wildsr.apps.evaluate.evaluator import Method, bicubic, judge, last_score, objective_of, shown_pair
from wildsr.apps.evaluate.results import COMPARISON, IMAGES, SCORES, STRATA, table, write_displays, write_findings
from wildsr.apps.evaluate.strata import Row, strata_table
from wildsr.data import ValidationSet
from wildsr.io import UserError
from wildsr.metrics import FEW
from wildsr.metrics.choice import own_displays
from wildsr.networks import load_generator, load_weights
from wildsr.scores import Scores, read_scores
from wildsr.training.datamodule import MAIN
from wildsr.training.resume import GENERATOR
from wildsr.training.validation import upscale_batch


class RunEvaluation:
    """What closes a run: its scores, the images of its report, and the report. The configuration's `evaluate`.

    Args:
        sets: the validation sets by name; without any there is nothing to evaluate.
        build_generator: gives a network of the run's own kind, which the stages' weights fit; None: their files say.
        run: its folder.
        name, scale, metrics: of the configuration.
        stages: names of the trained stages, in order.
        start: the weights that the first of them began with, a file or a released network.
        compare: evaluate at all.
        own_metrics: of a user's own, by name.
        objective: the validation metric that a search looks at, such as val/psnr_y.
        write_report: called with the folder, at last; returns the page.

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
    ) -> None:
        self.metric = objective_of(objective, metrics, will_evaluate=compare and bool(sets))
        self.sets, self.run, self.name, self.scale = sets, Path(run), name, scale
        self.stages, self.metrics, self.start, self.compare = list(stages), list(metrics), start, compare
        self.write_report, self.build_generator = write_report, build_generator
        self.own = {name: metric for name, metric in (own_metrics or {}).items() if name in self.metrics}
        self.displays = own_displays(self.own)

    def __call__(self, fresh: bool) -> float | None:
        """Evaluate, unless nothing is `fresh` and it is done already; print what was found.

        Returns the objective's value, if there is one.
        """
        scores: Scores = {}
        if self.compare and self.sets:
            strata = []
            if fresh or not (self.run / SCORES).is_file():
                strata = self.evaluate()
                self.keep_start()
            scores = read_scores(self.run / SCORES)
            self.show(scores, strata)
        if self.write_report is not None:
            print(f"report:   {self.write_report(self.run)}")
        return last_score(scores, self.metric) if self.metric else None

    def evaluate(self) -> list[Row]:
        """Write the scores and the comparison; returns the scores by stratum."""
        methods = methods_of(self.run, self.stages, self.start, self.scale, self.build_generator)
        verdict = judge(methods, self.sets, self.metrics, self.scale, device(), self.own)
        write_displays(self.displays, self.run)
        return write_findings(verdict, self.sets, self.metrics, self.run)

    def show(self, scores: Scores, strata: Sequence[Row]) -> None:
        """Print a table for each set, and where the rest is."""
        for name in dict.fromkeys(key.rpartition("/")[0] or MAIN for row in scores.values() for key in row):
            what = "the held-out images" if name == MAIN else f"the set {name}"
            title = f"{self.name}: {what} ({self.scale} border pixels left out)"
            Console().print(table(scores, title, name, self.displays))
        main = [row for row in strata if row["set"] == MAIN]
        if any(row["images"] >= FEW for row in main):
            title = f"{self.name}: by what was done to the image"
            Console().print(strata_table(main, next(iter(scores["bicubic"])), title, self.displays))
        if (self.run / STRATA).is_file():
            print(f"strata:   {self.run / STRATA}")
        weights = shlex.quote(str(self.run / self.stages[-1] / GENERATOR))
        print(f"images:   {self.run / COMPARISON}; their scores: {self.run / IMAGES}")
        print(f"next:     {executable('wildsr')} upscale YOUR_IMAGE -o OUT.png --weights {weights}")

    @torch.no_grad()
    def keep_start(self) -> None:
        """Keep what the report shows of the inputs and of the starting weights; each stage has kept its own."""
        methods, crops = methods_of(self.run, [], self.start, self.scale, self.build_generator), []
        start = methods.get(f"{self.start} (start)")
        for name, index in chosen(self.sets):
            pair = shown_pair(self.sets[name][index], device())
            crops.append(keep_inputs(self.run, name, index, self.sets[name], self.scale, pair.lq, pair.hq))
            if start is not None:
                keep(self.run / CROPS / START, crops[-1], start(pair.lq)[0])
        write_list(self.run, crops)


def methods_of(
    run: Path,
    stages: Sequence[str],
    start: str | None,
    scale: int,
    build_generator: Callable[[], nn.Module] | None = None,
) -> dict[str, Method]:
    """Return the rows of the closing table: name -> upscaling function."""
    sources = {f"{stage} stage": run / stage / GENERATOR for stage in stages}
    networks = ({f"{start} (start)": start} if start else {}) | sources
    methods = {"bicubic": bicubic(scale)}
    for name, source in networks.items():
        network = load_network(source, build_generator, is_own=isinstance(source, Path)).to(device())
        if network.scale == scale:  # weights taken over from another scale have nothing to show at this one
            methods[name] = partial(upscale_batch, network)
    return methods


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


def device() -> torch.device:
    """Return the device that evaluation runs on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def executable(program: str) -> Path:
    """Return a program by its bare name where the environment is active, else by its path beside Python."""
    if shutil.which(program):
        return Path(program)
    path, here = Path(sys.executable).parent / program, Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
