"""Origin of a checkpoint: what its run's folder tells about it.

Everything in that folder is only read as text and numbers: it may be somebody else's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import torch
import yaml
from torch import nn

from wildsr.apps.evaluate.files import IMAGES, SCORES, Scores, number, read_scores, read_table, stage_row
from wildsr.apps.report.runs import read_config
from wildsr.data import images_digest, sample_photographs
from wildsr.images import find_images
from wildsr.io import CONFIG, GENERATOR, UserError, expanded
from wildsr.networks import load_generator
from wildsr.networks.released import GENERATORS
from wildsr.networks.states import weights_digest
from wildsr.scores import MAIN

NO_LICENCE = "not stated"
RELEASED_LICENCE = "BSD-3-Clause"  # of the repository that publishes all of GENERATORS, xinntao/Real-ESRGAN
RANDOM = "random weights"


@dataclass(frozen=True)
class Origin:
    """Facts known about a checkpoint.

    Attributes:
        facts: texts that travel with the weights: always `licence`, `source` and `weights_sha256`; of a run `stage`,
            `iterations`, `config_sha256`, and `data_sha256` and `images` where the training images are there.
        scores: the run's closing table, if it was made with these very weights.
        row: the table's row that belongs to these weights.
        remark: why there are no scores.
        images: the number of degraded images that were evaluated; 0: not known.
        start: what a run's training started from: a released name, a file's name, or RANDOM; "" outside of a run.
        start_licence: of what it started from.
        images_from: the training images in words, "" where that is not known.
        degradation: the configuration's, as YAML.
    """

    facts: dict[str, str]
    scores: Scores = field(default_factory=dict)
    row: str = ""
    remark: str = ""
    images: int = 0
    start: str = ""
    start_licence: str = ""
    images_from: str = ""
    degradation: str = ""


def find_origin(source: str | Path, generator: nn.Module, licence: str) -> Origin:
    """Find what the folder around a checkpoint, a file as `load_generator` reads it, tells about it.

    Raises:
        UserError: the run's config.yaml or scores.json is damaged.
    """
    path = expanded(source)
    facts = {"licence": licence or NO_LICENCE, "source": path.name}
    facts["weights_sha256"] = weights_digest(generator.state_dict())
    stage = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    if not path.is_file() or not (stage / CONFIG).is_file():
        return Origin(facts, remark="these weights do not lie in the folder of a run")
    config = read_config(stage / CONFIG)
    digest = hashlib.sha256((stage / CONFIG).read_bytes()).hexdigest()
    facts |= {"stage": stage.name, **_iterations(path), "config_sha256": digest, **_data_facts(config)}
    known = Origin(facts, **_training(config, facts.get("pictures")))
    final, table = stage / GENERATOR, stage.parent / SCORES
    if not table.is_file():
        return replace(known, remark="the run has not been evaluated")
    if not final.is_file() or weights_digest(load_generator(final).state_dict()) != facts["weights_sha256"]:
        return replace(known, remark="the run was evaluated with other weights, those of its end")
    row = stage_row(stage.name)
    rows = read_table(stage.parent / IMAGES)
    images = sum(one.get("set") == MAIN and one.get("method") == row for one in rows)
    return replace(known, scores=read_scores(table), row=row, images=images)


def _iterations(path: Path) -> dict[str, str]:
    """Return how long the weights were trained, where the file says so."""
    if path.suffix == ".ckpt":
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {"iterations": str(content["iteration"])} if "iteration" in content else {}
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, "pt") as file:
            texts = file.metadata() or {}
        return {"iterations": texts["iterations"]} if "iterations" in texts else {}
    return {}


def _data_facts(config: dict[str, Any]) -> dict[str, str]:
    """Return how many training images there are and their digest; nothing where they are not there."""
    data = config.get("data")
    train = data.get("train") if isinstance(data, dict) else None
    root, names = (train.get(key) for key in ("root", "names")) if isinstance(train, dict) else (None, None)
    try:
        if isinstance(root, str):
            folder = expanded(root)
            files = [folder / str(name) for name in names] if isinstance(names, list) else find_images(folder)
        elif isinstance(names, list):
            files = sample_photographs([str(name) for name in names]).paths
            folder = files[0].parent
        else:
            return {}
        return {"pictures": str(len(files)), "data_sha256": images_digest(files, folder)}
    except (UserError, OSError):
        return {}


def _training(config: dict[str, Any], count: str | None) -> dict[str, Any]:
    """Return what Origin tells of a run's training, without the names of folders of the machine it ran on."""
    generator = _node(config, "generator")
    start, licence = RANDOM, "none needed"
    if given := generator.get("weights"):
        start, licence = str(given), RELEASED_LICENCE
        if given not in GENERATORS:
            start, licence = Path(start).name, _licence(expanded(start))
    degradation = _node(config, "degradation")
    text = yaml.safe_dump(_without_targets(degradation), sort_keys=False, default_flow_style=None)
    share = number(_node(config, "data").get("paired_share")) or 0.0
    images = [_images_from(_node(config, "data", "train"), count)] if share < 1 else []
    images += [f"{share:.0%} of the samples are pairs of real LQ and HQ"] if share else []
    known = {"start": start, "start_licence": licence, "images_from": "; ".join(filter(None, images))}
    return known | {"degradation": text if degradation and share < 1 else ""}


def _images_from(train: dict[str, Any], count: str | None) -> str:
    """Return the training images in words: how many, and from where."""
    names, root = train.get("names"), train.get("root")
    if isinstance(root, str):
        return f"{count or 'images'} of the folder {Path(root).name}"
    if isinstance(names, list):
        return f"{count or ''} samples of scikit-image: {', '.join(map(str, names))}".strip()
    return ""


def _node(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a branch of a configuration; empty where there is none."""
    node: Any = config
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def _licence(file: Path) -> str:
    """Return the licence that a file of weights carries."""
    try:
        with safetensors.safe_open(file, "pt") as content:
            return str((content.metadata() or {}).get("licence", NO_LICENCE))
    except (OSError, safetensors.SafetensorError):
        return NO_LICENCE


def _without_targets(node: Any) -> Any:
    """Leave out which classes a configuration builds."""
    if isinstance(node, dict):
        return {key: _without_targets(value) for key, value in node.items() if not str(key).startswith("_")}
    return [_without_targets(value) for value in node] if isinstance(node, list) else node
