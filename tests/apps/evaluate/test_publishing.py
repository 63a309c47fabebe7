"""What a run's end leaves on wandb, read back from the files of an offline run."""

import json
import math
from functools import partial

import pytest
import wandb
from PIL import Image

from wildsr.apps.evaluate.publishing import WandbPublisher, summary_of, table_of
from wildsr.io import UserError
from wildsr.scores import METRICS
from wildsr.training import wandb_logger

SCORES = {
    "bicubic": {"psnr_y": 22.0, "niqe": 11.0, "hard/psnr_y": 19.0},
    "gan stage": {"psnr_y": 23.5, "niqe": math.nan, "hard/psnr_y": 19.5},
}


def test_the_summary_has_each_method_the_last_stage_and_its_gain_over_bicubic():
    assert summary_of(SCORES, "gan stage") == {
        "bicubic/psnr_y": 22.0, "bicubic/niqe": 11.0,
        "gan stage/psnr_y": 23.5, "score/psnr_y": 23.5, "gain/psnr_y": 1.5,
    }  # fmt: skip


def test_the_table_has_all_sets_and_leaves_empty_what_is_not_finite():
    columns, data = table_of(SCORES, METRICS)
    assert columns == ["method", "PSNR-Y", "NIQE", "hard/psnr_y"]
    assert data == [["bicubic", 22.0, 11.0, 19.0], ["GAN stage", 23.5, None, 19.5]]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "quickstart"
    (folder / "gan").mkdir(parents=True)
    (folder / "gan" / "config.yaml").write_text("name: quickstart\nscale: 4\n")
    (folder / "gan" / "generator.safetensors").write_bytes(b"weights")
    (folder / "report.html").write_text("<html>")
    Image.new("RGB", (8, 8)).save(folder / "comparison.png")
    return folder


@pytest.mark.parametrize("artifacts", [[], ["report", "generator"]])
def test_the_end_of_a_run_is_a_run_of_its_group_with_table_comparison_and_the_artifacts_asked_for(run, artifacts):
    publish = WandbPublisher(partial(wandb_logger, project="wildsr", name="quickstart", tags=["seed=1"]), artifacts)
    publish(run, "gan", "gan stage", SCORES, METRICS, run / "report.html")
    wandb.teardown()  # now all is written
    (offline,) = (run / "evaluation" / "wandb").glob("offline-run-*")
    (table,) = offline.rglob("scores_*.table.json")
    assert json.loads(table.read_text())["data"][1] == ["GAN stage", 23.5, None, 19.5]
    assert list(offline.rglob("comparison_*.png"))
    content = next(offline.glob("*.wandb")).read_bytes()
    assert b"quickstart/seed=1/evaluation" in content and b"score/psnr_y" in content
    for name in ("report", "generator"):
        assert (f"quickstart-seed-1-{name}".encode() in content) is (name in artifacts)


def test_an_unknown_artifact_is_refused_before_anything_is_trained():
    with pytest.raises(UserError, match=r"evaluate\.publish\.artifacts: given 'weights'; choose from report"):
        WandbPublisher(wandb_logger, ["weights"])


def test_what_wandb_does_not_take_is_a_warning_the_run_is_finished_all_the_same(run, caplog):
    def refuses(folder):
        raise UserError("wandb: no such key")

    WandbPublisher(refuses)(run, "gan", "gan stage", SCORES, METRICS, None)
    assert "the scores are not on wandb: wandb: no such key" in caplog.text
