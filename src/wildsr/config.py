"""Composing the configuration, building its parts, and errors a person understands."""

from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from pydoc import locate
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from wildsr.io import ConfigError, UserError, can_be_mended, choose_from, first_line
from wildsr.overrides import check_kind, shell_word

PLUGINS = {  # options that an optional package brings
    "hydra/sweeper=optuna": "hydra-optuna-sweeper==1.3.0 'sqlalchemy<2', which install on Python 3.11 and 3.12",
    "hydra/launcher=submitit_": "hydra-submitit-launcher==1.2.0",
}
# ${remaining:N,DONE}: iterations that are left of N, one at least; a schedule after a warm-up has so many
OmegaConf.register_new_resolver("remaining", lambda total, done: max(total - done, 1), replace=True)
COMPOSING_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)  # of what was typed, or is in a file of conf/
BUGS = AttributeError | AssertionError | LookupError | NameError | ArithmeticError | NotImplementedError


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
        with hydra_initialized():
            check_options(overrides)
            check_overrides(overrides)
            return compose("train", list(overrides))
    except COMPOSING_ERRORS as error:
        raise ConfigError(explain(error)) from error


@contextmanager
def hydra_initialized() -> Iterator[None]:
    """Let Hydra compose from our folder, unless it is ready already: inside `hydra.main`, or of a caller."""
    if GlobalHydra.instance().is_initialized():
        yield
    else:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            yield


def check_options(overrides: Sequence[str]) -> None:
    """Check that what is given for a group is a name, where Hydra has a traceback for a number.

    Raises:
        ConfigError: it is not; the line names those that there are.
    """
    options = groups()
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        group, given = override.key_or_group, override.value()
        if not group:
            raise ConfigError(f"{override.input_line}: not understood; wanted KEY=VALUE")
        names = given if isinstance(given, list) else [given]
        is_named = all(isinstance(name, str) for name in names)
        if group in options and not (is_named or override.is_sweep_override() or override.is_delete()):
            none = f", or ~{group} for none" if given is None else ""
            raise ConfigError(f"{override.input_line}: no such option; {choose_from(options[group])}{none}")


def check_overrides(overrides: Sequence[str], config_name: str | None = "train") -> None:
    """Check that each override gives its key a value of the key's kind, as it is without all of them.

    Hydra has to be initialised. What it refuses itself, such as an unknown key, is not looked for here.

    Raises:
        ConfigError: one does not.
    """
    loader = GlobalHydra.instance().config_loader()
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    is_group = {o.key_or_group: bool(loader.get_group_options(o.key_or_group)) for o in parsed}
    others = [o for o in parsed if is_group[o.key_or_group] or o.package or o.is_add() or o.is_delete()]
    values = [o for o in parsed if o not in others and not o.key_or_group.startswith("hydra.")]
    before = compose(config_name, [str(o.input_line) for o in others]) if values else OmegaConf.create()
    for override in values:
        check_kind(override, before)


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
        while cause.__cause__ is not None and not isinstance(cause, UserError):  # which says more than its own cause
            cause = cause.__cause__
        if isinstance(cause, BUGS):
            raise cause from None
        where = next((line for line in str(error).splitlines() if line.startswith("full_key: ")), key)
        where = where.removeprefix("full_key: ")
        reason = explain_call(first_line(cause), str(error))
        if not reason.startswith(f"{where}."):  # some name their whole key
            # A spec's own message begins with the name of its field: join it to the key.
            reason = f"{where}.{reason}" if re.match(r"[\w.]+: given ", reason) else f"{where}: {reason}"
        is_file = isinstance(cause, OSError) or (isinstance(cause, UserError) and not isinstance(cause, ConfigError))
        kind = UserError if is_file else ConfigError
        raise kind(reason) from error


def explain_call(reason: str, error: str) -> str:
    """Word the refusal of a keyword, with the nearest that the target takes.

    Python's own suggestion, which it adds from 3.13 on, is left out: it depends on the version.

    Args:
        reason: the first line of what the call raised.
        error: Hydra's words, which name the target.
    """
    unknown = re.search(r"unexpected keyword argument '(\w+)'", reason)
    if not unknown:
        return reason
    target = re.search(r"'([\w.]+)'", error)
    called: Any = locate(target[1]) if target else None
    return f"no such key {unknown[1]!r}{nearest(unknown[1], inspect.signature(called).parameters) if called else ''}"


