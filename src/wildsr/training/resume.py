"""Going on with a stage: from which checkpoint, and whether it was made with the same settings."""

from __future__ import annotations

import inspect
import itertools
import logging
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from pydoc import locate
from typing import Any, NamedTuple

import torch
import yaml

from wildsr.degradation.pool import pool_digest
from wildsr.io import CONFIG, GENERATOR, UserError, first_line
from wildsr.training.checkpoints import LAST

# The parts of a configuration that decide a stage's weights. What a user may change when a run goes on is not here:
# lengths, where files are, what validation shows, loggers and callbacks, and how an iteration is computed.
PARTS = (
    "scale", "seed", "data.train", "data.pairs", "data.paired_share", "data.crop", "data.patch", "data.undersized",
    "data.rotate", "data.batch_size", "degradation", "sharpen", "generator", "optimizer", "schedule",
)  # fmt: skip
STAGE_KEYS = ("number", "lr", "ema_decay", "clip_gradients", "predecessor")
PLACES = ("root", "lq", "hq", "hint", "file")  # keys that say where something is; a digest says what it is
POOL = "degradation.recipes"
MAX_SHOWN = 5  # differing keys that a message names

log = logging.getLogger(__name__)
Settings = dict[str, Any]


class Start(NamedTuple):
    """Describe a whole checkpoint: where it is, after how many iterations, and what its module's `origin` says.

    `origin` has `stage`, `settings`, and the digests `data` of the training images and `predecessor` of the
    generator that the stage before had handed on.
    """

    path: Path
    iteration: int
    origin: dict[str, Any]


