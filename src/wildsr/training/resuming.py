"""Going on with a run: from which checkpoint, and whether it was made with the same settings."""

from __future__ import annotations

import hashlib
import itertools
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf

from wildsr.images import first_line
from wildsr.training.checkpoints import LAST, numbered

CONFIG = "config.yaml"
GENERATOR = "generator.safetensors"
EXECUTION = ("accumulate", "checkpoint_activations", "compile", "channels_last")
# Keys that a resumed run may change.
FREE = (
    "resume", "compare", "name", "paths.", "logger.", "callbacks.", "trainer.", "iterations.", "data.workers",
    "data.degrade_in", "stage.iterations", "stage.checkpoint_every", "data.train.root", "data.train._target_",
    "data.train.hint", "data.pairs.lq", "data.pairs.hq", "data.pairs.hint", "data.val", "data.sets", "metrics",
    "validate_first", "channels", "loss.vgg_weights", "loss.segmentation_weights", "objective", *EXECUTION,
)  # fmt: skip
ADDED = {"stage.number": 0}  # settings that a run of 0.1 lacks, with what it did
SHOWN = 5  # differing keys that a message names


class Start(NamedTuple):
    """A whole checkpoint: where it is, of which stage, after how many iterations, made with which settings and from
    what: digests of the training pictures and of the generator that the stage before had handed on."""

    path: Path
    stage: str
    iteration: int
    settings: dict[str, Any]
    origin: dict[str, str]


def read_start(path: Path) -> Start:
    """Read a checkpoint's head, and all of it against its checksums.

    Raises:
        ValueError: the file is missing, damaged or no checkpoint of ours.
    """
    if not path.is_file():
        raise ValueError(f"resume={path}: no such file; wanted auto, never or a checkpoint's path")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.save writes a zip file, and torch.load looks at no checksum
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        stage, iteration = str(content["stage"]), int(content["iteration"])
        return Start(path, stage, iteration, dict(content["settings"]), dict(content["origin"]))
    except Exception as error:  # zipfile and torch.load answer damage with many types
        raise ValueError(f"{path}: damaged, or no checkpoint of wildsr ({first_line(error)})") from error


def find_start(resume: str, folder: Path, stage: str) -> Start | None:
    """The checkpoint that `resume` (auto, never or a path) means for a stage; None starts at iteration 0.

    A damaged last checkpoint is passed over, with a warning, for the one before it.

    Raises:
        ValueError: the path is no checkpoint of ours, or there are checkpoints and none is whole.
    """
    if resume == "never":
        return None
    if resume != "auto":
        given = read_start(Path(resume))
        if given.stage == stage:
            return given
    warned: list[Path] = []
    for path in _newest_first(folder / "checkpoints"):
        if any(path.samefile(other) for other in warned):  # last.ckpt is a further name of a numbered one
            continue
        try:
            return read_start(path)
        except ValueError as error:
            warned.append(path)
            print(f"warning: {error}; looking for the one before it", file=sys.stderr)
    if warned:
        raise ValueError(f"{folder / 'checkpoints'}: no checkpoint is whole; wanted resume=never to start over")
    return None


def _newest_first(folder: Path) -> Iterator[Path]:
    if (folder / LAST).is_file():
        yield folder / LAST
    yield from reversed(numbered(folder))


def refuse_other_settings(cfg: DictConfig, folder: Path, start: Start | None) -> None:
    """Refuse to go on with what was trained with other settings, be it a stage's folder or a checkpoint.

    A folder where nothing was trained refuses nothing: its configuration is of a start that failed.

    Raises:
        ValueError: one line with the keys that differ.
    """
    now = settings(OmegaConf.create(OmegaConf.to_container(cfg, resolve=True)))
    earlier: dict[str, dict[str, Any]] = {}
    if start is not None:
        earlier[str(start.path)] = start.settings
    if (folder / CONFIG).is_file() and is_trained(folder):
        earlier[str(folder)] = settings(OmegaConf.load(folder / CONFIG))
    for where, before in earlier.items():
        before = ADDED | before
        changed = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
        if changed:
            shown = "; ".join(f"{key}={before.get(key)}, now {now.get(key)}" for key in changed[:SHOWN])
            more = f" ({len(changed) - SHOWN} more differ)" if len(changed) > SHOWN else ""
            raise ValueError(
                f"{where} was trained with {shown}{more}; wanted the same settings to go on, or another "
                "name=NAME, or resume=never to start over"
            )


def is_trained(folder: Path) -> bool:
    """Return whether a stage's folder holds anything that was trained: a checkpoint, or the generator of its end."""
    return (folder / GENERATOR).is_file() or any(_newest_first(folder / "checkpoints"))


def warn_of_other_predecessor(first: Path | str | None, start: Start | None) -> None:
    """Say so where the stage before has been trained further, or anew, since this one began."""
    if start is not None and isinstance(first, Path) and start.origin["predecessor"] not in ("", digest(first)):
        print(
            f"warning: {start.path} began from another generator than {first} holds now; stage={start.stage} "
            "resume=never starts this stage over",
            file=sys.stderr,
        )


def digest(first: Path | str | None) -> str:
    """SHA-256 of the generator that the stage before has handed on; empty where a stage starts otherwise."""
    return hashlib.sha256(first.read_bytes()).hexdigest() if isinstance(first, Path) else ""


def settings(cfg: Any) -> dict[str, Any]:
    """What decides a stage's weights, flat: all but its length and where and how it is shown, kept and run."""
    flat: dict[str, Any] = {}
    waiting = [("", cfg)]
    while waiting:
        prefix, node = waiting.pop()
        for key in node:
            child, name = node[key], f"{prefix}{key}"
            if OmegaConf.is_dict(child):
                waiting.append((f"{name}.", child))
            elif not name.startswith(FREE):
                flat[name] = OmegaConf.to_container(child) if OmegaConf.is_list(child) else child
    return flat


def set_aside(folder: Path) -> None:
    """Rename what an earlier run left, so that a new one can begin; nothing is deleted."""
    if folder.exists():
        aside = next(p for n in itertools.count(1) if not (p := folder.with_name(f"{folder.name}.{n}")).exists())
        folder.rename(aside)
        print(f"set aside: {aside}")