def report_error(error: BaseException) -> int:
    """Print what a user can mend in one line, any other error as a traceback; return the exit code.

    With WILDSR_DEBUG=1, which `--debug` sets, the traceback stands above the line, too.
    """
    if not is_explained(error) or os.environ.get("WILDSR_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    if is_explained(error):
        print(f"error: {explain(error)}", file=sys.stderr)
    return exit_code(error)


def is_explained(error: BaseException) -> bool:
    """Return whether an error is told in a line; any other is a bug, and keeps its traceback."""
    return can_be_mended(error) or isinstance(error, COMPOSING_ERRORS)


def exit_code(error: BaseException) -> int:
    """Return 2 for wrong use, 1 for failed work."""
    return 2 if isinstance(error, (ConfigError, *COMPOSING_ERRORS)) else 1


def explain(error: BaseException) -> str:
    """Word an error in one line, for a wrong override with the nearest names that there are."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught "):  # a DataLoader's worker puts the cause last
        return lines[-1].split(": ", 1)[-1]
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        quoted = re.fullmatch(r"(['\"])(.*)\1", value)
        way = shell_word(key, quoted[2] if quoted else value)
        wanted = f"a value with special characters wants quotes: {way}" if value else "wanted KEY=VALUE"
        return f"{error.override}: not understood; {wanted}"
    if several := re.match(r"Ambiguous value for argument '(.*)'\n", str(error)):
        key, _, value = several[1].partition("=")
        as_list = f'"{key}=[{value}]"'
        return f"{key}: given {value}, wanted {shell_word(key, value)} as text, {as_list} as a list, or -m to try each"
    if deleted := re.search(r"Could not delete from config\. '(.*)' does not exist", str(error)):
        with hydra_initialized():
            return f"~{deleted[1]}: no such key{nearest(deleted[1], _keys(compose('train')))}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        for plugin, packages in PLUGINS.items():
            if f"{group}={option}".startswith(plugin):
                return f"{group}={option} needs: pip install {packages}"
        options = [str(name) for name in error.options or []]
        return f"{group}={option}: no such option{nearest(option, options)}; {choose_from(options)}"
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: {error.problem}"
    if merged := re.match(r"Error merging override (.*)", str(error)):
        return f"{merged[1]}: does not fit there ({first_line(error.__cause__ or error)})"
    append = re.search(r"To append to your config use \+(.*)", str(error))
    node = getattr(error.__cause__, "parent_node", None)
    if append and node is not None:
        override, root = append[1], node._get_root()
        key = override.partition("=")[0]
        names = [*_keys(root), *groups()]
        return f"{override}: no such key{nearest(key, names)}{options_with(key)}; to add it: ++{override}"
    return first_line(error)


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return the end of an error line: the nearest of the valid names, or nothing where none is near."""
    valid, parts = sorted(set(valid)), given.split(".")
    disordered = [name for name in valid if set(parts) <= set(name.split("."))]  # in another order, or without parents
    misplaced = [name for name in valid if name.split(".")[-1] == parts[-1]]  # with wrong parents
    close = [get_close_matches(given, names, n=3, cutoff=0.0) for names in (disordered, misplaced)]
    found = dict.fromkeys(name for names in (*close, get_close_matches(given, valid, n=3)) for name in names)
    return f"; nearest: {', '.join(list(found)[:3])}" if found else ""


def options_with(key: str) -> str:
    """Return the middle of an error line: the options of the key's group that have it, or nothing where none has."""
    group, _, rest = key.partition(".")
    files = sorted((conf_folder() / group).glob("*.yaml"))
    options = [f"{group}={file.stem}" for file in files if rest in _keys(OmegaConf.load(file))]
    return f"; {', '.join(options)} {'has' if len(options) == 1 else 'have'} it" if options else ""


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield all keys but Hydra's own, with those that an interpolation such as `${kernels}` leads to."""
    for name in node:
        key = str(name)
        if f"{prefix}{key}" == "hydra":
            continue
        yield f"{prefix}{key}"
        child = OmegaConf.select(node, key, throw_on_resolution_failure=False)
        if isinstance(child, DictConfig):
            yield from _keys(child, f"{prefix}{key}.")
