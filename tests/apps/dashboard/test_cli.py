"""The dashboard shows what training logs, under the names that it logs."""

import csv
import json
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
    plots = [panel for section in built.sections for panel in section.panels if type(panel).__name__ == "LinePlot"]
    assert len(plots) == sum(len(plots) for plots in dashboard.SECTIONS.values())
    assert all("trainer/global_step" in str(plot.x) for plot in plots)


def test_a_multirun_s_page_opens_on_its_runs_compared_by_their_closing_scores_best_first():
    pytest.importorskip("wandb_workspaces")
    built = dashboard.workspace("me", "wildsr", "view", run="quickstart")
    first = built.sections[0]
    assert (first.name, first.is_open, first.pinned) == ("The runs compared", True, True)
    kinds = [type(panel).__name__ for panel in first.panels]
    assert kinds == [
        "MarkdownPanel",
        *["BarPlot"] * 3,
        "ScatterPlot",
        "MediaBrowser",
        "WeavePanelSummaryTable",
        "RunComparer",
    ]
    shown = built.runset_settings
    assert (shown.order[0].item.name, shown.order[0].ascending) == ("score/psnr_y", False)
    assert "summary:gain/psnr_y" in shown.pinned_columns
    spec = json.dumps(built._to_model().model_dump(by_alias=True), default=str)  # what would be sent
    assert '"quickstart"' in spec and '"quickstart"' not in json.dumps(
        dashboard.workspace("me", "wildsr", "view")._to_model().model_dump(by_alias=True), default=str
    )


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
