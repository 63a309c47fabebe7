"""Weights that a run takes from elsewhere: here already, to be downloaded, or out of reach. None is downloaded."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

from omegaconf import DictConfig
from rich.filesize import decimal

from wildsr.apps.doctor.findings import ERROR, OK, WARNING, Finding, collect_findings
from wildsr.building import stage_of
from wildsr.losses.features import BACKBONES
from wildsr.metrics.learned import WEIGHTS
from wildsr.networks.released import (
    DISCRIMINATORS,
    GENERATORS,
    PUBLISHED,
    TIMEOUT,
    cached_file,
    in_wheel,
    offline_reason,
)
from wildsr.training.resume import is_adversarial


class Wanted(NamedTuple):
    """Weights that have an address.

    Attributes:
        name: what the configuration calls them.
        url: their address.
        ways: what else helps where they cannot be had.
        wheel: where a wheel has them.
        needed: whether a run fails without them.
    """

    name: str
    url: str
    ways: str
    wheel: Path | None = None
    needed: bool = True


def check_weights(stages: Sequence[DictConfig]) -> tuple[list[Finding], set[str]]:
    """Look for every file of weights; returns the names of those that are not here, too."""
    findings, absent = list[Finding](), set[str]()
    here, needed = [], dict[str, Wanted]()
    for cfg in stages:
        with collect_findings(findings, "weights"):
            needed |= {wanted.name: wanted for wanted in find_wanted(cfg)}
    for wanted in needed.values():
        if cached_file(wanted.url).is_file():
            here.append(wanted.name)
            continue
        trouble, size = offline_reason(wanted.url), 0
        if not trouble:
            try:
                size = remote_size(wanted.url)
            except (OSError, HTTPException, ValueError) as error:
                reason = getattr(error, "reason", error)  # urllib wraps what happened
                trouble = f"cannot reach {wanted.url.split('/')[2]} ({reason})"
        if trouble and wanted.wheel:
            here.append(f"{wanted.name} (bundled fp16 copy)")
            continue
        absent.add(wanted.name)
        findings.append(report_absent(wanted, trouble, size))
    if here:
        findings.insert(0, Finding(OK, "weights", f"here: {', '.join(here)}"))
    return findings, absent


def report_absent(wanted: Wanted, trouble: str, size: int) -> Finding:
    """Say what it means that weights are not here."""
    if not trouble:
        amount = decimal(size) if size else "size not told"
        return Finding(OK, "weights", f"{wanted.name}: the run downloads it once ({amount})")
    level, means = (ERROR, "") if wanted.needed else (WARNING, ", the run goes without")
    fetch = shlex.join(["curl", "-L", "--create-dirs", "-o", str(cached_file(wanted.url)), wanted.url])
    return Finding(level, "weights", f"{wanted.name}: {trouble}{means}", f"download it by hand{wanted.ways}:", fetch)


def find_wanted(cfg: DictConfig) -> Iterator[Wanted]:
    """Yield the weights of a stage that have an address; files that a user names are read when the stage is built.

    Raises:
        ValueError: a value of the stage is impossible.
    """
    terms = [cfg.loss[name] for name in stage_of(cfg).losses if cfg.loss.get(name) is not None]
    for name in [cfg.generator.weights, *([cfg.discriminator.weights] if any(map(is_adversarial, terms)) else [])]:
        released = (GENERATORS | DISCRIMINATORS).get(name)
        if released is not None:
            yield Wanted(name, PUBLISHED + released.address, "", wheel=in_wheel(released))
    for term in terms:
        if term.get("backbone") in BACKBONES and term.weight and term.file is None:
            ways = ", name a copy with loss.perceptual.file=FILE, or go without: loss=no_perceptual"
            yield Wanted(term.backbone, BACKBONES[term.backbone].weights.url, ways)
    for name in cfg.metrics if cfg.data.val is not None else ():
        if name in WEIGHTS:
            yield Wanted(name, WEIGHTS[name].url, "", needed=False)


def available_metrics(cfg: DictConfig, absent: Collection[str]) -> list[str]:
    """Return the metrics whose weights are here; one that needs none where none is."""
    return [name for name in cfg.metrics if name not in absent] or ["psnr_y"]


def remote_size(url: str) -> int:
    """Return the bytes that an address would send, 0 where it does not say; only its head is asked for.

    Raises:
        OSError: it cannot be reached, or refuses.
    """
    with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT) as response:
        return int(response.headers.get("Content-Length") or 0)
