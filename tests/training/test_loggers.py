"""Scalars and panels reach every logger, without an account, a network or a prompt."""

import csv
import json

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wildsr.config import WORDS, conf_folder
from wildsr.train import train
from wildsr.training import wandb_logger

TINY = [
    "generator=tiny", "discriminator.network.features=4", "loss=no_perceptual", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "data.val_recipes=1", "stage.iterations=2", "stage.iterations_per_epoch=1", "compare=false",
    "callbacks.curves.every=1",
]  # fmt: skip


def test_every_logger_gets_the_same_curves_and_panels(photographs, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no key of the user's
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    folders = ["data=folder", f"data.train.root='{photographs}'", f"data.val.root='{photographs}'"]
    train([*folders, *TINY, "logger=[wandb,tensorboard]"], tmp_path / "run")
    for stage in ("psnr", "gan"):
        folder = tmp_path / "run" / stage
        with (folder / "csv" / "version_0" / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {float(row["iteration"]) for row in rows} == {1.0, 2.0}
        assert {row["step"] for row in rows} == {"1", "2"}  # iterations, not optimiser steps
        events = EventAccumulator(str(next((folder / "tensorboard").rglob("events*")).parent))
        events.Reload()
        assert [event.step for event in events.Scalars("loss/pixel")] == [1, 2]
        assert [event.step for event in events.Images("panels")] == [1, 2]
        speeds = [float(row["speed/images_per_second"]) for row in rows if row["speed/images_per_second"]]
        shares = [float(row["speed/data_share"]) for row in rows if row["speed/data_share"]]
        assert len(speeds) == len(shares) == 2
        assert min(speeds) > 0
        assert 0 < min(shares) <= max(shares) < 1
        assert {float(row["lr/generator"]) for row in rows if row["lr/generator"]} == {
            2e-4 if stage == "psnr" else 1e-4
        }
        if stage == "gan":
            assert events.Tags()["histograms"] == ["logits/real", "logits/fake"]
            assert {"grad_norm/discriminator", "discriminator/fake_std", "lr/discriminator"} <= set(rows[0])
        offline = next((folder / "wandb").glob("offline-run-*"))
        assert offline.name.endswith((folder / "wandb_id").read_text())
        assert len(list(offline.rglob("panels_*.png"))) == 2


def test_the_runs_of_a_multirun_share_a_group_and_are_tagged_by_what_differs(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv(WORDS, json.dumps(["-m", "experiment=quickstart", "ablation=none,no_sinc"]))
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = compose("train", ["experiment=quickstart", "ablation=no_sinc"], return_hydra_config=True)
    alone = wandb_logger(str(tmp_path / "alone" / "gan"), "wildsr", "quickstart")._wandb_init
    assert (alone["group"], alone["tags"], alone["name"]) == ("quickstart", [], "quickstart/gan")
    OmegaConf.set_readonly(cfg.hydra, False)
    cfg.hydra.mode = "MULTIRUN"
    monkeypatch.setattr(HydraConfig.instance(), "cfg", cfg)
    one = wandb_logger(str(tmp_path / "no_sinc" / "gan"), "wildsr", "quickstart")._wandb_init
    assert (one["group"], one["tags"]) == ("quickstart", ["ablation=no_sinc"])
    assert one["name"] == "quickstart/ablation=no_sinc/gan"