def read_start(path: Path) -> Start:
    """Read a checkpoint's head, and all of it against its checksums.

    Raises:
        UserError: the file is missing, damaged, of wildsr 0.1, or no checkpoint of ours.
    """
    if not path.is_file():
        raise UserError(f"resume={path}: no such file; choose from auto, never, the path of a checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.save writes a zip file, and torch.load looks at no checksum
            damaged = archive.testzip()
        if damaged is not None:
            raise UserError(f"the checksum of {damaged} is wrong")
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if "settings" not in content:
            if "stage" not in content["origin"]:
                raise UserError("made outside a run; generator.weights=FILE starts from its weights")
            return Start(path, int(content["iteration"]), dict(content["origin"]))
    except Exception as error:  # zipfile and torch.load answer damage with many types
        raise UserError(f"{path}: damaged, or no checkpoint of wildsr ({first_line(error)})") from error
    raise OldRunError(path)


class OldRunError(UserError):
    """A run of wildsr 0.1, whose settings and optimizers mean other things."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was made by wildsr 0.1, whose runs do not go on; wanted another name=NAME or resume=never "
            f"to start over, from its weights if you like: generator.weights=FILE"
        )


def find_start(resume: str, folder: Path, stage: str) -> Start | None:
    """Return the checkpoint that `resume` (auto, never or a path) means for a stage; None starts at iteration 0.

    A damaged last checkpoint is passed over, with a warning, for the one before it.

    Raises:
        UserError: the path is no checkpoint of ours, or there are checkpoints and none is whole.
    """
    if resume == "never":
        return None
    if resume != "auto":
        given = read_start(Path(resume))
        if given.origin["stage"] == stage:
            return given
    warned: list[Path] = []
    for path in _newest_first(folder / "checkpoints"):
        if any(path.samefile(other) for other in warned):  # last.ckpt is a further name of a numbered one
            continue
        try:
            return read_start(path)
        except OldRunError:
            raise
        except UserError as error:
            warned.append(path)
            log.warning("warning: %s; looking for the one before it", error)
    if warned:
        raise UserError(f"{folder / 'checkpoints'}: no checkpoint is whole; wanted resume=never to start over")
    return None


def _newest_first(folder: Path) -> Iterator[Path]:
    if (folder / LAST).is_file():
        yield folder / LAST
    yield from sorted(folder.glob("iteration_*.ckpt"), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def refuse_other_settings(now: Settings, folder: Path, start: Start | None) -> None:
    """Refuse to go on with what was trained with other settings, be it a stage's folder or a checkpoint.

    Raises:
        UserError: one line with the keys that differ.
    """
    earlier: dict[Path, Settings] = {}
    if start is not None:
        earlier[start.path] = start.origin["settings"]
    with suppress(FileNotFoundError, yaml.YAMLError):
        if start is None and not (folder / GENERATOR).is_file():
            return  # it failed before anything was trained
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
        if "stages" not in config:
            raise OldRunError(folder)
        earlier[folder] = stage_settings(config, folder.name, now["generator.weights"] is not None)
        if POOL in earlier[folder] and POOL in now:  # it names a file: what that held then, only a checkpoint says
            earlier[folder][POOL] = now[POOL]
    for where, before in earlier.items():
        changed = [key for key in sorted(before | now) if not _is_same(key, before, now)]
        if changed:
            shown = "; ".join(f"{key}={before.get(key)}, now {now.get(key)}" for key in changed[:MAX_SHOWN])
            more = f" ({len(changed) - MAX_SHOWN} more differ)" if len(changed) > MAX_SHOWN else ""
            raise UserError(
                f"{where} was trained with {shown}{more}; wanted the same settings to go on, or another "
                "name=NAME, or resume=never to start over"
            )


def stage_settings(cfg: Mapping[str, Any], name: str, has_own_start: bool = True) -> Settings:
    """Return what decides a stage's weights, as flat keys and plain values.

    Args:
        cfg: the whole configuration, resolved, as plain dictionaries and lists.
        name: the stage's name.
        has_own_start: whether it starts from `generator.weights`; else from what the stage before hands on.
    """
    share, losses = cfg["data"]["paired_share"], cfg["stages"][name]["losses"]
    used = {term: node for term in losses if (node := cfg["loss"].get(term)) and node.get("weight", 1.0)}
    unused = ["data.pairs"] if share == 0 else ["data.train", "data.undersized", "degradation"] if share == 1 else []
    parts = [part for part in PARTS if part not in unused]
    parts += [f"loss.{term}" for term in used] + [f"stages.{name}.{key}" for key in STAGE_KEYS]
    if any(is_adversarial(node) for node in used.values()):
        parts.append("discriminator")
    found = {key: value for key, value in _leaves("", cfg) if any(f"{key}.".startswith(f"{part}.") for part in parts)}
    if not has_own_start:
        found["generator.weights"] = None
    if found.get(POOL) is not None:  # what a file of recipes holds counts, not where it is
        digest = pool_digest(found[POOL])
        found[POOL] = f"sha256 {digest[:12]}" if digest else found[POOL]
    return found


def is_adversarial(term: Mapping[str, Any]) -> bool:
    """Return whether a term of the configuration is a loss on a discriminator's logits."""
    return hasattr(locate(str(term["_target_"])), "discriminator_loss")


def _leaves(prefix: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the flat keys and the values below a node, without those that say where something is."""
    for name, child in node.items():
        key = f"{prefix}{name}"
        if isinstance(child, Mapping):
            yield from _leaves(f"{key}.", child)
        elif not (name in PLACES or (key.startswith("data.train.") and name == "_target_")):  # a folder or its store
            yield key, child


def _is_same(key: str, before: Settings, now: Settings) -> bool:
    """Return whether a key has one value in both; where one lacks it, its default counts: perhaps nothing, or off."""
    if key in before and key in now:
        return bool(before[key] == now[key])
    there = now if key in now else before
    node, _, name = key.rpartition(".")
    if there[key] in (None, [], "") or there[key] is False:
        return True
    target = f"{node}._target_"
    if before.get(target) is None or before.get(target) != now.get(target):
        return False
    parameters = inspect.signature(locate(before[target])).parameters  # type: ignore[arg-type]
    return name in parameters and bool(parameters[name].default == there[key])


def set_aside(folder: Path) -> None:
    """Rename what an earlier run left, so that a new one can begin; nothing is deleted."""
    if folder.exists():
        aside = next(p for n in itertools.count(1) if not (p := folder.with_name(f"{folder.name}.{n}")).exists())
        folder.rename(aside)
        log.info("set aside: %s", aside)
