"""Parts of a user's own file go through all that a run is, and nothing of the package knows them."""

import inspect
import json
import logging
import re
from pathlib import Path

import mine
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import load_file

from wildsr import train as program
from wildsr.apps.report import callback
from wildsr.building import build_data
from wildsr.config import build, conf_folder, stage_config
from wildsr.data import Batch
from wildsr.io import UserError
from wildsr.metrics import chosen_metrics
from wildsr.networks import load_generator, load_weights
from wildsr.training.pairs import validation_pair
from wildsr.training.validation import upscale_batch

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture
def train_mine(photographs, tmp_path):
    """train_mine(folder, iterations, …): train everything in mine.py in a folder, both stages."""

    def run(folder, iterations, *more):
        words = [
            f"stages.{stage}.{key}={value}"
            for stage in ("psnr", "gan")
            for key, value in (("iterations", iterations), ("iterations_per_epoch", 1), ("checkpoint_every", 1))
        ]
        tiny = [
            "data.crop=64",
            "data.patch=32",
            "data.batch_size=2",
            "data.val_recipes=1",
            "trainer.log_every_n_steps=1",
        ]
        folders = ["data=folder", f"data.train.root='{photographs}'", f"data.val.root='{photographs}'"]
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            search = f"hydra.searchpath=['file://{HERE / 'conf'}']"
            cfg = compose("train", [search, "experiment=mine", *folders, *tiny, *words, *more])
        cfg.paths.run = str(folder)
        program.train(cfg)
        return cfg

    return run


