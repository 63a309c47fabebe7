"""The dashboard shows what training logs, under the names that it logs."""

import csv
import sys

import pytest

from wildsr.apps.dashboard import cli as dashboard
from wildsr.cli import main

TINY = [
    "generator=tiny", "discriminator.network.features=4", "loss=no_perceptual", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "data.val_recipes=1", "stages.psnr.iterations=1", "stages.gan.iterations=1", "compare=false",
    "trainer.log_every_n_steps=1",
]  # fmt: skip


def test_every_curve_of_the_dashboard_is_one_that_training_logs(train, tmp_path):
    train(TINY, tmp_path)
    with (tmp_path / "gan" / "csv" / "version_0" / "metrics.csv").open() as file:
        logged = set(next(csv.reader(file))) | {"loss/perceptual"}  # left out here for want of VGG's weights
    drawn = {name for plots in dashboard.SECTIONS.values() for names in plots.values() for name in names}
    assert drawn <= logged
    assert drawn >= {name for name in logged if "/" in name and not name.startswith("val/")}


def test_the_dashboard_counts_iterations():
    pytest.importorskip("wandb_workspaces")
    built = dashboard.workspace("me", "wildsr", "view")
    assert built.settings.x_axis == "trainer/global_step"
    plots = [panel for section in built.sections for panel in section.panels if hasattr(panel, "y")]
    assert len(plots) == sum(len(plots) for plots in dashboard.SECTIONS.values())
    assert all("trainer/global_step" in str(plot.x) for plot in plots)


def test_without_the_package_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert main(["dashboard", "--entity", "me"]) == 1
    assert "pip install wandb-workspaces==0.4.13" in capsys.readouterr().err


def test_without_a_key_it_is_one_line(monkeypatch, capsys, tmp_path):
    pytest.importorskip("wandb_workspaces")
    monkeypatch.setattr("wandb_workspaces.workspaces.Workspace.save", lambda self: 1 / 0)
    assert main(["dashboard", "--entity", "me"]) == 1
    assert capsys.readouterr().err.strip().splitlines() == [
        "error: wandb does not take the dashboard (division by zero); wanted: wandb login"
    ]
