"""Composing the configuration, building its parts, and errors a person understands."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from wildsr.io import UserError, can_be_mended, first_line

PLUGINS = {  # options that an optional package brings
    "hydra/sweeper=optuna": "hydra-optuna-sweeper==1.3.0 'sqlalchemy<2'",
    "hydra/launcher=submitit_": "hydra-submitit-launcher==1.2.0",
}
BUGS = AttributeError | AssertionError | LookupError | NameError | ArithmeticError | NotImplementedError


class ConfigError(UserError):
    """A choice, key or value that the configuration does not have: wrong use, not failed work."""


def conf_folder() -> Path:
    """Return the folder of the YAML files: inside the installed package, or beside `src` in a clone."""
    packaged = Path(__file__).resolve().parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "conf"


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """Compose `train.yaml` with overrides, as Hydra's command line takes them.

    Raises:
        ConfigError: a group, option, key or value is wrong; one line, with the nearest valid names.
    """
    try:
        if GlobalHydra.instance().is_initialized():  # inside `hydra.main`, or of a caller
            return compose("train", list(overrides))
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return compose("train", list(overrides))
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(explain(error)) from error


def chosen_options(overrides: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the option that overrides, which compose, choose of each of these groups."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        choices = compose("train", list(overrides), return_hydra_config=True).hydra.runtime.choices
    return {name: str(choices[name]) for name in names}


def stage_config(cfg: DictConfig, name: str) -> DictConfig:
    """Return the configuration as the stage of that name sees it: `stage.name` and what follows from it."""
    own = cfg.copy()
    own.stage.name = name
    return own


def groups() -> dict[str, list[str]]:
    """Return the configuration groups and their options, as they stand on disk."""
    found: dict[str, list[str]] = {}
    for file in sorted(conf_folder().rglob("*.yaml")):
        group = file.parent.relative_to(conf_folder()).as_posix()
        if group != ".":
            found.setdefault(group, []).append(file.stem)
    return found


def build(node: Any, key: str, **arguments: Any) -> Any:
    """Instantiate a node of the configuration.

    Raises:
        UserError: the node cannot be built; one line with its key and the reason.
    """
    try:
        return instantiate(node, **arguments)
    except (HydraException, OmegaConfBaseException) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, BUGS | ConfigError):
            raise cause from None
        where = next((line for line in str(error).splitlines() if line.startswith("full_key: ")), f"full_key: {key}")
        reason = first_line(cause)
        if isinstance(cause, TypeError) and "unexpected keyword argument" in reason:
            reason = f"no such key {reason.rsplit(' ', 1)[-1]}"
        # A spec's own message begins with the name of its field: join it to the key.
        joint = "." if re.match(r"[\w.]+: given ", reason) else ": "
        raise UserError(f"{where.removeprefix('full_key: ')}{joint}{reason}") from error


def report_error(error: BaseException, debug: bool = False) -> int:
    """Print what a user can mend in one line, any other error as a traceback; return the exit code.

    With `debug`, or WILDSR_DEBUG=1, the traceback stands above the line, too.
    """
    is_explained = can_be_mended(error) or isinstance(error, HydraException | OmegaConfBaseException)
    if debug or not is_explained or os.environ.get("WILDSR_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    if is_explained:
        print(f"error: {explain(error)}", file=sys.stderr)
    return 2 if isinstance(error, ConfigError | HydraException | OmegaConfBaseException) else 1


def explain(error: BaseException) -> str:
    """Word an error in one line, for a wrong override with the nearest names that there are."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught "):  # a DataLoader's worker puts the cause last
        return lines[-1].split(": ", 1)[-1]
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        way = f"a value with special characters wants quotes: \"{key}='{value}'\"" if value else "wanted KEY=VALUE"
        return f"{error.override}: not understood; {way}, for example experiment=quickstart"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        for plugin, packages in PLUGINS.items():
            if f"{group}={option}".startswith(plugin):
                return f"{group}={option} needs: pip install {packages}"
        options = [str(name) for name in error.options or []]
        return f"{group}={option}: no such option{nearest(option, options)}; wanted one of: {', '.join(options)}"
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: {error.problem}"
    append = re.search(r"To append to your config use \+(.*)", str(error))
    node = getattr(error.__cause__, "parent_node", None)
    if append and node is not None:
        override, root = append[1], node._get_root()
        key = override.partition("=")[0]
        names = [*_keys(root), *groups()]
        return f"{override}: no such key{nearest(key, names)}; to add it wants two plus signs: ++{override}"
    return first_line(error)


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return the end of an error line: the nearest of the valid names, or nothing where none is near."""
    valid, last = sorted(set(valid)), given.rsplit(".", 1)[-1]
    misplaced = [name for name in valid if name.rsplit(".", 1)[-1] == last]  # without its parents, or with wrong ones
    close = get_close_matches(given, misplaced, n=3, cutoff=0.0) + get_close_matches(given, valid, n=3, cutoff=0.6)
    return f"; nearest: {', '.join(list(dict.fromkeys(close))[:3])}" if close else ""


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield all keys but Hydra's own, with those that an interpolation such as `${kernels}` leads to."""
    for name in node:
        key = str(name)
        if f"{prefix}{key}" == "hydra":
            continue
        yield f"{prefix}{key}"
        child = OmegaConf.select(node, key, throw_on_resolution_failure=False)
        if isinstance(child, DictConfig):
            yield from _keys(child, f"{prefix}{key}.")