def checkpoint(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_parts_of_ones_own_train_both_stages_are_evaluated_and_resume_exactly(
    train_mine, tmp_path, monkeypatch, capsys
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    pages, write = [], callback.write_report
    monkeypatch.setattr(callback, "write_report", lambda *a, **k: pages.append(write(*a, **k).read_text()))
    train_mine(stopped, 2)
    assert len(pages) == 4 and all("Sharpness: higher is better" in page for page in pages)  # while the run goes on
    screen = capsys.readouterr().out
    assert re.search(r"PSNR-Y ↑ \(dB\)\W+Sharpness", screen)
    scores = json.loads((stopped / "scores.json").read_text())
    assert list(scores["gan stage"])[:2] == ["psnr_y", "sharpness"]
    assert "psnr_y,sharpness,recipe" in (stopped / "images.csv").read_text().splitlines()[0]
    assert "first.posterise.levels" in (stopped / "degradation.json").read_text()  # drawn for the training
    assert (stopped / "iterations.txt").read_text().split() == ["1", "2", "1", "2"]  # the callback, in both stages
    report = (stopped / "report.html").read_text()
    assert "Sharpness" in report and "higher is better" in report
    for stage in ("psnr", "gan"):
        curves = (stopped / stage / "own" / "version_0" / "metrics.csv").read_text()  # the logger
        assert "val/sharpness" in curves and "loss/frequency" in curves
        best = torch.load(stopped / stage / "checkpoints" / "best.ckpt", weights_only=True)["callbacks"]
        assert any(state.get("monitor") == "val/sharpness" for state in best.values())

    train_mine(stopped, 3)  # goes on
    train_mine(whole, 3)
    first, second = checkpoint(whole / "psnr"), checkpoint(stopped / "psnr")
    assert first["iteration"] == second["iteration"] == 3
    assert all(torch.equal(first["state_dict"][name], second["state_dict"][name]) for name in first["state_dict"])
    assert first["lr_schedulers"][0]["_last_lr"] == [1e-4]  # the schedule: 2e-4 halved after two iterations
    assert second["lr_schedulers"][0]["_last_lr"] == [1e-4]


def test_weights_of_an_own_network_come_back_by_its_class_and_are_refused_where_none_is_given(
    train_mine, tmp_path, caplog
):
    caplog.set_level(logging.INFO, "wildsr")
    cfg = train_mine(tmp_path, 1, "validate_first=true")
    assert any(re.search(r"before its first iteration: PSNR-Y \S+, Sharpness \d", line) for line in caplog.messages)
    file = tmp_path / "gan" / "generator.safetensors"
    network = mine.Shuffler(4, 3, 4)
    load_weights(network, file)
    assert all(torch.equal(tensor, load_file(file)[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(UserError, match=r"generator\.safetensors: neither an RRDBNet nor a CompactNet") as error:
        load_generator(file)
    assert "\n" not in str(error.value)
    load_weights(build(cfg.generator.network, "generator.network"), file)

    # They are the trained average, and the scores are those of the network with these weights.
    trained = checkpoint(tmp_path / "gan")["state_dict"]
    assert all(torch.equal(tensor, trained[f"ema.module.{name}"]) for name, tensor in network.state_dict().items())
    sharpness = mine.Sharpness(border=4)
    for item in build_data(stage_config(cfg, "gan")).val["main"]:
        sharpness.update(upscale_batch(network.eval(), validation_pair(Batch.collate([item])).lq))
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["gan stage"]["sharpness"] == pytest.approx(float(sharpness.compute()), rel=1e-6)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"psnr_y": mine.Sharpness()}, r"metric\.psnr_y: wanted a name"),
        ({"sharp/ness": mine.Sharpness()}, r"metric\.sharp/ness: wanted a name"),
        ({"sharpness": torch.nn.Identity()}, r"metric\.sharpness: given a Identity, wanted a torchmetrics\.Metric"),
    ],
)
def test_a_metric_that_cannot_be_one_is_refused_by_its_key(own, wanted):
    with pytest.raises(UserError, match=wanted):
        chosen_metrics(["psnr_y"], 0, own=own)


def test_an_own_metric_is_measured_without_a_reference_where_it_wants_none():
    images = torch.zeros(1, 3, 2, 3)
    images[..., 2] = 0.5  # differences of 0 and 0.5 across: 0.25 in the mean, of 255 levels
    found = chosen_metrics(["psnr_y", "sharpness"], 0, reference=False, own={"sharpness": mine.Sharpness()})
    assert list(found) == ["sharpness"]
    assert float(found["sharpness"](images)) == pytest.approx(63.75)


def test_a_degradation_of_the_operations_that_are_there_composes_and_draws_them():
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        search = f"hydra.searchpath=['file://{HERE / 'conf'}']"
        spec = build(compose("train", [search, "degradation=sent"]).degradation, "degradation")
    rng = np.random.default_rng(0)
    recipes = [[step.op for step in spec.draw(rng).steps] for _ in range(200)]
    assert {tuple(op for op in ops if op in ("jpeg", "webp")) for ops in recipes} == {
        (), ("jpeg",), ("webp",), ("jpeg", "webp"), ("webp", "jpeg"),
    }  # fmt: skip
    assert sum(ops[0] == "defocus" for ops in recipes) == pytest.approx(40, abs=29)


def test_the_page_shows_these_files():
    page = PAGE.read_text()
    for part in (
        mine.Shuffler, mine.Patches, mine.FrequencyLoss, mine.Sharpness, mine.Posterise, mine.CountIterations,
        mine.OwnLogger, mine.SignDescent, mine.Halving, mine.LPIPSLoss,
    ):  # fmt: skip
        assert inspect.getsource(part).strip() in page, part.__name__
    blocks = [OmegaConf.create(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.S)]
    nodes = [OmegaConf.to_container(block) for block in blocks]
    files = [OmegaConf.to_container(OmegaConf.load(file)) for file in (HERE / "conf").rglob("*.yaml")]
    for node in nodes:
        assert any(is_part(node, file) for file in files), node


def is_part(node, whole):
    """Return whether nested dicts are in others, value for value."""
    if isinstance(node, dict) and isinstance(whole, dict):
        return all(key in whole and is_part(value, whole[key]) for key, value in node.items())
    return node == whole
