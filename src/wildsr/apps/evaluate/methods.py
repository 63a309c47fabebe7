"""The work of `wildsr evaluate`: networks on their backends, beside bicubic, on every picture of every set.

Shapes: C = 1 or 3, h w LQ picture, H = h * scale.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from wildsr.apps.common.progress import Bar
from wildsr.apps.evaluate.evaluator import Evaluator, Keep, Method, bicubic
from wildsr.apps.evaluate.ledger import Ledger
from wildsr.apps.evaluate.page import Windows
from wildsr.apps.upscale.backends import open_backend
from wildsr.data import ValidationSet
from wildsr.images import first_line, printable
from wildsr.images.sheets import Cell
from wildsr.io import UserError, can_be_mended
from wildsr.networks.memory import free_memory, is_out_of_memory, result_bytes
from wildsr.networks.tiling import Upscaler, tile_side, upscale
from wildsr.training.datamodule import ValidationPair

log = logging.getLogger(__name__)

BICUBIC = "bicubic"


def check_scales(networks: Mapping[str, Any], sets: Mapping[str, ValidationSet]) -> None:
    """Say which networks are left out of which sets.

    Raises:
        UserError: a set has no network of its scale.
    """
    for name, pictures in sets.items():
        others = [f"{one} (x{network.scale})" for one, network in networks.items() if network.scale != pictures.scale]
        if len(others) == len(networks):
            raise UserError(
                f"the set {name} is x{pictures.scale}: given {', '.join(others)}, wanted weights of its scale"
            )
        for other in others:
            log.warning("%s is left out of %s, which is x%d", other, name, pictures.scale)


def build_evaluators(
    given: argparse.Namespace,
    networks: Mapping[str, Any],
    sets: Mapping[str, ValidationSet],
    device: torch.device,
    bar: Bar,
    windows: Windows,
) -> list[Evaluator]:
    """Build a trial a set: bicubic, and the networks of its scale.

    Args:
        windows: of the pictures that the page shows.

    Raises:
        UserError: a backend cannot run a network.
    """
    opened = {name: open_backend(network, given.backend, device, given.half) for name, network in networks.items()}
    trials = []
    for name, pictures in sets.items():
        fitting = {method: network for method, network in networks.items() if network.scale == pictures.scale}
        weights = {method: sum(p.numel() for p in network.parameters()) for method, network in fitting.items()}
        methods: dict[str, Method] = {BICUBIC: bicubic(pictures.scale)}
        for method in fitting:
            share = weights[method] / sum(weights.values())  # of the time, about
            methods[method] = method_of(opened[method], device, share, bar)
        border = pictures.scale if given.border is None else given.border
        trials.append(
            Evaluator(name, pictures, methods, given.metrics, border, device, keeper(windows, name, pictures))
        )
    return trials


def keeper(windows: Windows, name: str, pictures: ValidationSet) -> Keep:
    """Return what a trial calls with the pictures that are to be shown."""

    def keep(index: int, pair: ValidationPair, results: Mapping[str, Tensor]) -> None:
        windows.keep(name, index, pictures, pair.lq, pair.hq, results)

    return keep


def method_of(upscaler: Upscaler, device: torch.device, share: float, bar: Bar) -> Method:
    """Return what a trial calls: a network on its backend, in tiles as large as memory allows.

    Args:
        share: of the work on a picture, for the bar.
    """

    def enlarged(lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        scale, free = upscaler.scale, free_memory(device)
        free -= result_bytes(width * scale, height * scale, lq.shape[1], free)
        tile = tile_side(upscaler, height, width, free)
        sr = upscale(
            upscaler, lq[0], tile,
            done=lambda pixels: bar.advance(share * pixels / (height * width), pixels * scale**2 / 1e6),
        )  # fmt: skip
        return sr[None]

    return enlarged


def evaluate_all(trials: Sequence[Evaluator], ledger: Ledger, bar: Bar) -> tuple[list[list[Cell]], int]:
    """Judge every picture that the ledger has not. Returns the rows of the comparison, and how many pictures failed.

    Those that the comparison shows are judged again: their crops are not kept.
    """
    rows, failed = list[list[Cell]](), 0
    for trial, index in [(one, index) for one in trials for index in range(len(one.pictures))]:
        label = trial.pictures.label(index)
        bar.begin(f"{trial.name}/{label.picture}")
        if ledger.has(trial.name, label) and index not in trial.shown:
            continue
        try:
            found = trial.judge(index)
        except Exception as error:
            if not (can_be_mended(error) or is_out_of_memory(error)):
                raise
            failed += 1
            log.warning("left out of %s: %s: %s", trial.name, printable(label.picture), first_line(error))
            continue
        rows += found.rows
        ledger.add(trial.name, label, found.scores)
    return rows, failed
