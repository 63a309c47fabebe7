"""A burst: a few real iterations of a stage in a process of its own, so that the memory it takes is its own.

It writes into a scratch folder, never into the run's, logs nothing, and starts from random weights.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from wildsr.apps.doctor.weights import available_metrics
from wildsr.losses.features import BACKBONES

SECONDS = 10.0  # measured, after the first iterations: a dozen of the quickstart's on two cores
PATIENCE = 600.0  # seconds; a run that takes so long for a few iterations would take years
ENDLESS = 10**9  # iterations: the meter ends it


def run_burst(cfg: DictConfig, scratch: Path, absent: Collection[str]) -> dict[str, Any]:
    """Run one; returns what `measuring.measure` does, or `error`, and whether it is for want of memory, or late."""
    file = scratch / f"{cfg.stage.name}.yaml"
    file.write_text(OmegaConf.to_yaml(shorten_config(cfg, scratch, absent, SECONDS)), encoding="utf-8")
    try:
        trouble = run([sys.executable, "-m", "wildsr.apps.doctor", str(file)])
    except subprocess.TimeoutExpired:
        return {"error": f"not measured within {PATIENCE / 60:.0f} minutes", "late": True}
    answer = file.with_suffix(".json")
    if answer.is_file():
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found
    return {"error": trouble, "out_of_memory": "SIGKILL" in trouble}


def shorten_config(cfg: DictConfig, scratch: Path, absent: Collection[str], seconds: float) -> DictConfig:
    """Return a stage's configuration for a burst, its interpolations resolved."""
    own = cfg.copy()
    own.paths.run = str(scratch / cfg.stage.name)
    plain: dict[str, Any] = OmegaConf.to_container(own, resolve=True)  # type: ignore[assignment]
    name = cfg.stage.name
    divergence = {key: node for key, node in plain["callbacks"].items() if key == "divergence"}
    meter = {"_target_": "wildsr.apps.doctor.measuring.Meter", "seconds": seconds}
    plain |= {"logger": {}, "callbacks": {**divergence, "meter": meter}, "validate_first": False, "resume": "never"}
    plain["metrics"] = available_metrics(cfg, absent)
    plain["stages"][name] |= {"iterations": ENDLESS, "iterations_per_epoch": ENDLESS, "predecessor": None}
    plain["trainer"]["enable_checkpointing"] = False  # Lightning would save one of its own
    plain["generator"]["weights"] = None
    plain["discriminator"]["weights"] = None
    nodes = plain["trainer"].pop("num_nodes", 1)  # the others are not waited for: their share of a batch is left out
    plain["data"]["batch_size"] //= nodes
    for term in (plain["loss"][key] for key in plain["stages"][name]["losses"]):
        if term.get("backbone") in absent and term["weight"]:
            term["file"] = str(write_random_weights(term["backbone"], scratch))
    return OmegaConf.create(plain)


def write_random_weights(features: str, scratch: Path) -> Path:
    """Write a file of random weights for the perceptual loss's network, as large and as slow as the real ones."""
    backbone, file = BACKBONES[features], scratch / f"{features}.pth"
    if not file.is_file():
        state = backbone.build().state_dict()
        torch.save({f"{backbone.prefix}{name}": tensor for name, tensor in state.items()}, file)
    return file


def run(command: list[str]) -> str:
    """Run a process, and end all that it started; returns why it left no answer, which nobody reads where it did.

    Raises:
        subprocess.TimeoutExpired: it was ended after PATIENCE.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:  # Windows
            process.kill()
        process.wait()
    if process.returncode < 0:
        return f"the process was killed ({signal.Signals(-process.returncode).name}), as where memory runs out"
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with exit code {process.returncode}"
