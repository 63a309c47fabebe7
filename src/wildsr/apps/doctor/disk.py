"""Room on the disk: for the checkpoints that a run keeps, its generators and its panels."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.filesize import decimal

from wildsr.apps.doctor.findings import ERROR, OK, Finding
from wildsr.apps.doctor.stages import Sizes
from wildsr.building import stage_of

BESIDES = 2  # checkpoints beside the numbered ones: the best, and the one that is being written
COLUMNS = 4  # of a panel, each window at most 3 bytes a pixel
IMAGE_LOGGERS = ("wandb", "tensorboard")  # keep a copy of every panel


def check_disk(stages: Sequence[DictConfig], run: Path, sizes: Mapping[str, Sizes]) -> list[Finding]:
    """Compare what the run will write with what is free where its folder lies or will lie."""
    if not stages:
        return []  # none could be built, which is said already
    parts = {"checkpoints": 0, "panels": 0}
    for cfg in stages:
        checkpoints = checkpoint_bytes(cfg, sizes[cfg.stage.name])
        there = sum(file.stat().st_size for file in set_of(run / cfg.stage.name / "checkpoints"))
        parts["checkpoints"] += max(checkpoints - there, 0)
        parts["panels"] += panel_bytes(cfg)
    place = next(path for path in (run.absolute(), *run.absolute().parents) if path.exists())
    needed, free = sum(parts.values()), shutil.disk_usage(place).free
    text = f"{place}: {decimal(free)} free, the run takes {decimal(needed)} at most"
    text += f" ({', '.join(f'{name} {decimal(size)}' for name, size in parts.items() if size)})"
    if not os.access(place, os.W_OK):
        return [Finding(ERROR, "disk", f"{place}: may not be written to", "wanted another place: paths.runs=DIR")]
    if needed > free:
        ways = "paths.runs=DIR on another disk, or fewer: callbacks.checkpoints.save_top_k=1 callbacks.panels.images=1"
        return [Finding(ERROR, "disk", text, ways)]
    return [Finding(OK, "disk", text)]


def checkpoint_bytes(cfg: DictConfig, sizes: Sizes) -> int:
    """Return the size of the checkpoints that a stage keeps at once, and of the generator at its end."""
    node = cfg.callbacks.get("checkpoints")
    if node is None:
        return sizes.generator
    numbered = node.save_top_k
    if numbered == -1:  # every one
        numbered = math.ceil(stage_of(cfg).iterations / stage_of(cfg).checkpoint_every)
    return (numbered + BESIDES) * sizes.checkpoint + sizes.generator


def panel_bytes(cfg: DictConfig) -> int:
    """Return the size of a stage's panels, PNG sparing nothing: one a validation, here and in loggers of images."""
    node = cfg.callbacks.get("panels")
    if node is None or cfg.data.val is None:
        return 0
    sets = 1 + sum(given is not None for given in cfg.data.sets.values())
    panels = math.ceil(stage_of(cfg).iterations / stage_of(cfg).iterations_per_epoch)
    places = 1 + sum(name in cfg.logger for name in IMAGE_LOGGERS)
    return places * panels * node.images * sets * COLUMNS * 3 * node.side**2


def set_of(folder: Path) -> list[Path]:
    """Return the files of a folder, each once: last.ckpt and best.ckpt are further names of others."""
    found = {file.stat().st_ino: file for file in folder.glob("*.ckpt")}
    return list(found.values())
