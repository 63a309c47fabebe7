"""Overrides as people type them: flags anywhere, text as Hydra and the shell take it, values of the key's kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.utils import get_args_parser  # Hydra has no public name for it
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig, ListConfig, OmegaConf

from wildsr.checks import check_argument
from wildsr.io import ConfigError, choose_from

# Keys of text that are null by default; others are known by their default.
TEXT = re.compile(r"(generator|discriminator)\.weights|data\.pairs\.(lq|hq)|objective|stages\.\w+\.predecessor")
# Keys that cannot be null, unless they are so by default; of others it is for those who use them to say.
NEEDED = re.compile(r"(?!evaluate$)\w+|stages\.\w+(\.losses)?|stage\.\w+|data\.sets|paths\.\w+")
TEXT_OR_NODE = re.compile(r"data\.(sets\.[\w-]+\.(lq|hq)|train\.root)")  # a folder, or what makes images
ANY_KIND = re.compile(r"trainer\..*")  # Lightning's Trainer takes several of a key, such as devices=2 or auto
FOLDERS = {"data.train": "data=folder data.train.root=", "data.val": "data=folder data.val.root="}


def split_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide a command line into its overrides and Hydra's flags, in any order, such as `a=1 -m b=2`.

    Hydra itself takes overrides from one place only: b=2 would be no argument that it knows.

    Raises:
        ConfigError: Hydra has no such flag.
    """
    parser = get_args_parser()

    def refuse(message: str) -> None:
        raise ConfigError(f"{message} (--hydra-help explains Hydra's flags)")

    parser.error = refuse  # type: ignore[method-assign, assignment]
    parser._check_value = check_argument  # type: ignore[method-assign]
    overrides = parser.parse_intermixed_args(list(words)).overrides
    flags = list(words)
    for override in reversed(overrides):  # a flag's own value stands before them
        del flags[len(flags) - 1 - flags[::-1].index(override)]
    return overrides, flags


def typed_overrides(hydra: Any) -> list[str]:
    """Return a job's overrides as they were typed, of its node `hydra`: read one by one, `${…}` would be resolved."""
    words: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return list(words)


def own_overrides(hydra: Any) -> list[str]:
    """Return the overrides of a job, of its node `hydra`, that not every job of its multirun has."""
    same = hydra.job.config.override_dirname.exclude_keys
    parsed = OverridesParser.create().parse_overrides(typed_overrides(hydra))
    return [str(override.input_line) for override in parsed if override.key_or_group not in same]


def shell_word(key: str, text: str) -> str:
    """Return what to type in a shell for a key to have this text, whatever is in it: "name='1e3'"."""
    quoted = QuotedString(text, Quote.double if "'" in text else Quote.single).with_quotes()
    return '"' + re.sub(r'([\\"$`])', r"\\\1", f"{key}={quoted}") + '"'


def check_kind(override: Override, before: DictConfig) -> None:
    """Check that an override gives a key a value of its kind: text, true or false, a list, a mapping's keys one by one.

    Args:
        before: the configuration without it. What numbers have to be is checked where they are used.

    Raises:
        ConfigError: it does not; the line says what to write.
    """
    key, given = override.key_or_group, override.value()
    default = OmegaConf.select(before, key, throw_on_resolution_failure=False)
    if given is None and default is not None and NEEDED.fullmatch(key):
        raise ConfigError(f"{key}: given null, wanted a value")
    if given is None or override.is_sweep_override() or ANY_KIND.fullmatch(key) or "${" in str(given):
        return
    if given == "" and default != "":
        none = f"; {key}=null stands for none" if default is None or TEXT.fullmatch(key) else ""
        raise ConfigError(f"{key}: given nothing, wanted {key}=VALUE{none}")
    raw = (override.input_line or "").partition("=")[2].strip()
    if isinstance(default, bool) and not isinstance(given, bool):
        raise ConfigError(f"{key}: given {raw}; {choose_from(('true', 'false'))}")
    wanted = ""
    if TEXT_OR_NODE.fullmatch(key):
        if not isinstance(given, str | dict):
            wanted = f"text: {shell_word(key, raw)}"
        if key == "data.train.root" and isinstance(given, list):
            wanted += f"; several: '{key}={{a: {{root: DIR, weight: 1}}, b: …}}'"
    elif isinstance(default, str) or TEXT.fullmatch(key):
        wanted = "" if isinstance(given, str) else f"text: {shell_word(key, raw)}"
    elif isinstance(default, DictConfig):
        wanted = "" if isinstance(given, dict) else _instead_of_mapping(key, given, raw, default)
    elif isinstance(default, ListConfig):
        wanted = "" if isinstance(given, list) else f'a list: "{key}=[{raw}]"'
    if wanted:
        raise ConfigError(f"{key}: given {raw}, wanted {wanted}")


def _instead_of_mapping(key: str, given: Any, raw: str, mapping: DictConfig) -> str:
    """Return what to write where a mapping was given one value."""
    if given is False:
        return f"{key}=null to leave it out"
    if key in FOLDERS and isinstance(given, str):
        return f"{FOLDERS[key]}{raw}"
    names = [str(name) for name in mapping if not str(name).startswith("_")]
    word = f"weight={raw}" if "weight" in names else "KEY=VALUE"  # a loss had no other key in 0.1
    return f"{key}.{word}; its keys: {', '.join(names)}" if names else f"{key}={{KEY: VALUE}}"
