"""Origin of a checkpoint: what its run's folder tells about it.

Everything in that folder is only read as text and numbers: it may be somebody else's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import nn

from wildsr.apps.evaluate.files import SCORES, stage_row
from wildsr.apps.report.runs import read_config
from wildsr.data import images_digest, sample_photographs
from wildsr.images import expanded, find_images
from wildsr.io import CONFIG, GENERATOR, UserError
from wildsr.networks import load_generator
from wildsr.networks.states import weights_digest
from wildsr.scores import Scores, read_scores

NO_LICENCE = "not stated"


@dataclass(frozen=True)
class Origin:
    """Facts known about a checkpoint.

    Attributes:
        facts: texts that travel with the weights: always `licence`, `source` and `weights_sha256`; of a run `stage`,
            `iterations`, `config_sha256`, and `data_sha256` and `images` where the training images are there.
        scores: the run's closing table, if it was made with these very weights.
        row: the table's row that belongs to these weights.
        remark: why there are no scores.
    """

    facts: dict[str, str]
    scores: Scores = field(default_factory=dict)
    row: str = ""
    remark: str = ""


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
    facts |= {"stage": stage.name, **_iterations(path), "config_sha256": _sha256((stage / CONFIG).read_bytes())}
    facts |= _data_facts(read_config(stage / CONFIG))
    final, table = stage / GENERATOR, stage.parent / SCORES
    if not table.is_file():
        return Origin(facts, remark="the run has not been evaluated")
    if not final.is_file() or weights_digest(load_generator(final).state_dict()) != facts["weights_sha256"]:
        return Origin(facts, remark="the run was evaluated with other weights, those of its end")
    return Origin(facts, read_scores(table), row=stage_row(stage.name))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
