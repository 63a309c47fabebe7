"""Composing the configuration, and errors a person understands."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException, MissingConfigException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wildsr.images import first_line

WORDS = "WILDSR_WORDS"  # environment: the command line, as JSON; a job on another machine has one of its own
PLUGINS = {  # options that an optional package brings
    "hydra/sweeper=optuna": "hydra-optuna-sweeper==1.3.0 'sqlalchemy<2'",
    "hydra/launcher=submitit_": "hydra-submitit-launcher==1.2.0",
}


class ConfigError(ValueError):
    """A choice, key or value that the configuration does not have: wrong use, not failed work."""


def label(overrides: Sequence[str]) -> str:
    """A job's folder in a multirun: what differs between the jobs, long numbers rounded, at most 120 characters.

    Where that leaves something out, it ends with a digest of the whole.
    """
    words = swept(overrides)
    whole = ",".join(words).replace("/", "_") or "run"
    name = re.sub(r"(?<==)-?\d+\.\d+(e[-+]\d+)?(?=,|$)", lambda number: f"{float(number[0]):.4g}", whole)
    if name == whole and len(name) <= 120:
        return name
    return f"{name[:110]}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def swept(overrides: Sequence[str]) -> list[str]:
    """The overrides of one job of a multirun that were not given with one value for all jobs."""
    given = json.loads(os.environ.get(WORDS, "[]"))
    given = [word for word in given if not word.startswith("-") and ("=" in word or word[0] == "~")]
    parsed = OverridesParser.create().parse_overrides(given)
    same = {override.get_key_element() for override in parsed if not override.is_sweep_override()}
    return [word for word in overrides if word.partition("=")[0] not in same]


OmegaConf.register_new_resolver("label", label, replace=True)


def conf_folder() -> Path:
    """Where the YAML files are: inside the installed package, or beside `src` in a clone."""
    packaged = Path(__file__).resolve().parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "conf"


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """Compose `train.yaml` with overrides, as Hydra's command line takes them.

    Raises:
        ConfigError: a group, option, key or value is wrong; one line, with the nearest valid names.
    """
    check(overrides)
    return _compose(overrides)


def check(overrides: Sequence[str]) -> None:
    """Refuse a group option or a key that does not exist. Sweeps are checked choice by choice.

    Raises:
        ConfigError: as `compose_config`.
    """
    parser = OverridesParser.create()
    parsed = []
    for override in overrides:
        try:
            parsed.append(parser.parse_override(override))
        except HydraException as error:
            key, _, value = override.partition("=")
            way = f"a value with special characters wants quotes: \"{key}='{value}'\"" if value else "wanted KEY=VALUE"
            raise ConfigError(f"{override}: not understood ({first_line(error)}); {way}") from error
    _check(parsed)
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    if len(fixed) < len(parsed):
        try:
            _compose(fixed)  # as Hydra does before it sweeps
        except ConfigError as error:
            raise ConfigError(f"{error} What only a swept option has wants two plus signs: ++KEY=VALUE") from error


def _check(overrides: Sequence[Override]) -> None:
    known = groups()
    chosen: list[str] = []
    for override in overrides:
        if override.key_or_group.startswith("hydra/"):  # Hydra's own groups: it knows what its plugins bring
            chosen.append(str(override.input_line))
        elif override.key_or_group in known:
            options = list(_choices(override))
            for option in options:
                if option not in known[override.key_or_group]:
                    raise ConfigError(
                        f"{override.key_or_group}={option}: no such option"
                        f"{nearest(option, known[override.key_or_group], everything=True)}"
                    )
            chosen += [f"{override.key_or_group}={option}" for option in options[:1]]
    keys = set(_keys(_compose(chosen)))
    for override in overrides:
        key = override.key_or_group
        if key in known or override.is_add() or override.is_force_add() or re.match(r"hydra\b", key):
            continue
        if key not in keys:
            raise ConfigError(f"{override.input_line}: no such key{nearest(key, [*keys, *known])}")


def groups() -> dict[str, list[str]]:
    """The configuration groups and their options, as they stand on disk."""
    found: dict[str, list[str]] = {}
    for file in sorted(conf_folder().rglob("*.yaml")):
        group = file.parent.relative_to(conf_folder()).as_posix()
        if group != ".":
            found.setdefault(group, []).append(file.stem)
    return found


def nearest(given: str, valid: Iterable[str], everything: bool = False) -> str:
    """The end of an error line: the nearest valid names, and on wish all of them."""
    valid = sorted(set(valid))
    close = get_close_matches(given, valid, n=3, cutoff=0.6)
    if not close:  # a key given without its parents, or with the wrong ones
        close = [name for name in valid if name.rsplit(".", 1)[-1] == given.rsplit(".", 1)[-1]][:3]
    text = f"; nearest: {', '.join(close)}" if close else ""
    return f"{text}; wanted one of: {', '.join(valid)}" if everything else text


def build(node: Any, key: str, **arguments: Any) -> Any:
    """Instantiate a node of the configuration.

    Raises:
        ValueError: the node cannot be built; one line with its key and the reason.
    """
    try:
        return instantiate(node, **arguments)
    except (HydraException, OmegaConfBaseException) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        where = next((line for line in str(error).splitlines() if line.startswith("full_key: ")), f"full_key: {key}")
        reason = _reason(cause)
        # A spec's own message begins with the name of its field: join it to the key.
        joint = "." if re.match(r"[\w.]+: given ", reason) else ": "
        raise ValueError(f"{where.removeprefix('full_key: ')}{joint}{reason}") from error


def _reason(cause: BaseException) -> str:
    text = first_line(cause)
    if isinstance(cause, TypeError) and "unexpected keyword argument" in text:
        return f"no such key {text.rsplit(' ', 1)[-1]}"
    return text


def _choices(override: Override) -> Iterator[str]:
    """The options an override names; a sweep names several, a glob none that are known here."""
    value = override.value()
    if override.is_delete() or value is None:
        return
    if isinstance(value, Glob):
        return
    if override.is_sweep_override():
        yield from override.sweep_string_iterator()
        return
    yield from (str(item) for item in (value if isinstance(value, list) else [value]))


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """All keys of a configuration, with those that an interpolation such as `kernels: ${kernels}` leads to."""
    for name in node:
        key = str(name)
        yield f"{prefix}{key}"
        child = None if OmegaConf.is_missing(node, key) else OmegaConf.select(node, key)
        if isinstance(child, DictConfig):
            yield from _keys(child, f"{prefix}{key}.")


def _explained(error: Exception) -> str:
    """An error of composing in one line, with the command that installs what is missing, or the options there are."""
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        for plugin, packages in PLUGINS.items():
            if f"{group}={option}".startswith(plugin):
                return f"{group}={option} needs: pip install {packages}"
        if error.options:
            return f"{first_line(error)}; wanted one of: {', '.join(error.options)}"
    return first_line(error)


def _compose(overrides: Sequence[str]) -> DictConfig:
    state = GlobalHydra.instance()
    outer = state.hydra  # set while hydra.main runs a job of its own
    state.clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return compose("train", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explained(error)) from error
    finally:
        state.clear()
        state.hydra = outer
