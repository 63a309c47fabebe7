"""What differs between configurations, and what a run's command changed of its experiment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from omegaconf import OmegaConf

from wildsr.apps.report.runs import Run
from wildsr.config import ConfigError, compose_config, groups

# Where and how a run is kept, shown and carried out: two runs that differ in nothing else are the same run.
SILENT = (
    "name", "resume", "compare", "objective", "validate_first", "paths.", "logger.", "callbacks.", "data.workers",
    "data.degrade_in", "trainer.devices", "trainer.max_time", "trainer.log_every_n_steps", "evaluate.", "stage.",
    "tags",
)  # fmt: skip
ABSENT = "–"
LEAVES = 3
GIVEN = "{…}"  # a whole branch

Flat = dict[str, Any]


def flat(config: Mapping[str, Any], prefix: str = "") -> Flat:
    """Return the leaves of nested dictionaries by their dotted keys; a list is a leaf."""
    leaves: Flat = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def telling(config: Mapping[str, Any]) -> Flat:
    """Return the leaves that tell a run from others."""
    return {key: value for key, value in flat(config).items() if not f"{key}".startswith(SILENT)}


def differing(configs: Sequence[Flat]) -> list[tuple[str, list[str]]]:
    """Return the keys that do not have one value in all of them, each with its values in words.

    Where one has nothing and another a whole branch, the branch is one key; of one that only some have, and all of them
    alike, each leaf is a key where there are LEAVES at most. What an interpolation repeats, such as
    degradation.kernels.iso beside kernels.iso, is left out.
    """
    keys = list(dict.fromkeys(key for config in configs for key in config))
    leaves = set(keys)
    branches = {key for key in keys if any(other.startswith(f"{key}.") for other in leaves)}
    keys = [key for key in keys if not any(key.startswith(f"{branch}.") for branch in branches)]
    keys = list(dict.fromkeys(_lone_branch(key, keys, configs) or key for key in keys))
    found = {}
    for key in keys:
        values = [_words(config, key) for config in configs]
        if len(set(values)) > 1:
            found[key] = values
    return [
        (key, values)
        for key, values in found.items()
        if not any(key.endswith(f".{other}") and values == found[other] for other in found)
    ]


def _lone_branch(key: str, keys: Sequence[str], configs: Sequence[Flat]) -> str:
    """Return the uppermost branch above a key that some have alike and others not at all, if it is large; else ""."""
    if all(key in config for config in configs):
        return ""
    parts = key.split(".")
    for branch in (".".join(parts[:n]) for n in range(1, len(parts))):
        below = [other for other in keys if other.startswith(f"{branch}.")]
        contents = {tuple(_words(config, other) for other in below) for config in configs}
        if (ABSENT,) * len(below) in contents:
            return branch if len(contents) == 2 and len(below) > LEAVES else ""
    return ""


def _words(config: Flat, key: str) -> str:
    if key not in config:
        return GIVEN if any(other.startswith(f"{key}.") for other in config) else ABSENT
    return words(config[key])


def words(value: Any) -> str:
    """Write a value as one would give it on the command line; 1.0 is 1."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        return f"[{', '.join(map(words, value))}]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def changed(run: Run) -> tuple[str, list[tuple[str, list[str]]]] | None:
    """Return the experiment of a run, and what its last stage's configuration changes of it: key -> (here, there).

    None where the experiment is not known here, or has changed so that it does not compose any more.
    """
    given = dict(word.lstrip("+").partition("=")[::2] for word in run.overrides)
    experiment = given.get("experiment", "")
    if experiment not in groups().get("experiment", []):
        return None
    try:
        there = _defaults(experiment)
    except ConfigError:
        return None
    return experiment, differing([telling(run.config), there])


@lru_cache(maxsize=8)  # composing takes half a second, and a run writes its report at each validation
def _defaults(experiment: str) -> Flat:
    cfg = compose_config([f"experiment={experiment}"])
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    return telling(content)
