"""The stages of a run: can each be built, and would each begin, go on or be refused where the run lies?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, OmegaConf

from wildsr.apps.doctor.findings import OK, WARNING, Finding, collect_findings, count
from wildsr.apps.doctor.weights import available_metrics
from wildsr.building import (
    build_callbacks,
    build_data,
    build_module,
    build_trainer,
    check_monitor,
    filtered_warnings,
    first_weights,
    has_own_start,
    stage_of,
)
from wildsr.io import GENERATOR
from wildsr.stage import plain
from wildsr.training import SuperResolution
from wildsr.training.resume import find_start, refuse_other_settings, stage_settings

MOMENTS = 2  # that Adam keeps of every parameter that it trains


class Sizes(NamedTuple):
    """Bytes of a stage's files: a checkpoint, and the generator at its end."""

    checkpoint: int
    generator: int


@filtered_warnings()
def check_stages(
    stages: Sequence[DictConfig], run: Path, absent: Collection[str]
) -> tuple[list[Finding], dict[str, Sizes]]:
    """Build everything of every stage once and let it go; returns the sizes of what could be built, by stage.

    Args:
        stages: their configurations, in order.
        run: the run's folder.
        absent: weights that are not here, which are left out.
    """
    findings: list[Finding] = []
    sizes: dict[str, Sizes] = {}
    for number, cfg in enumerate(stages):
        with collect_findings(findings, "stages"):  # in the order in which a run builds them
            build_trainer(cfg, build_callbacks(cfg))
            if number == 0 or cfg.data != stages[0].data:
                check_data(cfg, absent, findings)
            check_monitor(cfg)
            sizes[cfg.stage.name] = sizes_of(build_networks(cfg, run, absent))
    if len(sizes) == len(stages):
        findings.insert(0, Finding(OK, "stages", f"{' and '.join(sizes)} can be built"))
    return findings, sizes


def check_data(cfg: DictConfig, absent: Collection[str], findings: list[Finding]) -> None:
    """Build the data as the run would; what it would say of them besides damage is a warning."""
    here = cfg.copy()
    here.metrics = available_metrics(cfg, absent)
    with collect_findings(findings, "images") as said:
        build_data(here)
    for line in said.getvalue().splitlines():
        if not line.startswith("left out: "):  # the images' own check counts those
            findings.append(Finding(WARNING, "images", line))


def build_networks(cfg: DictConfig, run: Path, absent: Collection[str]) -> SuperResolution:
    """Build a stage's networks and losses with the weights that they want, as far as those are here.

    Raises:
        ValueError, OSError: as `wildsr.stage.Stage`.
    """
    start = first_weights(cfg, run)
    here = cfg.copy()
    here.metrics = available_metrics(cfg, absent)
    if OmegaConf.select(cfg, "discriminator.weights") in absent:
        here.discriminator.weights = None
    for term in here.loss.values():
        if term is not None and term.get("backbone") in absent:
            term.weight = 0.0
    return build_module(here, None if start in absent else start)


def sizes_of(module: SuperResolution) -> Sizes:
    """Return the bytes of tensors in a stage's files; the rest is small."""
    networks = [module.generator] if module.discriminator is None else [module.generator, module.discriminator]
    trained = [parameter for network in networks for parameter in network.parameters() if parameter.requires_grad]
    state = sum(tensor.nbytes for tensor in module.state_dict().values())
    generator = sum(tensor.nbytes for tensor in module.generator.state_dict().values())
    return Sizes(state + MOMENTS * sum(parameter.nbytes for parameter in trained), generator)


def check_folder(stages: Sequence[DictConfig], run: Path) -> tuple[list[Finding], dict[str, int]]:
    """Say what a run would do with what lies in its folder; return how many iterations are behind each stage."""
    findings: list[Finding] = []
    done: dict[str, int] = {}
    texts = []
    for cfg in stages:
        name, folder, aside = cfg.stage.name, run / cfg.stage.name, ""
        done[name] = 0
        with collect_findings(findings, "run") as said:
            start = find_start(str(cfg.resume), folder, name)
            if cfg.resume == "never":
                aside = " anew, what is there is set aside" if folder.exists() else ""
            else:
                refuse_other_settings(stage_settings(plain(cfg), name, has_own_start(cfg, run)), folder, start)
            done[name] = start.iteration if start else 0
            texts.append(f"{name} {describe_progress(done[name], stage_of(cfg).iterations, folder)}{aside}")
        findings += [Finding(WARNING, "run", line.removeprefix("warning: ")) for line in said.getvalue().splitlines()]
    if texts:
        findings.insert(0, Finding(OK, "run", f"{run}: {'; '.join(texts)}"))
    return findings, done


def describe_progress(done: int, iterations: int, folder: Path) -> str:
    """Say what a stage would do after so many iterations."""
    if done >= iterations and (folder / GENERATOR).is_file():
        return f"is finished ({count(done, 'iteration')})"
    if done:
        return f"goes on after iteration {done:,} of {iterations:,}"
    return f"starts ({count(iterations, 'iteration')})"
