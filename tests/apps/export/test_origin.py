"""What a run's folder tells about a checkpoint."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from wildsr.apps.evaluate import results
from wildsr.apps.export import origin
from wildsr.apps.export.origin import find_origin
from wildsr.networks import CompactNet, load_generator, save_generator
from wildsr.networks.states import weights_digest
from wildsr.training import resume

SCORES = {"bicubic": {"psnr_y": 22.44}, "gan stage": {"psnr_y": 23.1, "ssim_y": 0.667}}


def network(seed: int = 0) -> CompactNet:
    torch.manual_seed(seed)
    return CompactNet(2, 3, features=4, convs=1).eval()


@pytest.fixture
def stage(tmp_path: Path, photographs: Path) -> Path:
    """A run's gan stage: its configuration, a checkpoint, its generator, and the run's scores."""
    folder = tmp_path / "runs" / "mine" / "gan"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(f"data: {{train: {{root: '{photographs}', names: null}}}}\n")
    (folder.parent / "scores.json").write_text(json.dumps(SCORES))
    save_generator(network(), folder / "generator.safetensors", {"stage": "gan", "iterations": "100"})
    state = {f"ema.module.{name}": tensor for name, tensor in network(1).state_dict().items()}
    torch.save({"state_dict": state, "iteration": 50, "stage": "gan"}, folder / "checkpoints" / "last.ckpt")
    return folder


def found(path: Path) -> origin.Origin:
    return find_origin(str(path), load_generator(path), "")


def test_the_names_are_those_of_a_run():
    assert (origin.SCORES, origin.CONFIG, origin.GENERATOR) == (results.SCORES, resume.CONFIG, resume.GENERATOR)


def test_a_generator_of_a_run_brings_its_facts_and_scores(stage, photographs):
    given = found(stage / "generator.safetensors")
    names = sorted(photographs.rglob("*.*g")) + sorted(photographs.rglob("*.webp"))
    lines = "".join(sorted(f"{file.relative_to(photographs).as_posix()} {file.stat().st_size}\n" for file in names))
    assert given.facts == {
        "licence": "not stated",
        "source": "generator.safetensors",
        "weights_sha256": weights_digest(network().state_dict()),
        "stage": "gan",
        "iterations": "100",
        "config_sha256": hashlib.sha256((stage / "config.yaml").read_bytes()).hexdigest(),
        "pictures": "4",
        "data_sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }
    assert given.scores == SCORES
    assert given.row == "gan stage"


def test_a_checkpoint_of_the_same_run_with_other_weights_has_no_scores(stage):
    given = found(stage / "checkpoints" / "last.ckpt")
    assert given.facts["iterations"] == "50"
    assert given.scores == {}
    assert given.remark == "the run was evaluated with other weights, those of its end"
    state = {f"ema.module.{name}": tensor for name, tensor in network().state_dict().items()}
    torch.save({"state_dict": state, "iteration": 100, "stage": "gan"}, stage / "checkpoints" / "last.ckpt")
    assert found(stage / "checkpoints" / "last.ckpt").scores == SCORES


def test_a_run_that_was_not_evaluated_has_no_scores(stage):
    (stage.parent / "scores.json").unlink()
    assert found(stage / "generator.safetensors").remark == "the run has not been evaluated"


def test_weights_outside_of_a_run_bring_only_themselves(tmp_path):
    save_generator(network(), tmp_path / "a.pth")
    given = find_origin(tmp_path / "a.pth", network(), "MIT")
    assert given.facts == {
        "licence": "MIT",
        "source": "a.pth",
        "weights_sha256": weights_digest(network().state_dict()),
    }
    assert find_origin("realesr-animevideov3", network(), "").facts["source"] == "realesr-animevideov3"


def test_training_images_that_are_gone_leave_their_digest_out(stage, photographs):
    before = found(stage / "generator.safetensors").facts["data_sha256"]
    (photographs / "a.png").write_bytes(b"another")
    assert found(stage / "generator.safetensors").facts["data_sha256"] != before
    (stage / "config.yaml").write_text("data: {train: {root: /nowhere}}\n")
    assert "data_sha256" not in found(stage / "generator.safetensors").facts


def test_the_sample_photographs_have_a_digest_too(stage):
    (stage / "config.yaml").write_text("data: {train: {names: [coffee.png, rocket.jpg]}}\n")
    assert found(stage / "generator.safetensors").facts["pictures"] == "2"


@pytest.mark.parametrize("text", ["", "[1, 2]", "data: 3", "data: {train: null}", "data: {train: {root: 3}}"])
def test_a_configuration_without_images_is_no_fault(stage, text):
    (stage / "config.yaml").write_text(text or "{}")
    if text.startswith("["):
        with pytest.raises(ValueError, match=r"config\.yaml: damaged; wanted a run's configuration$"):
            found(stage / "generator.safetensors")
    else:
        assert "pictures" not in found(stage / "generator.safetensors").facts


def test_nothing_in_a_configuration_is_looked_up_or_built(stage, monkeypatch, photographs):
    monkeypatch.setenv("PHOTOGRAPHS", str(photographs))
    (stage / "config.yaml").write_text("data: {train: {_target_: os.getcwd, root: '${oc.env:PHOTOGRAPHS}'}}\n")
    assert "pictures" not in found(stage / "generator.safetensors").facts


@pytest.mark.parametrize(("name", "text"), [("config.yaml", "a: [1"), ("../scores.json", "{"), ("../scores.json", "3"),
                                            ("../scores.json", '{"a": {"b": "c"}}')])  # fmt: skip
def test_a_damaged_file_of_a_run_is_named(stage, name, text):
    (stage / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{Path(name).name}: damaged \("):
        found(stage / "generator.safetensors")


def test_a_digest_belongs_to_the_weights_whatever_file_they_are_in(tmp_path):
    digest = weights_digest(network().state_dict())
    save_generator(network(), tmp_path / "a.pth")
    assert weights_digest(load_generator(tmp_path / "a.pth").state_dict()) == digest
    other = network()
    with torch.no_grad():
        other.body[0].bias[0] += 1e-3
    assert weights_digest(other.state_dict()) != digest


TRAINED = """
generator: {weights: START}
degradation: {_target_: wildsr.degradation.DegradationSpec, scale: 4, first: {jpeg: {quality: [30, 95]}}}
data: {paired_share: SHARE, train: {root: ROOT, names: null}}
"""


def trained(stage, photographs, start="null", share="0.0"):
    text = TRAINED.replace("START", start).replace("SHARE", share).replace("ROOT", str(photographs))
    (stage / "config.yaml").write_text(text)
    return found(stage / "generator.safetensors")


def test_what_a_run_started_from_is_told_with_its_licence_and_without_this_machine_s_folders(stage, photographs):
    assert (trained(stage, photographs).start, trained(stage, photographs).start_licence) == (
        "random weights",
        "none needed",
    )
    released = trained(stage, photographs, "realesr-animevideov3")
    assert (released.start, released.start_licence) == ("realesr-animevideov3", "BSD-3-Clause")
    save_generator(network(), stage / "own.safetensors", {"licence": "CC0-1.0"})
    own = trained(stage, photographs, str(stage / "own.safetensors"))
    assert (own.start, own.start_licence) == ("own.safetensors", "CC0-1.0")
    assert trained(stage, photographs, "/gone/own.pth").start_licence == "not stated"


def test_training_images_and_degradation_are_told(stage, photographs):
    given = trained(stage, photographs)
    assert given.images_from == f"4 of the folder {photographs.name}"
    assert given.degradation == "scale: 4\nfirst:\n  jpeg:\n    quality: [30, 95]\n"
    mixed = trained(stage, photographs, share="0.25")
    assert mixed.images_from.endswith("; 25% of the samples are pairs of real LQ and HQ") and mixed.degradation
    assert trained(stage, photographs, share="1.0").degradation == ""


def test_the_evaluated_images_are_counted(stage, photographs):
    rows = ["set,picture,version,method,psnr_y,recipe", "main,a,0,gan stage,20,", "main,a,1,gan stage,21,"]
    rows += ["main,a,0,bicubic,19,", "hard,a,0,gan stage,18,"]
    (stage.parent / "images.csv").write_text("\n".join(rows))
    assert found(stage / "generator.safetensors").images == 2
