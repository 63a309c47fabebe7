"""Scalars and panels reach every logger, without an account, a network or a prompt."""

import csv

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wildsr.config import build, compose_config
from wildsr.data import validation_set
from wildsr.training import HardExamples, Panels, ScalarLogger, wandb_logger
from wildsr.training.loggers import finish


@pytest.fixture(autouse=True)
def without_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no key of the user's
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_every_logger_gets_the_same_curves_and_panels(data, adversarial, trainer, photographs, tmp_path):
    loggers = [
        CSVLogger(tmp_path, "csv", ""),
        TensorBoardLogger(tmp_path, "tensorboard", "", default_hp_metric=False),
        wandb_logger(str(tmp_path), "wildsr", "test"),
    ]
    callbacks = [ScalarLogger(every=1), Panels(tmp_path / "panels"), HardExamples(tmp_path / "hard.csv")]
    sets = {"main": validation_set(4, hq=photographs)}
    trainer(2, *callbacks, logger=loggers, log_every_n_steps=1).fit(
        adversarial(), data(val=sets, iterations_per_epoch=1)
    )
    with (tmp_path / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["step"] for row in rows} == {"1", "2"}
    events = EventAccumulator(str(next((tmp_path / "tensorboard").rglob("events*")).parent))
    events.Reload()
    for name in events.Tags()["scalars"]:
        assert [event.step for event in events.Scalars(name)] == [1, 2], name  # the iteration, once each
    assert [event.step for event in events.Images("panels")] == [1, 2]
    assert events.Histograms("logits/real")[-1].step == 2
    assert sorted(file.name for file in (tmp_path / "panels").iterdir()) == [
        "iteration_0000001.png", "iteration_0000002.png"
    ]  # fmt: skip
    speeds, shares = (
        [float(row[f"speed/{name}"]) for row in rows if row[f"speed/{name}"]]
        for name in ("images_per_second", "data_share")
    )
    assert len(speeds) == len(shares) == 2
    assert min(speeds) > 0
    assert 0 < min(shares) <= max(shares) < 1
    assert events.Tags()["histograms"] == ["logits/real", "logits/fake"]
    wanted = {
        "grad_norm/discriminator",
        "discriminator/fake_std",
        "lr/generator",
        "lr/discriminator",
        "val/psnr_y",
        "memory/peak_gb",
    }
    assert wanted <= set(rows[0]) and wanted <= set(events.Tags()["scalars"])
    finish(loggers)
    offline = next((tmp_path / "wandb").glob("offline-run-*"))
    assert offline.name.endswith((tmp_path / "wandb_id").read_text())
    assert len(list(offline.rglob("panels_*.png"))) == 2 * 3  # validations, images
    assert list(offline.rglob("*hard examples*"))


def test_tensorboard_gets_a_runs_settings_without_an_empty_metric(tmp_path):
    cfg = compose_config(["logger=tensorboard", f"paths.runs={tmp_path}"])
    logger = build(cfg.logger.tensorboard, "logger.tensorboard")
    logger.log_hyperparams({"seed": 0})
    logger.finalize("success")
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    assert events.Tags()["scalars"] == []
