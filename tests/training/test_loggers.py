"""Scalars and panels reach every logger, without an account, a network or a prompt."""

import csv

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wildsr.run import train

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
        offline = next((folder / "wandb").glob("offline-run-*"))
        assert offline.name.endswith((folder / "wandb_id").read_text())
        assert len(list(offline.rglob("panels_*.png"))) == 2
